/** Changing what was asked for before it is looked up (Twisted: `twisted.web.rewrite`). */
import type { Request } from './request.ts';
import type { IResource } from './resource.ts';
import { ResourceWrapper } from './wrappers/resource-wrapper.ts';

/** Changes a request's `postpath`, or anything else of it, in place. */
export type RewriteRule = (request: Request) => void;

/**
 * Has every request pass `rules`, in their order, before `original` sees it.
 *
 * @example
 * new RewriterResource(new File('/srv/www'), alias('/old', '/new'));
 */
export class RewriterResource extends ResourceWrapper {
  readonly #rules: readonly RewriteRule[];

  constructor(original: IResource, ...rules: RewriteRule[]) {
    super(original);
    this.#rules = rules;
  }

  override get isLeaf(): boolean {
    return false;
  }

  override getChildWithDefault(
    name: string,
    request: Request,
  ): ReturnType<IResource['getChildWithDefault']> {
    // Rules see the path as it was before this segment was taken from it.
    request.postpath.unshift(request.prepath.pop() ?? name);
    this.prepare(request);
    if (this.original.isLeaf) return this.original;
    const next = request.postpath.shift();
    if (next === undefined) return this.original;
    request.prepath.push(next);
    return this.original.getChildWithDefault(next, request);
  }

  protected override prepare(request: Request): null {
    for (const rule of this.#rules) rule(request);
    return null;
  }
}

function segments(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}

/** What is asked for at `aliasPath`, or below it, is looked for at `sourcePath`. Both are decoded paths below the rewriter. Twisted: `rewrite.alias`. */
export function alias(aliasPath: string, sourcePath: string): RewriteRule {
  const from = segments(aliasPath);
  const to = segments(sourcePath);
  return (request) => {
    if (from.every((segment, at) => request.postpath[at] === segment)) {
      request.postpath.splice(0, from.length, ...to);
    }
  };
}

/** '/~user/...' becomes '/users/user/...'. Twisted: `rewrite.tildeToUsers`. */
export function tildeToUsers(request: Request): void {
  const [first = ''] = request.postpath;
  if (first.startsWith('~')) request.postpath.splice(0, 1, 'users', first.slice(1));
}
