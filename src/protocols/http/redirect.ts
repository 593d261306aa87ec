/** Sending clients elsewhere (Twisted: `twisted.web.util`). */
import type { Deferred } from '../../deferred/index.ts';
import { escapeHTML } from './html.ts';
import type { Request } from './request.ts';
import {
  getChildForRequest,
  type IResource,
  NOT_DONE_YET,
  type Rendered,
  Resource,
} from './resource.ts';

/**
 * Answers 302 with `url`, and gives a page that leads there for clients that do not go by themselves. The URL is escaped in the page, and cannot break out of its header field.
 *
 * Never pass on a URL that a client named without comparing it to where you mean to send people.
 * @throws {TypeError} when the URL has control characters
 */
export function redirectTo(url: string | Buffer, request: Request): string {
  const target = String(url);
  request.redirect(target);
  request.setHeader('Content-Type', 'text/html; charset=utf-8');
  const shown = escapeHTML(target);
  // A script is no place to be sent to; a header field cannot run one, but a link could.
  const isLink = !/^\s*(?:javascript|data|vbscript):/i.test(target);
  const link = isLink ? `<a href="${shown}">${shown}</a>` : shown;
  return `<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Elsewhere</title></head>\n<body>\n<p>It is at ${link}.</p>\n</body>\n</html>\n`;
}

/** Sends all clients to one URL. Twisted: `util.Redirect`. */
export class Redirect extends Resource {
  override isLeaf = true;
  /** Where to. */
  readonly url: string;
  /** The code to say it with. */
  readonly code: 301 | 302 | 303 | 307 | 308;

  /** @param code 302 unless given; 308 and 307 keep the method, 301 and 308 may be remembered for good */
  constructor(url: string | Buffer, code: 301 | 302 | 303 | 307 | 308 = 302) {
    super();
    this.url = String(url);
    this.code = code;
  }

  override render(request: Request): Rendered {
    const page = redirectTo(this.url, request);
    request.setResponseCode(this.code);
    return page;
  }
}

/** Sends clients to a URL, and those that ask for something below it to the same below that URL. Twisted: `util.ChildRedirector`. */
export class ChildRedirector extends Redirect {
  override isLeaf = false;

  /** @throws {TypeError} when the URL is neither absolute nor an absolute path: what it would lead to depended on what was asked for */
  constructor(url: string | Buffer) {
    super(url);
    if (!/^(?:[a-z][a-z0-9+.-]*:\/\/|\/)/i.test(this.url)) {
      throw new TypeError(
        `Cannot redirect children to ${JSON.stringify(this.url)}: expected an absolute URL or path`,
      );
    }
  }

  override getChild(name: string, _request: Request): IResource {
    const folder = this.url.endsWith('/') ? this.url : `${this.url}/`;
    return new ChildRedirector(folder + encodeURIComponent(name));
  }
}

/** Sends clients to the folder that they are in. Twisted: `util.ParentRedirect`. */
export class ParentRedirect extends Resource {
  override isLeaf = true;

  override render(request: Request): string {
    // Relative to the URL that was asked for; './' is its folder.
    return redirectTo(request.path.endsWith('/') ? '../' : './', request);
  }
}

/** A resource that is not there yet: what its Deferred or promise gives answers. Twisted: `util.DeferredResource`. */
export class DeferredResource extends Resource {
  override isLeaf = true;
  readonly #resource: Deferred<IResource> | PromiseLike<IResource>;

  constructor(resource: Deferred<IResource> | PromiseLike<IResource>) {
    super();
    this.#resource = resource;
  }

  override async render(request: Request): Promise<typeof NOT_DONE_YET> {
    const found = await this.#resource;
    request.render(await getChildForRequest(found, request));
    return NOT_DONE_YET;
  }
}
