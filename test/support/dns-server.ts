/** A name server on loopback that speaks DNS (RFC 1035) as far as A and AAAA questions go, and answers from a table. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** What is known of a name; 'silent' is never answered, and a name that is not there does not exist. */
export type Records =
  | { readonly A?: readonly string[]; readonly AAAA?: readonly string[] }
  | 'silent';

const TYPES: Readonly<Record<number, 'A' | 'AAAA'>> = { 1: 'A', 28: 'AAAA' };

export class DNSServer {
  /** Every question, as 'A example.org', in order. */
  readonly questions: string[] = [];
  readonly #table: Readonly<Record<string, Records>>;
  readonly #socket = createSocket('udp4');
  #waiting: Array<() => void> = [];

  constructor(table: Readonly<Record<string, Records>>) {
    this.#table = table;
    this.#socket.on('message', (query, { address, port }) => {
      const answer = this.#answer(query);
      if (answer !== undefined) this.#socket.send(answer, port, address);
      for (const resolve of this.#waiting.splice(0)) resolve();
    });
  }

  /** Resolves with how it is to be called: '127.0.0.1:5353'. */
  async start(): Promise<string> {
    this.#socket.bind(0, '127.0.0.1');
    await once(this.#socket, 'listening');
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async stop(): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  /** Resolves with the next question. */
  asked(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #answer(query: Buffer): Buffer | undefined {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const name = labels.join('.').toLowerCase();
    const type = TYPES[query.readUInt16BE(at + 1)] ?? 'A';
    this.questions.push(`${type} ${name}`);
    const records = this.#table[name];
    if (records === 'silent') return undefined;
    const answers = (records?.[type] ?? []).map((address) => record(type, address));
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(records === undefined ? 0x8183 : 0x8180, 2); // no such name, or all is well
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answers.length, 6);
    return Buffer.concat([head, query.subarray(12, at + 5), ...answers]);
  }
}

/** A record for the name of the question. */
function record(type: 'A' | 'AAAA', address: string): Buffer {
  const data =
    type === 'A'
      ? Buffer.from(address.split('.').map(Number))
      : Buffer.from(
          address.split(':').flatMap((group) => {
            const number = Number.parseInt(group, 16);
            return [number >> 8, number & 255];
          }),
        );
  const head = Buffer.from([0xc0, 12, 0, type === 'A' ? 1 : 28, 0, 1, 0, 0, 0, 60, 0, data.length]);
  return Buffer.concat([head, data]);
}
