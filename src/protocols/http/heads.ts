/** The heads of messages: start line and headers (RFC 9112 sections 3 to 5). What is not asked for is not made. */
import { authorityOf, type TargetForm } from './parser-authority.ts';
import type { Framing, ResponseFraming } from './parser-events.ts';
import { fieldsRead, scan, splitFields } from './parser-fields.ts';

/** Something that has headers as they came: name, value, name, value. */
export interface RawHeaders {
  readonly rawHeaders: readonly string[];
}

/** What was made of the headers that a parser itself has to know. */
export interface FieldParts<F> {
  readonly framing: F;
  readonly contentLength: number;
  readonly keepAlive: boolean;
  readonly upgrade: string | null;
  /** The value of Host; null if there is none, or nobody asked. */
  readonly host: string | null;
  readonly expectation: Expectation;
}

/** What a request wants to hear before it goes on. */
export type Expectation = 'none' | 'continue' | 'unknown';

/** The headers of a message, all of them, and what was made of them. Messages whose headers are byte for byte the same may share one. */
export class FieldSection<F> {
  readonly parts: FieldParts<F>;
  readonly #text: string;
  readonly #at: number;
  #rawHeaders: readonly string[] | null = null;

  /**
   * The fields are in `text` from `at` on, and are those that were read last, in bytes of which the text's first was at `base`. Who asks for them before others are read gets them at less cost.
   */
  constructor(parts: FieldParts<F>, text: string, at: number, base: number) {
    this.parts = parts;
    this.#text = text;
    this.#at = at;
    scan.owner = this;
    scan.base = base;
  }

  /** Frozen, since they may be those of another message as well. */
  get rawHeaders(): readonly string[] {
    this.#rawHeaders ??= Object.freeze(
      scan.owner === this ? fieldsRead(this.#text) : splitFields(this.#text, this.#at),
    );
    return this.#rawHeaders;
  }
}

abstract class MessageHead<F> implements RawHeaders {
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  readonly versionMinor: number;
  /** How the body is delimited. */
  readonly framing: F;
  /** Bytes of the body if framing is 'length', otherwise 0. */
  readonly contentLength: number;
  /** Whether the peer means the connection to go on after this exchange (RFC 9112 section 9.3). */
  readonly keepAlive: boolean;
  /** The value of Upgrade, if Connection names it and the version is HTTP/1.1; otherwise null. */
  readonly upgrade: string | null;
  protected readonly fields: FieldSection<F>;

  constructor(versionMinor: number, fields: FieldSection<F>) {
    const { parts } = fields;
    this.versionMinor = versionMinor;
    this.framing = parts.framing;
    this.contentLength = parts.contentLength;
    this.keepAlive = parts.keepAlive;
    this.upgrade = parts.upgrade;
    this.fields = fields;
  }

  /** Name, value, name, value: in the order and in the letters in which they came, read as Latin-1, without whitespace around them. Made when first asked for. */
  get rawHeaders(): readonly string[] {
    return this.fields.rawHeaders;
  }
}

/** The head of a request. */
export class RequestHead extends MessageHead<Framing> {
  /** As it came, such as 'GET'. */
  readonly method: string;
  /** As it came (RFC 9112 section 3.2). */
  readonly target: string;
  /** Which form of RFC 9112 section 3.2 the target has. */
  readonly targetForm: TargetForm;
  /** Whether the peer waits for `100 Continue` before it sends the body that it announced (RFC 9110 section 10.1.1). */
  readonly expectContinue: boolean;
  /** Whether it expects something else, which is answered by 417. */
  readonly expectUnknown: boolean;

  constructor(
    method: string,
    target: string,
    targetForm: TargetForm,
    versionMinor: number,
    fields: FieldSection<Framing>,
  ) {
    super(versionMinor, fields);
    this.method = method;
    this.target = target;
    this.targetForm = targetForm;
    this.expectContinue = fields.parts.expectation === 'continue';
    this.expectUnknown = fields.parts.expectation === 'unknown';
  }

  /** Host and port that the request is for: those in the target if it has any, otherwise those of Host (RFC 9112 section 3.3). Null if it names none. */
  get host(): string | null {
    if (this.targetForm === 'authority') return this.target;
    if (this.targetForm !== 'absolute') return this.fields.parts.host;
    const place = authorityOf(this.target);
    return place === undefined ? null : this.target.slice(place.at, place.end);
  }

  /** Path and query: the target itself if it has origin form, what follows the authority if absolute. '*' for an asterisk, and empty for CONNECT. */
  get pathAndQuery(): string {
    if (this.targetForm === 'authority') return '';
    if (this.targetForm !== 'absolute') return this.target;
    const rest = this.target.slice(authorityOf(this.target)?.end);
    return rest.startsWith('/') ? rest : `/${rest}`;
  }
}

/** The head of a response. */
export class ResponseHead extends MessageHead<ResponseFraming> {
  /** 100 to 999. */
  readonly status: number;
  /** The reason phrase, which may be empty, and is for people only. */
  readonly reason: string;

  constructor(
    status: number,
    reason: string,
    versionMinor: number,
    fields: FieldSection<ResponseFraming>,
  ) {
    super(versionMinor, fields);
    this.status = status;
    this.reason = reason;
  }
}
