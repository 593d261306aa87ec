/** Who is there, and what do they say of themselves (RFC 1288; Twisted: `twisted.protocols.finger`). */
import { type Deferred, type Failure, reportFailure } from '../../deferred/index.ts';
import type { StreamClientEndpoint } from '../../reactor/index.ts';
import { LineReceiver } from '../line-receiver.ts';
import { TimeoutMixin } from '../policies/timeout-mixin.ts';
import { type AskingOptions, ask } from './asking.ts';

/** An answer: text with any line ends, now or later. */
export type FingerAnswer = string | PromiseLike<string>;

/**
 * Answers one question and closes. Override `getUser` and `getDomain`; unless you do, nothing is told of anybody. Questions to be handed on to another host are refused, as
 * they should be (RFC 1288, section 3.2.1).
 *
 * Twisted: `twisted.protocols.finger.Finger`.
 *
 * @example
 * class Staff extends Finger {
 *   override getUser(slashW: boolean, user: string): FingerAnswer {
 *     return user === 'ada' ? 'Ada is at lunch.' : super.getUser(slashW, user);
 *   }
 * }
 */
export class Finger extends TimeoutMixin(LineReceiver) {
  /** Longest question, in bytes. */
  override MAX_LENGTH = 512;
  /** Lines may end with a bare LF: some clients never learnt otherwise. */
  override delimiter: Buffer | string = '\n';
  /** Seconds in which the question has to come. */
  patience = 30;
  #asked = false;

  override connectionMade(): void {
    this.setTimeout(this.patience);
  }

  override connectionLost(_reason: Failure): void {
    this.setTimeout(null);
  }

  override lineReceived(line: Buffer): unknown {
    // The first line is the question.
    if (this.#asked) return undefined;
    this.#asked = true;
    this.setTimeout(null);
    // The blanks of ASCII: what else Unicode takes for one may be part of a name.
    const words = line
      .toString()
      .split(/[ \t\r]+/)
      .filter((word) => word !== '');
    const slashW = /^\/w$/i.test(words[0] ?? '');
    if (slashW) words.shift();
    const query = words.join(' ');
    const at = query.lastIndexOf('@');
    let answer: FingerAnswer;
    if (at >= 0) answer = this.forwardQuery(slashW, query.slice(0, at), query.slice(at + 1));
    else if (query !== '') answer = this.getUser(slashW, query);
    else answer = this.getDomain(slashW);
    if (typeof answer === 'string') {
      this.#answer(answer);
      return undefined;
    }
    const failed = (error: unknown): void => {
      reportFailure(error, `Unhandled error in ${this.logPrefix()}`);
      this.transport.abortConnection();
    };
    return answer.then((text) => this.#answer(text)).then(undefined, failed);
  }

  /** What is told of one user. @param slashW whether the long form is asked for */
  getUser(_slashW: boolean, user: string): FingerAnswer {
    return `Login: ${user}\nNo such user`;
  }

  /** What is told of all who are there. */
  getDomain(_slashW: boolean): FingerAnswer {
    return 'Finger online list denied';
  }

  /** What another host tells. */
  forwardQuery(_slashW: boolean, _user: string, _host: string): FingerAnswer {
    return 'Finger forwarding service denied';
  }

  #answer(text: string): void {
    this.transport.write(`${printable(text).trimEnd().replace(/\r?\n/g, '\r\n')}\r\n`);
    this.transport.loseConnection();
  }
}

/** Without what could make a terminal do something (RFC 1288, section 3.3). */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
  return text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)/g, '?');
}

/** Options of `finger`. */
export interface FingerOptions extends AskingOptions {
  /** Whether to ask for the long form. Default false. */
  slashW?: boolean;
}

/**
 * Asks a server of `user`, or of everybody with ''. Fires with the answer, lines ended by LF and without what could make a terminal do something. Fails as `ask` does.
 * @throws {TypeError} when `user` has a line end in it
 */
export function finger(
  endpoint: StreamClientEndpoint,
  user = '',
  options: FingerOptions = {},
): Deferred<string> {
  if (/[\r\n]/.test(user)) {
    throw new TypeError(`Cannot ask of user ${JSON.stringify(user)}: a line end is in it`);
  }
  const question = `${options.slashW ? '/W ' : ''}${user}\r\n`;
  return ask(endpoint, question, options).addCallback((answer) =>
    printable(answer.toString()).replace(/\r\n/g, '\n').trimEnd(),
  );
}
