/**
 * Requests per second of RequestParser beside llhttp, which is Node's own parser, over the same bytes cut in the same places.
 *
 * llhttp is written in C; what it costs besides is the way from there to JavaScript for each head. Both sides count heads, bytes of bodies and ends, and
 * take the target. Node hands all headers over as strings in any case; ours makes them when asked, and is measured both ways. Rounds alternate, and
 * what counts is the median.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { RequestHead } from '../src/protocols/http/heads.ts';
import { RequestParser } from '../src/protocols/http/parser.ts';
import type { RequestEvents } from '../src/protocols/http/parser-events.ts';
import { parserSettings } from '../src/protocols/http/parser-limits.ts';
import { type BenchRow, printRows } from './lib.ts';

/** What of Node's parser is used here; it has no types, as it is not public. */
interface NodeParser {
  initialize(type: number, resource: object): void;
  execute(chunk: Buffer): number | Error;
  [event: number]: (...args: unknown[]) => unknown;
}
interface NodeParserClass {
  new (): NodeParser;
  readonly REQUEST: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}

const ROUNDS = 9;
const WARM_UP = 4;
const REQUESTS = 100_000;

const TWO = 'GET /plaintext HTTP/1.1\r\nHost: server.example\r\nConnection: keep-alive\r\n\r\n';
const TEN = [
  'GET /articles/2024/how-to-parse?page=2&sort=date HTTP/1.1',
  'Host: www.example.org',
  'Connection: keep-alive',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
  'Cache-Control: max-age=0',
  'Cookie: session=0123456789abcdef0123456789abcdef; theme=dark',
  'If-None-Match: "5e8c-61a2b3c4d5e6f"',
  'Referer: https://www.example.org/articles/',
  '',
  '',
].join('\r\n');
const POST = `POST /upload HTTP/1.1\r\nHost: server.example\r\nTransfer-Encoding: chunked\r\n\r\n${'400\r\n'}${'x'.repeat(1024)}\r\n${'0\r\n\r\n'}`;

/** As many of a request as are pipelined; as from a socket, each chunk is memory of its own. */
function chunksOf(request: (i: number) => string, pipelined: number): Buffer[] {
  return Array.from({ length: 64 }, (_, chunk) => {
    const text = Array.from({ length: pipelined }, (_, i) => request(chunk * pipelined + i)).join(
      '',
    );
    const bytes = Buffer.allocUnsafeSlow(text.length);
    bytes.write(text, 'latin1');
    return bytes;
  });
}

/** What is remembered of the request before is of no use here. */
const differing = (i: number) => TEN.replace('0123456789abcdef', i.toString(16).padStart(16, '0'));

interface Counts {
  heads: number;
  ends: number;
  bytes: number;
  headers: number;
}

class Counting implements RequestEvents, Counts {
  heads = 0;
  ends = 0;
  bytes = 0;
  headers = 0;
  readonly #asks: boolean;

  constructor(asks: boolean) {
    this.#asks = asks;
  }

  onHead(head: RequestHead): void {
    this.heads += 1;
    if (head.target.length === 0) throw new Error('No target');
    if (this.#asks) this.headers += head.rawHeaders.length / 2;
  }
  onBody(chunk: Buffer): void {
    this.bytes += chunk.length;
  }
  onEnd(): void {
    this.ends += 1;
  }
  onError(error: Error): void {
    throw error;
  }
}

const settings = parserSettings();

function ours(chunks: readonly Buffer[], times: number, asks: boolean): Counts {
  const counts = new Counting(asks);
  const parser = new RequestParser(counts, settings);
  for (let i = 0; i < times; i++) {
    for (let j = 0; j < chunks.length; j++) parser.push(chunks[j] ?? Buffer.alloc(0));
  }
  return counts;
}

// The module is Node's own, and says so in a warning of its own.
const { HTTPParser } = createRequire(import.meta.url)('_http_common') as {
  HTTPParser: NodeParserClass;
};

function nodes(chunks: readonly Buffer[], times: number): Counts {
  const counts: Counts = { heads: 0, ends: 0, bytes: 0, headers: 0 };
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {});
  parser[HTTPParser.kOnHeadersComplete] = (_major, _minor, headers, _method, url) => {
    counts.heads += 1;
    // Node passes an array of names and values, and the target.
    counts.headers += (headers as string[]).length / 2;
    if ((url as string).length === 0) throw new Error('No target');
    return 0;
  };
  parser[HTTPParser.kOnBody] = (chunk) => {
    counts.bytes += (chunk as Buffer).length; // Node passes a Buffer
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    counts.ends += 1;
  };
  for (let i = 0; i < times; i++) {
    for (let j = 0; j < chunks.length; j++) {
      const result = parser.execute(chunks[j] ?? Buffer.alloc(0));
      if (result instanceof Error) throw result;
    }
  }
  return counts;
}

function rate(run: () => Counts): number {
  const before = process.hrtime.bigint();
  const { ends } = run();
  return ends / (Number(process.hrtime.bigint() - before) / 1e9);
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function compare(
  name: string,
  request: (i: number) => string,
  pipelined: number,
  asks = false,
): BenchRow {
  const chunks = chunksOf(request, pipelined);
  const times = Math.ceil(REQUESTS / (chunks.length * pipelined));
  const rates: [number[], number[]] = [[], []];
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const mine = rate(() => ours(chunks, times, asks));
    const peer = rate(() => nodes(chunks, times));
    if (round < WARM_UP) continue;
    rates[0].push(mine);
    rates[1].push(peer);
  }
  const [mine, peer] = [median(rates[0]), median(rates[1])];
  const unit = 'requests/s';
  return { name, ours: mine, peer, peerName: 'llhttp in Node', unit, ratio: mine / peer };
}

/** All rows. In those without "differing" the same headers come again and again, as they do from one client. */
export async function run(): Promise<BenchRow[]> {
  return [
    compare('HTTP head of 2 headers, pipelined by 16', () => TWO, 16),
    compare('HTTP head of 2 headers, one a chunk', () => TWO, 1),
    compare('HTTP head of 10 headers, pipelined by 16', () => TEN, 16),
    compare('HTTP head of 10 headers, one a chunk', () => TEN, 1),
    compare('HTTP head of 10 differing headers, pipelined by 16', differing, 16),
    compare('HTTP head of 10 differing headers, one a chunk', differing, 1),
    compare('HTTP head of 10 differing headers, all asked for', differing, 1, true),
    compare('HTTP POST of one chunk of 1 KiB', () => POST, 1),
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) printRows(await run());
