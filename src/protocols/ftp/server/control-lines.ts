/** Cuts what comes over the control connection into command lines (RFC 959, 5.3), and takes out what Telnet puts in (RFC 854). */

/** What hears of lines. */
export interface LineEvents {
  /** A line, without its end. False: nothing more is wanted for now. */
  line(text: string): boolean;
  /** A line was too long; it was dropped. */
  tooLong(): void;
  /** A line was not UTF-8, or had NUL or a bare CR in it; it was dropped. */
  notText(): void;
}

const LF = 10;
const CR = 13;
const IAC = 255;
/** Telnet's signals, such as "data mark" and "interrupt process", are the bytes from here on. */
const FIRST_SIGNAL = 240;
/** WILL, WONT, DO and DONT have one byte behind them. */
const FIRST_WITH_OPTION = 251;

/** Of which every encoding of a text is the same. */
const PLAIN = /^[ -~]*$/;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class ControlLines {
  readonly #events: LineEvents;
  /** Bytes of a line, at most. */
  readonly #limit: number;
  #rest: Buffer = Buffer.alloc(0);
  /** How far `rest` was searched. */
  #searched = 0;
  #dropping = false;
  #open = true;

  constructor(events: LineEvents, limit: number) {
    this.#events = events;
    this.#limit = limit;
  }

  /** How many bytes are held. */
  get held(): number {
    return this.#rest.length;
  }

  push(data: Buffer): void {
    if (this.#isPlainLine(data)) return;
    this.#rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    this.deliver();
  }

  /** What comes is nearly always one line of plain text: that takes no cutting, nor a look at each byte. False for anything else. */
  #isPlainLine(data: Buffer): boolean {
    if (this.#rest.length > 0 || this.#dropping || !this.#open || data.length === 0) return false;
    if (data.length > this.#limit || data.indexOf(LF) !== data.length - 1) return false;
    const end = data.at(-2) === CR ? data.length - 2 : data.length - 1;
    const text = data.toString('latin1', 0, end);
    if (!PLAIN.test(text)) return false;
    this.#open = this.#events.line(text);
    return true;
  }

  /** Delivers what is held, until a line says that nothing more is wanted. */
  resume(): void {
    this.#open = true;
    this.deliver();
  }

  /** Forgets what is held: nothing that came in clear is taken for something that came under TLS. */
  clear(): void {
    this.#rest = Buffer.alloc(0);
    this.#searched = 0;
    this.#dropping = false;
  }

  deliver(): void {
    while (this.#open) {
      const end = this.#rest.indexOf(LF, this.#searched);
      if (end < 0) {
        this.#searched = this.#rest.length;
        if (this.#dropping || this.#rest.length > this.#limit + 2) this.#drop();
        return;
      }
      const line = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end + 1);
      this.#searched = 0;
      if (this.#dropping) this.#dropping = false;
      else this.#line(line);
    }
  }

  /** Drops the beginning of a line that is too long; its rest follows. */
  #drop(): void {
    if (!this.#dropping) this.#events.tooLong();
    this.#dropping = true;
    this.#rest = Buffer.alloc(0);
    this.#searched = 0;
  }

  #line(raw: Buffer): void {
    const first = raw[0] ?? 0;
    let line = first >= FIRST_SIGNAL || raw.includes(IAC) ? withoutTelnet(raw) : raw;
    if (line.at(-1) === CR) line = line.subarray(0, -1);
    if (line.length > this.#limit) {
      this.#events.tooLong();
      return;
    }
    if (line.includes(0) || line.includes(CR)) {
      this.#events.notText();
      return;
    }
    let text: string;
    try {
      text = utf8.decode(line);
    } catch {
      this.#events.notText();
      return;
    }
    this.#open = this.#events.line(text);
  }
}

/** Takes out Telnet's commands, such as the "interrupt process" and "data mark" that go before ABOR. A doubled IAC stands for itself. */
function withoutTelnet(line: Buffer): Buffer {
  const out: number[] = [];
  for (let at = 0; at < line.length; at++) {
    const byte = line[at] ?? 0;
    if (byte !== IAC) {
      // What is left of a signal when the urgent byte before it was not read inline. No command begins so.
      if (byte < FIRST_SIGNAL || out.length > 0) out.push(byte);
      continue;
    }
    const command = line[at + 1] ?? 0;
    if (command === IAC) out.push(IAC);
    at += command >= FIRST_WITH_OPTION && command < IAC ? 2 : 1;
  }
  return Buffer.from(out);
}
