/** Status codes and their phrases (RFC 9110 15, and the registry that follows from it), and the error that asks for one. */
import { inspect } from 'node:util';

/** The phrase for each code, as the registry has it. Twisted: `http.RESPONSES`. */
export const RESPONSES: ReadonlyMap<number, string> = new Map([
  [100, 'Continue'],
  [101, 'Switching Protocols'],
  [102, 'Processing'],
  [103, 'Early Hints'],
  [200, 'OK'],
  [201, 'Created'],
  [202, 'Accepted'],
  [203, 'Non-Authoritative Information'],
  [204, 'No Content'],
  [205, 'Reset Content'],
  [206, 'Partial Content'],
  [207, 'Multi-Status'],
  [208, 'Already Reported'],
  [226, 'IM Used'],
  [300, 'Multiple Choices'],
  [301, 'Moved Permanently'],
  [302, 'Found'],
  [303, 'See Other'],
  [304, 'Not Modified'],
  [305, 'Use Proxy'],
  [307, 'Temporary Redirect'],
  [308, 'Permanent Redirect'],
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [402, 'Payment Required'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [406, 'Not Acceptable'],
  [407, 'Proxy Authentication Required'],
  [408, 'Request Timeout'],
  [409, 'Conflict'],
  [410, 'Gone'],
  [411, 'Length Required'],
  [412, 'Precondition Failed'],
  [413, 'Content Too Large'],
  [414, 'URI Too Long'],
  [415, 'Unsupported Media Type'],
  [416, 'Range Not Satisfiable'],
  [417, 'Expectation Failed'],
  [418, "I'm a teapot"],
  [421, 'Misdirected Request'],
  [422, 'Unprocessable Content'],
  [423, 'Locked'],
  [424, 'Failed Dependency'],
  [425, 'Too Early'],
  [426, 'Upgrade Required'],
  [428, 'Precondition Required'],
  [429, 'Too Many Requests'],
  [431, 'Request Header Fields Too Large'],
  [451, 'Unavailable For Legal Reasons'],
  [500, 'Internal Server Error'],
  [501, 'Not Implemented'],
  [502, 'Bad Gateway'],
  [503, 'Service Unavailable'],
  [504, 'Gateway Timeout'],
  [505, 'HTTP Version Not Supported'],
  [506, 'Variant Also Negotiates'],
  [507, 'Insufficient Storage'],
  [508, 'Loop Detected'],
  [510, 'Not Extended'],
  [511, 'Network Authentication Required'],
]);

/** The phrase for `code`; a word for codes that nobody registered. */
export function phraseOf(code: number): string {
  return RESPONSES.get(code) ?? 'Unknown Status';
}

/** Whether an answer with this code never has a body (RFC 9112 6.3). */
export function isBodiless(code: number): boolean {
  return code === 204 || code === 304 || code < 200;
}

/** What a code must be: a whole number of three digits. @throws {TypeError} for what is no whole number @throws {RangeError} for what is out of range */
export function checkCode(code: unknown): asserts code is number {
  if (typeof code !== 'number' || !Number.isInteger(code)) {
    throw new TypeError(`A response code must be a whole number: got ${inspect(code)}`);
  }
  if (code < 100 || code > 999) {
    throw new RangeError(`A response code must be of three digits: got ${code}`);
  }
}

/** Options of an `HTTPError`. */
export interface HTTPErrorOptions {
  /** Header fields for the answer, such as `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The error behind it: for the log, and not for the client. */
  readonly cause?: unknown;
}

/**
 * Thrown by a resource, or what its promise is rejected with: the request is answered with this code and a page that says so. It is an answer, not a mistake, so it is not
 * logged. Twisted: `twisted.web.error.Error`.
 */
export class HTTPError extends Error {
  static {
    HTTPError.prototype.name = 'HTTPError';
  }
  readonly code: string = 'ERR_HTTP_STATUS';
  /** The code to answer with. */
  readonly status: number;
  /** Header fields for the answer. */
  readonly headers: Readonly<Record<string, string>>;

  /**
   * @param status 400 to 599
   * @param message shown to the client; by default the phrase of the code
   * @throws {RangeError} for any other code
   */
  constructor(status: number, message?: string, options: HTTPErrorOptions = {}) {
    checkCode(status);
    if (status < 400 || status > 599) {
      throw new RangeError(`The code of an HTTPError must be 400 to 599: got ${status}`);
    }
    const { cause, headers = {} } = options;
    super(message ?? phraseOf(status), cause === undefined ? undefined : { cause });
    this.status = status;
    this.headers = headers;
  }
}
