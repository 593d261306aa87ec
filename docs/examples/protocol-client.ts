import {
  clientFromString,
  connectProtocol,
  Deferred,
  type Failure,
  LineReceiver,
  type Reactor,
} from '../../src/index.ts';

/** Asks a store. Questions need not wait for each other: answers come in the order of the questions. */
export class StoreClient extends LineReceiver {
  readonly #asked: Deferred<Buffer | null>[] = [];
  /** The value that comes now. */
  #parts: Buffer[] = [];
  #missing = 0;
  #lost: Failure | null = null;

  /** Fires with the value, or null if there is none. Fails with why the connection ended. */
  get(key: string): Deferred<Buffer | null> {
    return this.#ask(`GET ${key}\r\n`);
  }

  /** Fires with null. */
  set(key: string, value: Buffer): Deferred<Buffer | null> {
    return this.#ask(`SET ${key} ${value.length}\r\n`, value);
  }

  override lineReceived(line: Buffer): void {
    const [what, length] = line.toString().split(' ');
    this.#missing = what === 'VALUE' ? Number(length) : 0;
    if (this.#missing > 0) this.setRawMode();
    else this.#answer(what === 'VALUE' ? Buffer.alloc(0) : null);
  }

  override rawDataReceived(data: Buffer): void {
    const part = data.subarray(0, this.#missing);
    this.#parts.push(part);
    this.#missing -= part.length;
    if (this.#missing > 0) return;
    this.#answer(Buffer.concat(this.#parts.splice(0)));
    this.setLineMode(data.subarray(part.length));
  }

  override connectionLost(reason: Failure): void {
    this.#lost = reason;
    for (const asked of this.#asked.splice(0)) asked.errback(reason);
  }

  #ask(...question: (string | Buffer)[]): Deferred<Buffer | null> {
    const answer = new Deferred<Buffer | null>();
    if (this.#lost !== null) {
      answer.errback(this.#lost);
      return answer;
    }
    this.#asked.push(answer);
    this.transport.writeSequence(question);
    return answer;
  }

  #answer(value: Buffer | null): void {
    this.#asked.shift()?.callback(value);
  }
}

/** @param where a description such as 'tcp:localhost:8010' or 'unix:/run/store.sock' */
export async function remember(reactor: Reactor, where: string, text: string): Promise<string> {
  const store = await connectProtocol(clientFromString(reactor, where), new StoreClient());
  try {
    await store.set('text', Buffer.from(text));
    return String(await store.get('text'));
  } finally {
    store.transport.loseConnection();
  }
}
