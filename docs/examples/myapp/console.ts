/** The door for people with `nc`: one line, one answer; or WATCH, and all that is new. */
import {
  type Address,
  Deferred,
  Factory,
  LineReceiver,
  Logger,
  TimeoutMixin,
} from '../../../src/index.ts';
import { type Board, type Entry, isOverload, NAME, oneLine, Refused, TEXT } from './store.ts';

/** How many may talk at once, and how many seconds one may be silent. */
const TALKERS = 500;
const SILENCE = 300;
const LISTED = 20;
const HELP = 'POST name: text | LIST [count] | WATCH | STATUS | QUIT';

/** An entry on a line. */
function lineOf({ id, author, text, file, size, sha256, picture }: Entry): string {
  if (file === null) return `#${id} ${author}: ${text}`;
  const digest = sha256 === null ? 'is being looked at' : `${sha256.slice(0, 12)} [${picture}]`;
  return `#${id} ${oneLine(author)} dropped ${oneLine(file)}, ${size} bytes, ${digest}`;
}

/** What all who talk share. */
interface Desk {
  readonly board: Board;
  readonly log: Logger;
  readonly talks: Set<Talk>;
  left(talk: Talk): void;
}

class Talk extends TimeoutMixin(LineReceiver) {
  readonly #desk: Desk;
  override delimiter = '\n';
  override MAX_LENGTH = 4 * (NAME + TEXT) + 100;
  /** Why nothing is read: a line is being answered, or answers are not being read. */
  #busy = false;
  #full = false;
  #watching: { unsubscribe(): void } | null = null;
  #lastWord: string | null = null;

  constructor(desk: Desk) {
    super();
    this.#desk = desk;
  }

  override connectionMade(): void {
    this.#desk.talks.add(this);
    this.setTimeout(SILENCE);
    const throttle = (full: boolean) => () => {
      this.#full = full;
      this.#read();
    };
    this.transport.registerProducer(
      { pauseProducing: throttle(true), resumeProducing: throttle(false), stopProducing() {} },
      true,
    );
    this.sendLine(`OK Board: ${HELP}`);
  }

  override connectionLost(): void {
    this.setTimeout(null);
    this.#watching?.unsubscribe();
    this.#desk.left(this);
  }

  override timeoutConnection(): void {
    this.leave('OK Goodbye: you are silent');
  }

  override lineReceived(line: Buffer): void {
    this.resetTimeout();
    // One thing at a time: what else is sent waits unread until this is answered.
    this.#busy = true;
    this.#read();
    void this.#answer(line.toString().trim()).then((answer) => {
      this.#busy = false;
      if (answer === null) return this.leave('OK Goodbye');
      this.sendLine(answer);
      if (this.#lastWord === null) this.#read();
      else this.leave(this.#lastWord);
    });
  }

  override lineLengthExceeded(): void {
    this.leave('ERR Line is too long: goodbye');
  }

  /** Says a last word, once what was asked is answered, and closes when it has left. */
  leave(word: string): void {
    this.#lastWord = word;
    if (this.#busy) return;
    this.sendLine(word);
    this.transport.unregisterProducer();
    this.transport.loseConnection();
  }

  #read(): void {
    if (this.#busy || this.#full) this.pauseProducing();
    else this.resumeProducing();
  }

  /** What is said to a line; null for a goodbye. Never fails. */
  async #answer(line: string): Promise<string | null> {
    const { board } = this.#desk;
    const [, verb = '', rest = ''] = /^(\S*)\s*(.*)$/u.exec(line) ?? [];
    try {
      switch (verb.toUpperCase()) {
        case 'POST': {
          const [, name = '', text = ''] = /^([^:]*):(.*)$/u.exec(rest) ?? [];
          return `OK #${await board.say(name, text)}`;
        }
        case 'LIST': {
          if (!/^\d{0,2}$/.test(rest)) throw new Refused('LIST takes a number up to 99');
          const entries = await board.newest(rest === '' ? LISTED : Number(rest));
          return [`OK ${entries.length}`, ...entries.map(lineOf)].join('\n');
        }
        case 'WATCH':
          return await this.#watch();
        case 'STATUS': {
          const { notes, files, bytes } = await board.totals();
          return `OK ${notes} notes, ${files} files of ${bytes} bytes, ${board.followers} watching`;
        }
        case 'QUIT':
          return null;
        default:
          throw new Refused(`Try ${HELP}`);
      }
    } catch (error) {
      if (error instanceof Refused) return `ERR ${error.message}`;
      if (isOverload(error)) return 'ERR Too much to do: try again';
      this.#desk.log.error('Cannot answer: {error}', { error: String(error) });
      return 'ERR Something went wrong';
    }
  }

  async #watch(): Promise<string> {
    if (this.#watching !== null) throw new Refused('You are watching already');
    const [last] = await this.#desk.board.newest(1);
    if (!this.connected) return '';
    // Who watches may be silent.
    this.setTimeout(null);
    this.#watching = this.#desk.board.follow(last?.version ?? 0).subscribe({
      next: (entry) => {
        // What is new does not wait for those who do not read.
        if (this.#full) this.transport.abortConnection();
        else this.sendLine(lineOf(entry));
      },
      error: () => this.leave('ERR Something went wrong: goodbye'),
      complete() {},
    });
    return 'OK Watching';
  }
}

export class ConsoleFactory extends Factory<Talk> implements Desk {
  override protocol = (): Talk => new Talk(this);
  readonly board: Board;
  readonly log = new Logger('console');
  readonly talks = new Set<Talk>();
  #whenEmpty: Deferred<void> | null = null;

  constructor(board: Board) {
    super();
    this.board = board;
  }

  override buildProtocol(address: Address): Talk | null {
    return this.talks.size < TALKERS ? super.buildProtocol(address) : null;
  }

  left(talk: Talk): void {
    this.talks.delete(talk);
    if (this.talks.size === 0) this.#whenEmpty?.callback();
  }

  /** Says goodbye to everybody; fires when they are gone. The service that listens waits for it when it stops. */
  drain(): Deferred<void> {
    const empty = new Deferred<void>();
    if (this.talks.size === 0) empty.callback();
    else this.#whenEmpty = empty;
    for (const talk of [...this.talks]) talk.leave('OK Goodbye: the board closes');
    return empty;
  }
}
