/** What parsers say about bytes, as lines of text that can be compared: ours, cut anywhere, and Node's own. */
import { createRequire } from 'node:module';
import {
  type ParserOptions,
  type ParserSettings,
  parserSettings,
  type RequestHead,
  RequestParser,
  type ResponseHead,
  ResponseParser,
} from '../../src/protocols/http/index.ts';
import type { Random } from './http-mutations.ts';

/** Of one message: its head, its body, its trailers, each on a line; parts that did not come are missing. */
export interface Said {
  lines: string[];
  /** The code of the refusal; null if there was none. */
  error: string | null;
}

class Listener implements Said {
  lines: string[] = [];
  error: string | null = null;
  pausing: RequestParser | ResponseParser | null = null;
  #body = '';

  #say(line: string): void {
    if (this.error !== null) throw new Error('Something came behind an error');
    this.lines.push(line);
    this.pausing?.pause();
  }
  onHead(head: RequestHead | ResponseHead): void {
    const start =
      'method' in head ? `${head.method} ${head.target}` : `${head.status} ${head.reason}`;
    const framing = `${head.framing} ${head.contentLength} ${head.keepAlive} ${head.upgrade}`;
    const { rawHeaders, versionMinor } = head;
    this.#say(`head ${start} 1.${versionMinor} ${framing} ${JSON.stringify(rawHeaders)}`);
  }
  onInformation(head: ResponseHead): void {
    this.#say(`information ${head.status}`);
  }
  onBody(chunk: Buffer): void {
    this.#body += chunk.toString('latin1');
    this.pausing?.pause();
  }
  onEnd(trailers: readonly string[] | null): void {
    this.#flush();
    this.#say(`end ${JSON.stringify(trailers)}`);
  }
  onError(error: { code: string }): void {
    this.#flush();
    this.error = error.code;
  }
  #flush(): void {
    if (this.#body !== '') this.lines.push(`body ${this.#body}`);
    this.#body = '';
  }
}

/** Settings that fuzzing goes through, so that limits and lenience are cut as well. */
export const SETTINGS: readonly ParserSettings[] = [
  {},
  {},
  {},
  { maxHeadLength: 80, maxRequestLineLength: 30, maxHeaders: 3, maxTrailersLength: 12 },
  { maxChunkLineLength: 4, maxChunkExtensionsLength: 3, maxBodyLength: 20 },
  { lenient: { bareLF: true, foldedHeaders: true, spaceAfterChunkSize: true } },
  { lenient: { bareLF: true, repeatedContentLength: true }, maxHeadLength: 120 },
  { lenient: { foldedHeaders: true, lengthAndEncoding: true, missingHost: true } },
  { lenient: { controlsInValues: true, nonASCIITarget: true, higherMinorVersion: true } },
].map((options: ParserOptions) => parserSettings(options));

/** What kind of parser, and with which settings; responses answer GET and HEAD in turn. */
export interface Kind {
  readonly responses: boolean;
  readonly settings: ParserSettings;
}

/** What our parser says about the bytes, cut at these places, with a pause after each event or not. */
export function say(
  bytes: Buffer,
  { responses, settings }: Kind,
  cuts: readonly number[],
  pausing: boolean,
): Said {
  const listener = new Listener();
  const parser = responses
    ? new ResponseParser(listener, settings)
    : new RequestParser(listener, settings);
  if (parser instanceof ResponseParser)
    for (const method of ['GET', 'HEAD', 'GET', 'GET']) parser.expect(method);
  if (pausing) listener.pausing = parser;
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    parser.push(bytes.subarray(from, to));
    while (parser.paused) parser.resume();
    from = to;
  }
  parser.finish();
  while (parser.paused) parser.resume();
  return { lines: listener.lines, error: listener.error };
}

/** Complains if what is said about the bytes depends on how they are cut. @returns what is said */
export function checkCutting(bytes: Buffer, kind: Kind, random: Random): Said {
  const whole = say(bytes, kind, [], false);
  const cuts = Array.from({ length: random(6) }, () => random(bytes.length + 1)).sort(
    (a, b) => a - b,
  );
  compare(bytes, whole, say(bytes, kind, cuts, random(2) === 0), `cut at ${cuts}`);
  if (random(8) === 0) {
    const each = Array.from(bytes, (_, i) => i);
    compare(bytes, whole, say(bytes, kind, each, random(2) === 0), 'byte by byte');
  }
  return whole;
}

function compare(bytes: Buffer, expected: Said, actual: Said, how: string): void {
  if (expected.error === actual.error && expected.lines.join('\n') === actual.lines.join('\n'))
    return;
  const shown = JSON.stringify(bytes.toString('latin1'));
  throw new Error(`${how}, ${shown} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
}

/** What of Node's parser is used here; it has no types, as it is not public. */
interface NodeParser {
  initialize(type: number, resource: object): void;
  execute(chunk: Buffer): number | { code: string };
  finish(): { code: string } | undefined;
  close(): void;
  [event: number]: (...args: unknown[]) => unknown;
}
interface NodeModule {
  readonly methods: readonly string[];
  readonly HTTPParser: {
    new (): NodeParser;
    readonly REQUEST: number;
    readonly kOnHeaders: number;
    readonly kOnHeadersComplete: number;
    readonly kOnBody: number;
    readonly kOnMessageComplete: number;
  };
}
// The module is Node's own.
const { methods, HTTPParser } = createRequire(import.meta.url)('_http_common') as NodeModule;

/** A request as both parsers see it. */
export interface Seen {
  method: string;
  target: string;
  versionMinor: number;
  keepAlive: boolean;
  headers: string[];
  body: string;
  complete: boolean;
}

export interface Sight {
  requests: Seen[];
  error: string | null;
}

/** What Node's parser sees in the bytes, up to where the first request ends that ends the connection. */
export function nodeSees(bytes: Buffer): Sight {
  const requests: Seen[] = [];
  const parser = new HTTPParser();
  let headers: string[] = [];
  let target = '';
  parser.initialize(HTTPParser.REQUEST, {});
  // Comes when there are more headers than Node hands over at once; for trailers; and from then on for the target of each request.
  parser[HTTPParser.kOnHeaders] = (some, url) => {
    headers.push(...(some as string[])); // Node passes names and values
    if (url !== '') target = String(url);
  };
  parser[HTTPParser.kOnHeadersComplete] = (_1, minor, some, method, url, _2, _3, _4, keepAlive) => {
    // As Node passes them.
    const all = [...headers, ...((some as string[] | undefined) ?? [])];
    headers = [];
    requests.push({
      method: methods[method as number] ?? '',
      target: url === undefined ? target : String(url),
      versionMinor: Number(minor),
      keepAlive: keepAlive === true,
      headers: all,
      body: '',
      complete: false,
    });
    return 0;
  };
  parser[HTTPParser.kOnBody] = (chunk) => {
    const last = requests.at(-1);
    if (last !== undefined) last.body += (chunk as Buffer).toString('latin1'); // Node passes a Buffer
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    const last = requests.at(-1);
    if (last !== undefined) last.complete = true;
    headers = [];
  };
  const result = parser.execute(Buffer.from(bytes));
  const error = typeof result === 'number' ? parser.finish() : result;
  parser.close();
  return { requests, error: error?.code ?? null };
}

/** What our parser sees in them. */
export function weSee(bytes: Buffer): Sight {
  const sight: Sight = { requests: [], error: null };
  const parser = new RequestParser({
    onHead({ method, target, versionMinor, keepAlive, rawHeaders }) {
      const headers = [...rawHeaders];
      sight.requests.push({
        method,
        target,
        versionMinor,
        keepAlive,
        headers,
        body: '',
        complete: false,
      });
    },
    onBody(chunk) {
      const last = sight.requests.at(-1);
      if (last !== undefined) last.body += chunk.toString('latin1');
    },
    onEnd() {
      const last = sight.requests.at(-1);
      if (last !== undefined) last.complete = true;
    },
    onError({ code }) {
      sight.error = code;
    },
  });
  parser.push(bytes);
  parser.finish();
  return sight;
}

/** Why Node's parser refuses what ours takes, all of it harmless. */
const STRICTER_THERE: ReadonlyMap<string, (bytes: string) => boolean> = new Map([
  // It knows a list of methods.
  ['HPE_INVALID_METHOD', () => true],
  // It refuses trailers by these names, which are dropped here.
  ['HPE_INVALID_CONTENT_LENGTH', (bytes: string) => /^content-length:/im.test(bytes)],
  ['HPE_INVALID_TRANSFER_ENCODING', (bytes: string) => /^transfer-encoding:/im.test(bytes)],
  // It heeds Connection among trailers, and closes.
  ['HPE_CLOSED_CONNECTION', (bytes: string) => /^connection:.*close/im.test(bytes)],
  // It takes only letters in the scheme of a URI.
  ['HPE_INVALID_URL', (bytes: string) => /[a-z][a-z\d+.-]*:\/\//i.test(bytes)],
  // It takes no whitespace in chunk extensions, nor all of their quoted strings.
  ['HPE_INVALID_CHUNK_SIZE', (bytes: string) => /^[\da-f]+[ \t]*;/im.test(bytes)],
  ['HPE_STRICT', (bytes: string) => /^[\da-f]+[ \t]*;/im.test(bytes)],
]);

/**
 * Complains if both parsers take a request and see different ones, or if ours takes one that Node's refuses for a reason other than those known. That Node's takes
 * what ours refuses is to be expected.
 */
export function checkAgainstNode(bytes: Buffer): void {
  const [ours, theirs] = [weSee(bytes), nodeSees(bytes)];
  const text = bytes.toString('latin1');
  const fail = (what: string) => {
    throw new Error(`${what}: ${JSON.stringify(text)} is ${JSON.stringify([ours, theirs])}`);
  };
  for (const [i, our] of ours.requests.entries()) {
    const their = theirs.requests[i];
    if (!our.complete) return;
    if (their?.complete !== true) {
      if (theirs.error === null) fail('Node has no error, but no request either');
      const known = STRICTER_THERE.get(theirs.error ?? '');
      if (known?.(text) !== true) fail('Only ours takes a request');
      return;
    }
    // It lets keep-alive win over close, and does not know them with a tab behind.
    const odd =
      (/close/i.test(text) && /keep-alive/i.test(text)) || /^connection:.*\t/im.test(text);
    const { keepAlive } = odd ? their : our;
    if (JSON.stringify({ ...our, keepAlive }) !== JSON.stringify(their)) fail('They differ');
    // Behind the last request of a connection it reads no other.
    if (!our.keepAlive || !their.keepAlive) return;
  }
}
