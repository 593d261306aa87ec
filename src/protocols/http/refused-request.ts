import type { Loggable, RefusalReason } from './access-log.ts';

/** Method, target and version, if the line has these at least. Whether they are right is another matter. */
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([\x21-\x7e]+) (HTTP\/\d\.\d)$/;

/** Something that was refused before it was a request, for the access log. Headers are not looked at: what was refused is not to be trusted. */
export class RefusedRequest implements Loggable {
  readonly method: string;
  readonly uri: string;
  readonly clientproto: string;
  readonly code: number;
  readonly sentLength = 0;
  readonly refusal: RefusalReason;
  readonly line: string;
  readonly #client: string | null;

  /** @param client the number of the client's address @param line what came of the request line */
  constructor(code: number, refusal: RefusalReason, client: string | null, line: string) {
    const [, method = '', uri = '', protocol = ''] = REQUEST_LINE.exec(line) ?? [];
    this.method = method;
    this.uri = uri;
    this.clientproto = protocol;
    this.code = code;
    this.refusal = refusal;
    this.line = line;
    this.#client = client;
  }

  getClientIP(): string | null {
    return this.#client;
  }

  getUser(): string {
    return '';
  }

  getHeader(): undefined {
    return undefined;
  }

  getRequestHostname(): string {
    return '';
  }
}
