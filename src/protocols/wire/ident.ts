/** Whose is that connection (RFC 1413; Twisted: `twisted.protocols.ident`). What a peer says of itself proves nothing. */
import { Deferred, type Failure, reportFailure } from '../../deferred/index.ts';
import type { Address } from '../../reactor/index.ts';
import { LineReceiver } from '../line-receiver.ts';
import { TimeoutMixin } from '../policies/timeout-mixin.ts';

/** Something is wrong with a question or its answer that has no name of its own: 'UNKNOWN-ERROR'. Twisted: `IdentError`. */
export class IdentError extends Error {
  static {
    IdentError.prototype.name = 'IdentError';
  }
  readonly code: string = 'ERR_IDENT';
  /** What goes over the wire. */
  readonly token: string = 'UNKNOWN-ERROR';
}

/** The connection is not there, or belongs to nobody: 'NO-USER'. */
export class NoUser extends IdentError {
  static {
    NoUser.prototype.name = 'NoUser';
  }
  override readonly code = 'ERR_IDENT_NO_USER';
  override readonly token = 'NO-USER';
}

/** A port is not one: 'INVALID-PORT'. */
export class InvalidPort extends IdentError {
  static {
    InvalidPort.prototype.name = 'InvalidPort';
  }
  override readonly code = 'ERR_IDENT_INVALID_PORT';
  override readonly token = 'INVALID-PORT';
}

/** The user does not want to be named: 'HIDDEN-USER'. */
export class HiddenUser extends IdentError {
  static {
    HiddenUser.prototype.name = 'HiddenUser';
  }
  override readonly code = 'ERR_IDENT_HIDDEN_USER';
  override readonly token = 'HIDDEN-USER';
}

/** A system ('UNIX', 'OTHER') and a user on it. */
export type IdentAnswer = readonly [system: string, user: string];

/** One end of the connection that is asked about. */
export interface IdentEnd {
  /** The address. */
  readonly address: Address;
  /** The port. */
  readonly port: number;
}

const QUESTION = /^[ \t]*(\d{1,5})[ \t]*,[ \t]*(\d{1,5})[ \t]*\r?$/;

function isPort(port: number): boolean {
  return port >= 1 && port <= 65535;
}

/**
 * Answers questions. Override `lookup`.
 *
 * Twisted: `twisted.protocols.ident.IdentServer`.
 */
export class IdentServer extends TimeoutMixin(LineReceiver) {
  /** Longest question, in bytes (RFC 1413 has no more use for it). */
  override MAX_LENGTH = 512;
  override delimiter: Buffer | string = '\n';
  /** Seconds without a question after which the connection is closed (RFC 1413 says 60 to 180). */
  patience = 60;
  /** How many questions one connection may ask. */
  maxQuestions = 1000;
  #questions = 0;

  override connectionMade(): void {
    this.setTimeout(this.patience);
  }

  override connectionLost(_reason: Failure): void {
    this.setTimeout(null);
  }

  override lineReceived(line: Buffer): unknown {
    this.resetTimeout();
    this.#questions += 1;
    if (this.#questions > this.maxQuestions) return this.transport.loseConnection();
    const found = QUESTION.exec(line.toString('latin1'));
    const [serverPort, clientPort] = [Number(found?.[1] ?? 0), Number(found?.[2] ?? 0)];
    const ports = `${serverPort}, ${clientPort}`;
    if (!isPort(serverPort) || !isPort(clientPort)) {
      this.#say(ports, 'ERROR : INVALID-PORT');
      return undefined;
    }
    const server = { address: this.transport.getHost(), port: serverPort };
    const client = { address: this.transport.getPeer(), port: clientPort };
    // One after the other, so that nobody has many looked up at once.
    this.pauseProducing();
    return this.#answer(ports, server, client);
  }

  /**
   * Whose connection is it that stands between `server`, this host, and `client`, the one that asks? Throw `NoUser`, `HiddenUser` or another `IdentError` where there is no answer.
   * Anything else that is thrown is logged, and answered as an unknown error.
   */
  lookup(_server: IdentEnd, _client: IdentEnd): IdentAnswer | PromiseLike<IdentAnswer> {
    throw new NoUser('Cannot say whose connection it is: nobody has told how');
  }

  async #answer(ports: string, server: IdentEnd, client: IdentEnd): Promise<void> {
    let said: string;
    try {
      const [system, user] = await this.lookup(server, client);
      // The name goes to the end of the line, and must not have one in it.
      said = `USERID : ${system} : ${user.replace(/[\r\n\0]/g, '?').slice(0, 512)}`;
    } catch (error) {
      if (!(error instanceof IdentError)) {
        reportFailure(error, `Unhandled error in lookup() of ${this.logPrefix()}`);
      }
      said = `ERROR : ${error instanceof IdentError ? error.token : 'UNKNOWN-ERROR'}`;
    }
    if (!this.transport.connected || this.transport.disconnecting) return;
    this.#say(ports, said);
    this.resumeProducing();
  }

  #say(ports: string, said: string): void {
    this.sendLine(`${ports} : ${said}\r`);
  }
}

const ANSWER = /^[ \t]*(\d+)[ \t]*,[ \t]*(\d+)[ \t]*:[ \t]*(USERID|ERROR)[ \t]*:[ \t]*(.*)$/i;

const ERRORS = [NoUser, InvalidPort, HiddenUser] as const;

/**
 * Asks, one question after another.
 *
 * Twisted: `twisted.protocols.ident.IdentClient`.
 *
 * @example
 * const client = await connectProtocol(endpoint, new IdentClient());
 * const [system, user] = await client.lookup(6193, 23);
 */
export class IdentClient extends LineReceiver {
  override MAX_LENGTH = 1024;
  override delimiter: Buffer | string = '\n';
  readonly #queue: Array<{ question: string; asked: Deferred<IdentAnswer> }> = [];
  #lost: Failure | undefined;

  /**
   * Whose connection is it? Fires with the system and the user; fails with an `IdentError`, or as the connection does when it is lost.
   * @param portOnServer the port at the end that is asked
   * @param portOnClient the port at the end that asks
   */
  lookup(portOnServer: number, portOnClient: number): Deferred<IdentAnswer> {
    const asked = new Deferred<IdentAnswer>();
    if (this.#lost !== undefined) {
      asked.errback(this.#lost);
      return asked;
    }
    this.#queue.push({ question: `${portOnServer}, ${portOnClient}`, asked });
    if (this.#queue.length === 1) this.#ask();
    return asked;
  }

  #ask(): void {
    const next = this.#queue[0];
    if (next !== undefined) this.sendLine(`${next.question}\r`);
  }

  override lineReceived(line: Buffer): unknown {
    const waiting = this.#queue.shift();
    // What was not asked for is of no use.
    if (waiting === undefined) return this.transport.loseConnection();
    const { asked, question } = waiting;
    const outcome = read(line.toString().replace(/\r$/, ''), question);
    // One that was cancelled has fired.
    if (!asked.called) {
      if (outcome instanceof IdentError) asked.errback(outcome);
      else asked.callback(outcome);
    }
    this.#ask();
    return undefined;
  }

  override connectionLost(reason: Failure): void {
    this.#lost = reason;
    for (const { asked } of this.#queue.splice(0)) {
      if (!asked.called) asked.errback(reason);
    }
  }
}

function read(line: string, question: string): IdentAnswer | IdentError {
  const [, server = '', client = '', kind = '', rest = ''] = ANSWER.exec(line) ?? [];
  const shown = JSON.stringify(line.slice(0, 80));
  if (`${Number(server)}, ${Number(client)}` !== question || kind === '') {
    return new IdentError(`Cannot take answer ${shown} to question '${question}'`);
  }
  if (kind.toUpperCase() === 'ERROR') {
    const token = rest.trim().toUpperCase();
    const known = ERRORS.find((each) => new each('').token === token);
    return new (known ?? IdentError)(`Cannot tell whose connection '${question}' is: ${token}`);
  }
  const colon = rest.indexOf(':');
  if (colon < 0) return new IdentError(`Cannot take answer ${shown}: it names no user`);
  // Blanks around the system do not count; the user's may (RFC 1413, section 4).
  const [system = ''] = rest.slice(0, colon).split(',');
  return [system.trim(), rest.slice(colon + 1).replace(/^ /, '')];
}
