import { addVary } from '../encoding/vary.ts';
import type { Request } from '../request.ts';
import { type IResource, Resource } from '../resource.ts';
import { ResourceWrapper } from './resource-wrapper.ts';

/** Who may use a resource from pages of other origins, and how. */
export interface CORSOptions {
  /** Origins that may ('https://example.org'), a function that says so, or '*' for all. */
  readonly origins: readonly string[] | '*' | ((origin: string) => boolean);
  /** Methods that they may use, besides GET, HEAD and POST. Default none. */
  readonly methods?: readonly string[];
  /** Fields that they may send, besides the harmless ones; '*' for whatever they ask for. Default none. */
  readonly headers?: readonly string[] | '*';
  /** Fields of answers that their scripts may read, besides the harmless ones. Default none. */
  readonly exposedHeaders?: readonly string[];
  /** Whether browsers are to send cookies along. Default false; with '*' for origins it is refused, since it would let every page on the web act as the user. */
  readonly credentials?: boolean;
  /** Seconds for which a browser may remember the answer. Default 600. */
  readonly maxAge?: number;
}

/** Answers what a browser asks before the request itself. */
class Preflight extends Resource {
  override isLeaf = true;

  override render(request: Request): string {
    request.setResponseCode(204);
    return '';
  }
}

const PREFLIGHT = new Preflight();

/**
 * Lets pages of other origins use a resource and what is below it (the fetch standard, "CORS protocol"). Browsers' questions (`OPTIONS` with `Access-Control-Request-Method`) are answered here and
 * do not reach the resource. Origins that are not allowed get an answer without the permission, as if there were no wrapper; keeping them out is the browser's part.
 */
export class CORSResourceWrapper extends ResourceWrapper {
  readonly #options: CORSOptions;
  readonly #isAllowed: (origin: string) => boolean;
  readonly #methods: string;
  readonly #exposed: string;

  /** @throws {TypeError} for '*' with credentials @throws {RangeError} when the time is no whole number of seconds, 0 or more */
  constructor(original: IResource, options: CORSOptions) {
    super(original);
    const { origins, credentials = false, methods = [], exposedHeaders = [], maxAge = 0 } = options;
    if (!(Number.isInteger(maxAge) && maxAge >= 0)) {
      throw new RangeError(
        `The option maxAge must be a whole number of seconds: got ${String(maxAge)}`,
      );
    }
    if (origins === '*' && credentials) {
      throw new TypeError(
        "Cannot allow credentials to the origins '*': name the origins that may use them",
      );
    }
    this.#options = options;
    if (typeof origins === 'function') {
      this.#isAllowed = origins;
    } else {
      const known = new Set(origins === '*' ? [] : origins.map((origin) => origin.toLowerCase()));
      this.#isAllowed = (origin) => known.has(origin.toLowerCase());
    }
    this.#methods = [...new Set(['GET', 'HEAD', 'POST', ...methods])].join(', ');
    this.#exposed = exposedHeaders.join(', ');
  }

  protected override prepare(request: Request): IResource | null {
    const { origins, credentials = false, maxAge = 600 } = this.#options;
    const open = origins === '*';
    // An answer that depends on the origin must not be stored for another.
    if (!open) addVary(request, 'Origin');
    const origin = request.getHeader('origin');
    const asked =
      request.method === 'OPTIONS' ? request.getHeader('access-control-request-method') : undefined;
    const isPreflight = origin !== undefined && asked !== undefined;
    if (origin === undefined || !(open || this.#isAllowed(origin))) {
      return isPreflight ? PREFLIGHT : null;
    }
    request.setHeader('Access-Control-Allow-Origin', open ? '*' : origin);
    if (credentials) request.setHeader('Access-Control-Allow-Credentials', 'true');
    if (!isPreflight) {
      if (this.#exposed !== '') {
        request.setHeader('Access-Control-Expose-Headers', this.#exposed);
      }
      return null;
    }
    request.setHeader('Access-Control-Allow-Methods', this.#methods);
    const fields = this.#allowedFields(request);
    if (fields !== '') request.setHeader('Access-Control-Allow-Headers', fields);
    request.setHeader('Access-Control-Max-Age', maxAge);
    return PREFLIGHT;
  }

  #allowedFields(request: Request): string {
    const { headers = [] } = this.#options;
    if (headers !== '*') return headers.join(', ');
    // A literal '*' would not cover Authorization, nor hold with credentials.
    addVary(request, 'Access-Control-Request-Headers');
    return request.getHeader('access-control-request-headers') ?? '';
  }
}
