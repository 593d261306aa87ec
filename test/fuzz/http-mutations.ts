/** Requests and responses that are nearly right, from a seed, so that the same seed gives the same ones. */

/** A number from 0 up to, but not including, `below`. */
export type Random = (below: number) => number;

/** Mulberry32: small, quick, and good enough to choose bytes by. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function one<T>(random: Random, all: readonly [T, ...T[]]): T {
  return all[random(all.length)] ?? all[0];
}

const METHODS = ['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH'] as const;
const TARGETS = [
  '/',
  '/a/b?c=d',
  '/%20',
  'http://b.example/x',
  '/{a|b}',
  `/${'long/'.repeat(20)}`,
] as const;
const HEADERS = [
  'Accept: */*',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)',
  'Connection: keep-alive',
  'Connection: close',
  'connection: x, keep-alive',
  'Cookie: a=b; c="d"',
  'X-Empty:',
  'X-Bytes: \xe4\xf6\xfc',
  'x-spaces: \t a  b \t',
  'Expect: 100-continue',
  'TE: trailers',
  'Accept-Encoding: gzip, br',
  'X-Long: '.padEnd(300, 'x'),
] as const;

/** Bytes that mean something to some parser. */
const MEANINGFUL = [
  0, 9, 10, 11, 13, 32, 34, 35, 43, 44, 45, 48, 49, 53, 58, 59, 61, 65, 95, 120, 127, 128, 255,
] as const;

const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  ' ',
  '\t',
  ': ',
  'Content-Length: 3\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Host: b\r\n',
  '0\r\n\r\n',
  '3\r\nabc\r\n',
  ';a=b',
  ', chunked',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'HTTP/1.0',
  '\r\n x',
  '0x',
  '+',
] as const;

/** Chunks came with HTTP/1.1. */
function body(random: Random, minor: string): [headers: string[], bytes: string] {
  const kind = random(minor === '1' ? 3 : 2);
  if (kind === 0) return [[], ''];
  if (kind === 1) {
    const length = random(30);
    return [[`Content-Length: ${length}`], 'b'.repeat(length)];
  }
  let chunks = '';
  for (let i = random(4); i > 0; i--) {
    const length = 1 + random(20);
    const extension = one(random, ['', '', '', ';a', ';a=b', ';a="b"']);
    chunks += `${length.toString(16)}${extension}\r\n${'c'.repeat(length)}\r\n`;
  }
  const trailers = one(random, ['', '', 'X-Sum: 1\r\n', 'A: b\r\nContent-Length: 5\r\n']);
  return [['Transfer-Encoding: chunked'], `${chunks}0\r\n${trailers}\r\n`];
}

function message(random: Random, start: string, minor: string, headers: string[]): string {
  const [framing, bytes] = body(random, minor);
  const all = [...headers];
  for (let i = random(4); i > 0; i--) all.push(one(random, HEADERS));
  all.splice(random(all.length + 1), 0, ...framing);
  return `${start}\r\n${all.map((line) => `${line}\r\n`).join('')}\r\n${bytes}`;
}

/** A request that is right. */
export function rightRequest(random: Random): string {
  const minor = one(random, ['1', '1', '1', '0']);
  const start = `${one(random, METHODS)} ${one(random, TARGETS)} HTTP/1.${minor}`;
  return message(random, start, minor, ['Host: a']);
}

const STATUSES = [
  '200 OK',
  '404 Not Found',
  '200 ',
  '200',
  '204 x',
  '100 Continue',
  '304 x',
] as const;

/** A response that is right, though it may say more or less than the request that it answers allows. */
export function rightResponse(random: Random): string {
  const minor = one(random, ['1', '1', '1', '0']);
  return message(random, `HTTP/1.${minor} ${one(random, STATUSES)}`, minor, []);
}

/** The text with some bytes changed, lost, doubled, or put in. */
export function mutated(random: Random, text: string, times: number): string {
  let changed = text;
  for (let i = 0; i < times; i++) {
    const at = random(changed.length + 1);
    const length = random(4) === 0 ? random(40) : random(3);
    const [before, after] = [changed.slice(0, at), changed.slice(at)];
    switch (random(5)) {
      case 0:
        changed = before + after.slice(length);
        break;
      case 1:
        changed = before + String.fromCharCode(one(random, MEANINGFUL)) + after.slice(1);
        break;
      case 2:
        changed = before + one(random, PIECES) + after;
        break;
      case 3:
        changed = before + after.slice(0, length) + after;
        break;
      default:
        changed = before + String.fromCharCode(random(256)) + after;
    }
  }
  return changed;
}

/** One to three messages, the first of them sometimes several times, with up to four changes in them. */
export function nearly(random: Random, right: (random: Random) => string): Buffer {
  // What is the same again takes a shorter way.
  let text = right(random).repeat(random(6) === 0 ? 4 : 1);
  for (let i = random(3); i > 0; i--) text += right(random);
  return Buffer.from(mutated(random, text, random(5)), 'latin1');
}
