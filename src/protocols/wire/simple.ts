/** The small classics: each takes no argument and does one thing (Twisted: `twisted.protocols.wire`). Not meant for the open Internet, where they have served attackers well. */
import { reportFailure } from '../../deferred/index.ts';
import { type PullProducer, type PushProducer, wallTime } from '../../reactor/index.ts';
import { Protocol } from '../protocol.ts';

/** Sends back what comes (RFC 862), and takes no more while the peer does not take that. Twisted: `wire.Echo`. */
export class Echo extends Protocol implements PushProducer {
  #full = false;

  override dataReceived(data: Buffer): void {
    if (this.#full) {
      this.transport.write(data);
      return;
    }
    // Registered only while the transport has more than it likes, so that a close waits for what was written and for nobody else.
    this.transport.registerProducer(this, true);
    this.transport.write(data);
    if (!this.#full) this.transport.unregisterProducer();
  }

  /** The transport has enough to send. */
  pauseProducing(): void {
    this.#full = true;
    this.transport.pauseProducing();
  }

  /** The transport has sent it all. */
  resumeProducing(): void {
    this.#full = false;
    this.transport.unregisterProducer();
    this.transport.resumeProducing();
  }

  /** The connection ends. */
  stopProducing(): void {}
}

/** Throws away what comes (RFC 863). Twisted: `wire.Discard`. */
export class Discard extends Protocol {}

const FIRST = 0x20;
const LAST = 0x7e;
const WIDTH = 72;

/** All the lines there are: 72 of the 95 visible characters each, beginning one further on each time. */
function allLines(): Buffer {
  const count = LAST - FIRST + 1;
  const lines = Buffer.alloc(count * (WIDTH + 2));
  for (let line = 0; line < count; line++) {
    const at = line * (WIDTH + 2);
    for (let i = 0; i < WIDTH; i++) lines[at + i] = FIRST + ((line + i) % count);
    lines.write('\r\n', at + WIDTH);
  }
  return lines;
}

let lines: Buffer | undefined;

/** Sends characters as fast as the peer takes them, and throws away what comes (RFC 864). Twisted: `wire.Chargen`. */
export class Chargen extends Protocol implements PullProducer {
  override connectionMade(): void {
    this.transport.registerProducer(this, false);
  }

  /** The transport has sent the piece before. */
  resumeProducing(): void {
    if (this.transport.disconnecting) {
      this.transport.unregisterProducer();
      return;
    }
    lines ??= allLines();
    this.transport.write(lines);
  }

  /** The connection ends. */
  stopProducing(): void {}
}

/** Says something and closes. The base of those whose peer need not ask. */
abstract class Saying extends Protocol {
  /** What to say: bytes or text, or a promise of it. */
  protected abstract words(): Buffer | string | PromiseLike<Buffer | string>;

  override connectionMade(): unknown {
    const words = this.words();
    if (typeof words === 'string' || Buffer.isBuffer(words)) {
      this.#say(words);
      return undefined;
    }
    const failed = (error: unknown): void => {
      reportFailure(error, `Unhandled error in ${this.logPrefix()}`);
      this.transport.abortConnection();
    };
    return words.then((later) => this.#say(later)).then(undefined, failed);
  }

  #say(words: Buffer | string): void {
    this.transport.write(words);
    this.transport.loseConnection();
  }
}

/** Says a quotation and closes (RFC 865). Override `getQuote`. Twisted: `wire.QOTD`. */
export class QOTD extends Saying {
  /** The quotation, or a promise or Deferred of it; less than 512 characters, the RFC suggests. */
  getQuote(): Buffer | string | PromiseLike<Buffer | string> {
    return 'An apple a day keeps the doctor away.\r\n';
  }

  protected override words(): Buffer | string | PromiseLike<Buffer | string> {
    return this.getQuote();
  }
}

/** Says who is logged in, and closes (RFC 866). Override `getUsers`. Twisted: `wire.Who`. */
export class Who extends Saying {
  /** Lines, or a promise or Deferred of them. */
  getUsers(): Buffer | string | PromiseLike<Buffer | string> {
    return 'root\r\n';
  }

  protected override words(): Buffer | string | PromiseLike<Buffer | string> {
    return this.getUsers();
  }
}

/** Says the day and time, in UTC, and closes (RFC 867): 'Tue Feb 22 17:37:43 1982 UTC'. Twisted: `wire.Daytime`. */
export class Daytime extends Saying {
  /** The time, in seconds since 1970 UTC. */
  now(): number {
    return wallTime();
  }

  protected override words(): string {
    const [day, date, month, year, time] = new Date(this.now() * 1000)
      .toUTCString()
      .replace(',', '')
      .split(' ');
    return `${day} ${month} ${date} ${time} ${year} UTC\r\n`;
  }
}

/** Seconds from 1900 to 1970, both UTC (RFC 868). */
export const TIME_EPOCH = 2_208_988_800;

/** Sends the seconds since 1900 UTC, as four bytes, and closes (RFC 868). They begin anew in 2036. Twisted: `wire.Time`. */
export class Time extends Saying {
  /** The time, in seconds since 1970 UTC. */
  now(): number {
    return wallTime();
  }

  protected override words(): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE((Math.floor(this.now()) + TIME_EPOCH) % 2 ** 32);
    return bytes;
  }
}
