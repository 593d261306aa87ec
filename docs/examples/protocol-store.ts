import { type Failure, LineReceiver, TimeoutMixin } from '../../src/index.ts';

/** What all connections share, and the limits. */
export interface Shelf {
  readonly values: Map<string, Buffer>;
  /** How many values there may be, and how many bytes one of them may have. */
  readonly maxValues: number;
  readonly maxLength: number;
  /** Seconds a client may be silent. */
  readonly idle: number;
}

interface Coming {
  readonly key: string;
  readonly parts: Buffer[];
  missing: number;
}

/**
 * Keeps values by key.
 *
 *     SET key length   and behind the line as many bytes; answered STORED
 *     GET key          answered VALUE length, and the bytes; or NONE
 */
export class Store extends TimeoutMixin(LineReceiver) {
  override MAX_LENGTH = 200;
  readonly #shelf: Shelf;
  /** The value that comes now; null between commands. */
  #coming: Coming | null = null;

  constructor(shelf: Shelf) {
    super();
    this.#shelf = shelf;
  }

  override connectionMade(): void {
    this.setTimeout(this.#shelf.idle);
    // While the client does not read our answers, we do not read its questions.
    this.transport.registerProducer(this, true);
  }

  override connectionLost(_reason: Failure): void {
    this.setTimeout(null);
  }

  override lineReceived(line: Buffer): void {
    this.resetTimeout();
    const [verb, key, length = '', ...more] = line.toString().split(' ');
    if (verb === 'GET' && key && length === '') this.#get(key);
    else if (verb === 'SET' && key && /^\d{1,9}$/.test(length) && more.length === 0) {
      this.#set(key, Number(length));
    } else this.#refuse('What?');
  }

  override rawDataReceived(data: Buffer): void {
    this.resetTimeout();
    const coming = this.#coming;
    if (coming === null) return;
    const part = data.subarray(0, coming.missing);
    coming.parts.push(part);
    coming.missing -= part.length;
    if (coming.missing > 0) return;
    this.#keep(coming);
    // What is behind the value is the next command.
    this.setLineMode(data.subarray(part.length));
  }

  override lineLengthExceeded(): void {
    this.#refuse('Line too long');
  }

  override timeoutConnection(): void {
    this.#refuse('Too slow');
  }

  #get(key: string): void {
    const value = this.#shelf.values.get(key);
    this.sendLine(value === undefined ? 'NONE' : `VALUE ${value.length}`);
    if (value !== undefined) this.transport.write(value);
  }

  #set(key: string, length: number): void {
    const { values, maxLength, maxValues } = this.#shelf;
    const coming = { key, parts: [], missing: length };
    if (length > maxLength) this.#refuse('Value too long');
    else if (values.size >= maxValues && !values.has(key)) this.#refuse('Full');
    else if (length === 0) this.#keep(coming);
    else {
      this.#coming = coming;
      this.setRawMode();
    }
  }

  #keep({ key, parts }: Coming): void {
    this.#coming = null;
    this.#shelf.values.set(key, Buffer.concat(parts));
    this.sendLine('STORED');
  }

  /** Says why, and closes the connection: it waits for what was written, but not for a producer. */
  #refuse(why: string): void {
    this.sendLine(`ERROR ${why}`);
    this.transport.unregisterProducer();
    this.transport.loseConnection();
  }
}
