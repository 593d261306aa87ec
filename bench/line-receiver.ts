/**
 * Lines per second of LineReceiver, beside node:readline and beside Twisted's LineReceiver, over the same bytes cut in the same places.
 *
 * Against readline both read the same kind of Readable; against Twisted both have `dataReceived` called in a loop. Rounds alternate, and what
 * counts is the median.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable, type Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { LineReceiver } from '../src/protocols/index.ts';
import type { Transport } from '../src/reactor/index.ts';
import { type BenchRow, printRows } from './lib.ts';

const PYTHON = '/usr/bin/python3';
const PEER = fileURLToPath(new URL('./peers/line_receiver.py', import.meta.url));
const ROUNDS = 7;
const WARM_UP = 3;
const CHUNK_SIZES = [65_536, 1024, 64];
const DELIMITERS = [
  ['CRLF', '\r\n'],
  ['LF', '\n'],
] as const;
/** Bytes in a round. Twisted gets fewer where it is slow; rates compare all the same. */
const BYTES = 16 * 1024 * 1024;
const TWISTED_BYTES = 1024 * 1024;

/** What a LineReceiver asks of a transport while it only receives. */
const IDLE_TRANSPORT = { disconnecting: false } as Transport; // nothing else of it is used here

class Counter extends LineReceiver {
  lines = 0;
  bytes = 0;

  override lineReceived(line: Buffer): void {
    this.lines += 1;
    this.bytes += line.length;
  }
}

/** Lines of 20 to 40 bytes, cut into chunks. The same for every run. */
function makeChunks(delimiter: string, chunkSize: number, total: number): Buffer[] {
  const parts: string[] = [];
  let length = 0;
  for (let i = 0; length < total; i += 1) {
    const line = `${i} ${'abcdefghijklmnopqrstuvwxyz0123456789'.slice(0, 14 + ((i * 7) % 21))}`;
    parts.push(line);
    length += line.length + delimiter.length;
  }
  const bytes = Buffer.from(parts.join(delimiter) + delimiter);
  const chunks: Buffer[] = [];
  // As from a socket, each chunk is memory of its own.
  for (let at = 0; at < bytes.length; at += chunkSize) {
    const chunk = Buffer.allocUnsafeSlow(Math.min(chunkSize, bytes.length - at));
    bytes.copy(chunk, 0, at);
    chunks.push(chunk);
  }
  return chunks;
}

function counter(delimiter: string): Counter {
  const protocol = new Counter();
  protocol.delimiter = delimiter;
  protocol.makeConnection(IDLE_TRANSPORT);
  return protocol;
}

function rate(lines: number, started: number): number {
  return lines / ((performance.now() - started) / 1000);
}

function direct(chunks: readonly Buffer[], delimiter: string): number {
  const protocol = counter(delimiter);
  const started = performance.now();
  for (const chunk of chunks) protocol.dataReceived(chunk);
  return rate(protocol.lines, started);
}

function readableOf(chunks: readonly Buffer[]): Readable {
  let next = 0;
  return new Readable({
    read() {
      this.push(chunks[next++] ?? null);
    },
  });
}

function overReadable(chunks: readonly Buffer[], delimiter: string): Promise<number> {
  return new Promise((resolve) => {
    const protocol = counter(delimiter);
    const input = readableOf(chunks);
    const started = performance.now();
    input.on('data', (chunk: Buffer) => protocol.dataReceived(chunk));
    input.on('end', () => resolve(rate(protocol.lines, started)));
  });
}

function overReadline(chunks: readonly Buffer[]): Promise<number> {
  return new Promise((resolve) => {
    let lines = 0;
    let length = 0;
    const input = readableOf(chunks);
    const started = performance.now();
    const reader = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
    reader.on('line', (line) => {
      lines += 1;
      length += line.length;
    });
    reader.on('close', () => resolve(length === 0 ? 0 : rate(lines, started)));
  });
}

/** Twisted in a child that runs one round for each request. */
class TwistedPeer {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;

  constructor() {
    this.#child = spawn(PYTHON, [PEER], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Its version, or undefined when it cannot be run here. */
  async start(): Promise<string | undefined> {
    const answer = await this.#answers.next();
    return answer.done === true ? undefined : answer.value;
  }

  async round(chunks: readonly Buffer[], delimiter: string): Promise<number> {
    const request = {
      delimiter,
      chunkSize: chunks[0]?.length ?? 0,
      data: Buffer.concat(chunks).toString('latin1'),
    };
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const answer = await this.#answers.next();
    if (answer.done === true) throw new Error('Cannot go on measuring Twisted: the child ended');
    return Number(answer.value);
  }

  stop(): void {
    this.#child.stdin.end();
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

type Round = () => number | Promise<number>;

async function compare(ours: Round, peer: Round): Promise<[ours: number, peer: number]> {
  const taken: [number[], number[]] = [[], []];
  for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
    const [a, b] = [await ours(), await peer()];
    if (round < WARM_UP) continue;
    taken[0].push(a);
    taken[1].push(b);
  }
  return [median(taken[0]), median(taken[1])];
}

function row(name: string, peerName: string, [ours, peer]: [number, number]): BenchRow {
  return { name, ours, peer, peerName, unit: 'lines/s', ratio: ours / peer };
}

/** Measures every combination of delimiter, chunk size and peer. */
export async function run(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const twisted = existsSync(PYTHON) ? new TwistedPeer() : undefined;
  const version = await twisted?.start();
  for (const [label, delimiter] of DELIMITERS) {
    for (const size of CHUNK_SIZES) {
      const name = `LineReceiver, ${label}, ${size} B chunks`;
      const chunks = makeChunks(delimiter, size, size < 1024 ? BYTES / 4 : BYTES);
      const besideReadline = await compare(
        () => overReadable(chunks, delimiter),
        () => overReadline(chunks),
      );
      rows.push(row(name, 'node:readline', besideReadline));
      if (twisted === undefined || version === undefined) {
        const note = `skipped: no Twisted for ${PYTHON}`;
        rows.push({ ...row(name, 'Twisted', [direct(chunks, delimiter), Number.NaN]), note });
        continue;
      }
      const fewer = makeChunks(delimiter, size, TWISTED_BYTES);
      const besideTwisted = await compare(
        () => direct(chunks, delimiter),
        () => twisted.round(fewer, delimiter),
      );
      rows.push(row(name, `Twisted ${version}`, besideTwisted));
    }
  }
  twisted?.stop();
  return rows;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) printRows(await run());
