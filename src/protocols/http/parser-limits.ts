/** How much a parser takes before it refuses, and what it may be told to put up with. */

/** Limits of a parser. All are in bytes unless they say otherwise. */
export interface ParserLimits {
  /** Start line and headers, with their line ends and the empty line. Default 16384; beyond: 431. */
  readonly maxHeadLength: number;
  /** Header lines in a head, and trailer lines behind a body. Default 500; beyond: 431. */
  readonly maxHeaders: number;
  /** Method, target and version, without the line end. Default 8192 (RFC 9112 section 3 wants 8000 at least); beyond: 414. */
  readonly maxRequestLineLength: number;
  /** Empty lines that are skipped before a request line. Default 1 (RFC 9112 section 2.2); beyond: 400. */
  readonly maxEmptyLines: number;
  /** The body without its framing. Default unlimited, since who takes the body knows better; beyond: 413. */
  readonly maxBodyLength: number;
  /** The line before a chunk: its size and extensions. Default 1024; beyond: 413. */
  readonly maxChunkLineLength: number;
  /** The extensions of all chunks of a body, taken together. Default 16384; beyond: 413. */
  readonly maxChunkExtensionsLength: number;
  /** All trailers, with their line ends and the empty line. Default 16384; beyond: 431. */
  readonly maxTrailersLength: number;
}

/**
 * What is against the rules and may be put up with, for peers that cannot be mended. All are off. Each opens a difference between this parser and
 * one in front of it, and request smuggling lives on such differences.
 */
export interface LenientParsing {
  /** Take LF without CR as the end of a line of a head (RFC 9112 section 2.2 allows it). Chunks and trailers want CRLF nonetheless. */
  readonly bareLF: boolean;
  /** Take a header that goes on in a line beginning with whitespace, the fold being read as one space (section 5.2). In responses it is always taken. */
  readonly foldedHeaders: boolean;
  /** Take control characters other than NUL, CR and LF in header values. */
  readonly controlsInValues: boolean;
  /** Take bytes above 0x7F in a request target; they are read as Latin-1. */
  readonly nonASCIITarget: boolean;
  /** Take HTTP/1.2 to HTTP/1.9 for HTTP/1.1 (RFC 9110 section 2.5). */
  readonly higherMinorVersion: boolean;
  /** Take a request of HTTP/1.1 that has no Host. */
  readonly missingHost: boolean;
  /** Take several Content-Lengths, in lines or in a list, if all say the same (RFC 9110 section 8.6). */
  readonly repeatedContentLength: boolean;
  /** Take Transfer-Encoding: chunked along with Content-Length: the former counts, and the connection is closed afterwards (RFC 9112 section 6.3). */
  readonly lengthAndEncoding: boolean;
  /** Take spaces and tabs between the size of a chunk and the end of its line. */
  readonly spaceAfterChunkSize: boolean;
}

/** What a parser is made with. */
export interface ParserOptions extends Partial<ParserLimits> {
  /** What to put up with. Default: nothing. */
  readonly lenient?: Partial<LenientParsing>;
}

/** The limits of a parser that is told no others. */
export const DEFAULT_PARSER_LIMITS: ParserLimits = Object.freeze({
  maxHeadLength: 16384,
  maxHeaders: 500,
  maxRequestLineLength: 8192,
  maxEmptyLines: 1,
  maxBodyLength: Number.POSITIVE_INFINITY,
  maxChunkLineLength: 1024,
  maxChunkExtensionsLength: 16384,
  maxTrailersLength: 16384,
});

/** Puts up with nothing that the standard forbids: what a parser does unless it is told otherwise. */
export const STRICT_PARSING: LenientParsing = Object.freeze({
  bareLF: false,
  foldedHeaders: false,
  controlsInValues: false,
  nonASCIITarget: false,
  higherMinorVersion: false,
  missingHost: false,
  repeatedContentLength: false,
  lengthAndEncoding: false,
  spaceAfterChunkSize: false,
});

/** Checked settings, which any number of parsers may share. */
export interface ParserSettings {
  /** How much it takes. */
  readonly limits: ParserLimits;
  /** What it puts up with. */
  readonly lenient: LenientParsing;
}

const STRICT_SETTINGS: ParserSettings = Object.freeze({
  limits: DEFAULT_PARSER_LIMITS,
  lenient: STRICT_PARSING,
});

const checked = new WeakSet<object>([STRICT_SETTINGS]);

/**
 * Checks options once, for all the parsers of a server.
 * @throws {RangeError} if a limit is not a number, or is negative
 * @throws {TypeError} if there is no such limit or lenient switch
 */
export function parserSettings(options: ParserOptions | ParserSettings = {}): ParserSettings {
  // What this function made before; anything else is read as options.
  if (checked.has(options)) return options as ParserSettings;
  const { lenient, ...limits } = options as ParserOptions; // see above
  if (lenient === undefined && Object.keys(limits).length === 0) return STRICT_SETTINGS;
  const settings = Object.freeze({
    limits: Object.freeze(filled(DEFAULT_PARSER_LIMITS, limits, 'limit', checkLimit)),
    lenient: Object.freeze(filled(STRICT_PARSING, lenient ?? {}, 'lenient switch', checkSwitch)),
  });
  checked.add(settings);
  return settings;
}

function filled<T extends object>(
  defaults: T,
  given: Partial<T>,
  what: string,
  check: (name: string, value: unknown) => void,
): T {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in defaults)) throw new TypeError(`Cannot set '${name}': there is no such ${what}`);
    if (value !== undefined) check(name, value);
  }
  const present = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(present) };
}

function checkLimit(name: string, value: unknown): void {
  if (typeof value !== 'number' || !(value >= 0)) {
    throw new RangeError(`Cannot set '${name}' to '${value}': expected a number of 0 or more`);
  }
}

function checkSwitch(name: string, value: unknown): void {
  if (typeof value !== 'boolean') {
    throw new TypeError(`Cannot set '${name}' to '${value}': expected true or false`);
  }
}
