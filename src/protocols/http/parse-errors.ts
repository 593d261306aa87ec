/** Which rules a message can break, and the error that says so. */

/** What each code means, and the status a server answers it with. A response that breaks a rule has no answer: a gateway says 502. */
export const PARSE_ERRORS = {
  ERR_HTTP_EMPTY_LINES: [400, 'more empty lines before the request line than are allowed'],
  ERR_HTTP_METHOD: [400, 'the method is not a token'],
  ERR_HTTP_TARGET: [400, 'the request target has a character that it may not have'],
  ERR_HTTP_TARGET_FORM: [400, 'the request target is of no form that the method allows'],
  ERR_HTTP_REQUEST_LINE: [400, 'the request line is not method, target and version'],
  ERR_HTTP_VERSION: [400, 'the version is not one of HTTP'],
  ERR_HTTP_VERSION_UNSUPPORTED: [505, 'the version is neither HTTP/1.0 nor HTTP/1.1'],
  ERR_HTTP_REQUEST_LINE_TOO_LONG: [414, 'the request line is too long'],
  ERR_HTTP_STATUS_LINE: [502, 'the status line is not version, status and reason'],
  ERR_HTTP_STATUS: [502, 'the status is not a number from 100 to 999'],
  ERR_HTTP_HEAD_TOO_LONG: [431, 'the head is too long'],
  ERR_HTTP_TOO_MANY_HEADERS: [431, 'there are too many header lines'],
  ERR_HTTP_BARE_LF: [400, 'a line ends in LF without CR'],
  ERR_HTTP_BARE_CR: [400, 'there is a CR without LF'],
  ERR_HTTP_HEADER_NAME: [400, 'a header name is not a token'],
  ERR_HTTP_SPACE_BEFORE_COLON: [400, 'there is whitespace between a header name and its colon'],
  ERR_HTTP_NO_COLON: [400, 'a header line has no colon'],
  ERR_HTTP_HEADER_VALUE: [400, 'a header value has a control character'],
  ERR_HTTP_SPACE_BEFORE_HEADERS: [400, 'there is whitespace before the first header'],
  ERR_HTTP_FOLDED_HEADER: [400, 'a header is folded'],
  ERR_HTTP_NO_HOST: [400, 'there is no Host'],
  ERR_HTTP_MANY_HOSTS: [400, 'there is more than one Host'],
  ERR_HTTP_HOST: [400, 'the Host is not a host and a port'],
  ERR_HTTP_CONTENT_LENGTH: [400, 'the Content-Length is not a number'],
  ERR_HTTP_MANY_CONTENT_LENGTHS: [400, 'there is more than one Content-Length'],
  ERR_HTTP_LENGTH_AND_ENCODING: [400, 'there are both Content-Length and Transfer-Encoding'],
  ERR_HTTP_TRANSFER_ENCODING_IN_1_0: [400, 'there is a Transfer-Encoding in HTTP/1.0'],
  ERR_HTTP_TRANSFER_ENCODING: [400, 'the Transfer-Encoding does not end in one chunked'],
  ERR_HTTP_TRANSFER_CODING_UNKNOWN: [501, 'the Transfer-Encoding has another coding than chunked'],
  ERR_HTTP_BODY_TOO_LONG: [413, 'the body is too long'],
  ERR_HTTP_CHUNK_SIZE: [400, 'a chunk does not begin with its size'],
  ERR_HTTP_CHUNK_TOO_LARGE: [413, 'the size of a chunk is beyond what can be counted'],
  ERR_HTTP_CHUNK_EXTENSION: [400, 'a chunk extension is malformed'],
  ERR_HTTP_CHUNK_LINE_TOO_LONG: [413, 'the line before a chunk is too long'],
  ERR_HTTP_CHUNK_EXTENSIONS_TOO_LONG: [413, 'the chunk extensions are too long, taken together'],
  ERR_HTTP_CHUNK_END: [400, 'a chunk does not end in CRLF'],
  ERR_HTTP_TRAILERS_TOO_LONG: [431, 'the trailers are too long'],
  ERR_HTTP_UNEXPECTED_RESPONSE: [502, 'it answers no request'],
  ERR_HTTP_INCOMPLETE_HEAD: [400, 'the connection was closed within the head'],
  ERR_HTTP_INCOMPLETE_BODY: [400, 'the connection was closed within the body'],
} as const satisfies Readonly<Record<string, readonly [status: number, rule: string]>>;

/** The rule that was broken. These names stay as they are. */
export type HTTPParseErrorCode = keyof typeof PARSE_ERRORS;

/** A message was refused. Its bytes, and whatever follows them, can no longer be trusted: answer with `status`, then close. */
export class HTTPParseError extends Error {
  static {
    HTTPParseError.prototype.name = 'HTTPParseError';
  }
  /** Which rule it broke. */
  readonly code: HTTPParseErrorCode;
  /** What a server answers; 502 if the message was a response. */
  readonly status: number;
  /** If a head was refused: its first line as far as it had come, read as Latin-1, cut at 1024 characters. Else empty. It is what a stranger sent: escape it wherever it goes. */
  readonly line: string;

  constructor(code: HTTPParseErrorCode, what: 'request' | 'response' = 'request', line = '') {
    const [status, rule] = PARSE_ERRORS[code];
    super(`Cannot parse HTTP ${what}: ${rule}`);
    this.code = code;
    this.line = line;
    this.status = what === 'response' ? 502 : status;
  }
}
