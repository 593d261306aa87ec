/** Several sites on one port (Twisted: `twisted.web.vhost`). */
import { NoResource } from './pages.ts';
import type { Request } from './request.ts';
import { type IResource, type Lookup, type Rendered, Resource } from './resource.ts';

/** A name as it is compared: in lower case, without the dot that names may end with. */
function normal(host: string): string {
  const lower = host.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/**
 * Hands each request to the resource of the host that it is for. What is for no host that it knows goes to `default`, and is not found without one; the page does not repeat what was asked for.
 *
 * @example
 * const hosts = new NameVirtualHost();
 * hosts.addHost('example.org', new File('/srv/www'));
 * hosts.addHost('*.example.org', new File('/srv/other'));
 */
export class NameVirtualHost extends Resource {
  /** What answers for all other hosts. */
  default: IResource | null = null;
  readonly #hosts: Map<string, IResource> = new Map();

  /**
   * Has `resource` answer for `name`, without a port. `*.` in front stands for any one label or more, and yields to names that say more.
   * @throws {TypeError} for what is no name of a host
   */
  addHost(name: string | Buffer, resource: IResource): void {
    const host = normal(String(name));
    if (!/^(?:\*\.)?[^\s/:*@]+$|^[0-9a-f]*(?::[0-9a-f.]*){2,}$/.test(host)) {
      throw new TypeError(`Cannot serve the host ${JSON.stringify(String(name))}: expected a name`);
    }
    this.#hosts.set(host, resource);
  }

  /** Forgets a host; one that is not known is ignored. */
  removeHost(name: string | Buffer): void {
    this.#hosts.delete(normal(String(name)));
  }

  /** The resource for a request. */
  #resourceFor(request: Request): IResource {
    const host = normal(request.getRequestHostname());
    const exact = this.#hosts.get(host);
    if (exact !== undefined) return exact;
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const wild = this.#hosts.get(`*${host.slice(dot)}`);
      if (wild !== undefined) return wild;
    }
    return this.default ?? new NoResource();
  }

  override getChild(name: string, request: Request): Lookup {
    const resource = this.#resourceFor(request);
    if (!resource.isLeaf) return resource.getChildWithDefault(name, request);
    // A leaf is to see the whole path as its own.
    request.postpath.unshift(request.prepath.pop() ?? name);
    return resource;
  }

  override render(request: Request): Rendered {
    return this.#resourceFor(request).render(request);
  }
}
