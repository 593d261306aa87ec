/** Pages that say that something is not there, not allowed, or went wrong (Twisted: `twisted.web.pages`, `twisted.web.resource`). */
import { escapeHTML } from './html.ts';
import type { Request } from './request.ts';
import type { IResource } from './resource.ts';
import { checkCode, phraseOf } from './status.ts';

const TYPE = 'text/html; charset=utf-8';

/** The HTML of such a page. Both texts are escaped. */
export function errorHTML(brief: string, detail: string): string {
  const title = escapeHTML(brief);
  return `<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n<p>${escapeHTML(detail)}</p>\n</body>\n</html>\n`;
}

/** What a code says when nobody says more. It tells nothing of the request, so nothing of it can be turned against who reads the page. */
export function detailOf(code: number): string {
  if (code === 404) return 'No such resource.';
  if (code === 403) return 'Access to this resource is not allowed.';
  if (code >= 500) return 'The server could not answer this request.';
  return 'The request could not be answered.';
}

/**
 * A resource that answers everything with one code and a page. Twisted: `ErrorPage`.
 *
 * It is written as a plain object with `IResource`'s members rather than as a `Resource`, which makes one of these for each name that it does not know.
 */
export class ErrorPage implements IResource {
  readonly isLeaf: boolean = true;
  /** The status. */
  readonly code: number;
  /** The title. */
  readonly brief: string;
  /** The text. */
  readonly detail: string;
  #page: string | undefined;

  /**
   * @param code of the answer
   * @param brief the title; escaped
   * @param detail the text; escaped
   */
  constructor(code: number, brief: string = phraseOf(code), detail: string = detailOf(code)) {
    checkCode(code);
    this.code = code;
    this.brief = brief;
    this.detail = detail;
  }

  render(request: Request): string {
    request.setResponseCode(this.code);
    request.setHeader('Content-Type', TYPE);
    this.#page ??= errorHTML(`${this.code} - ${this.brief}`, this.detail);
    return this.#page;
  }

  getChildWithDefault(): IResource {
    return this;
  }

  /** @throws {TypeError} always: it is a page, and has no children */
  putChild(): void {
    throw new TypeError(`Cannot put a child below ${this.constructor.name}: it is a page`);
  }
}

/** 404. Twisted: `NoResource`. */
export class NoResource extends ErrorPage {
  constructor(detail?: string) {
    super(404, 'No Such Resource', detail);
  }
}

/** 403. Twisted: `ForbiddenResource`. */
export class ForbiddenResource extends ErrorPage {
  constructor(detail?: string) {
    super(403, 'Forbidden Resource', detail);
  }
}

/** A page with any code. Twisted: `pages.errorPage`. */
export function errorPage(code: number, brief?: string, detail?: string): ErrorPage {
  return new ErrorPage(code, brief, detail);
}

/** A page that says 404. Twisted: `pages.notFound`. */
export function notFound(brief = 'No Such Resource', detail?: string): ErrorPage {
  return new ErrorPage(404, brief, detail);
}

/** A page that says 403. Twisted: `pages.forbidden`. */
export function forbidden(brief = 'Forbidden Resource', detail?: string): ErrorPage {
  return new ErrorPage(403, brief, detail);
}

/** Answers `request` with a page, the answer not having begun. */
export function renderErrorPage<C>(
  request: Request<C>,
  code: number,
  detail = detailOf(code),
): string {
  request.setResponseCode(code);
  request.setHeader('Content-Type', TYPE);
  return errorHTML(`${code} - ${phraseOf(code)}`, detail);
}
