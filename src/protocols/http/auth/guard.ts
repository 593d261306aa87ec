/** Resources that only those see who log in (Twisted: `twisted.web.guard`). */
import { Deferred, maybeDeferred, reportFailure } from '../../../deferred/index.ts';
import {
  Anonymous,
  LoginFailed,
  type LoginResult,
  type Portal,
  TooManyLogins,
} from '../../cred/index.ts';
import { ErrorPage } from '../pages.ts';
import type { Request } from '../request.ts';
import {
  getChildForRequest,
  IResource,
  type Lookup,
  NOT_DONE_YET,
  type Rendered,
} from '../resource.ts';
import type { CredentialFactory } from './interfaces.ts';
import { quoted } from './parameters.ts';

/** Seconds after which somebody may try again while too many logins are being checked. */
const RETRY_AFTER = 5;

/** Says 401, with a challenge of each scheme. Twisted: `UnauthorizedResource`. */
export class UnauthorizedResource extends ErrorPage {
  readonly #factories: readonly CredentialFactory[];

  constructor(factories: readonly CredentialFactory[]) {
    super(401, undefined, 'This resource is for those who log in.');
    this.#factories = factories;
  }

  override render(request: Request): string {
    for (const factory of this.#factories) {
      const fields = Object.entries(factory.getChallenge(request)).map(
        ([name, value]) => `${name}=${factory.unquoted?.has(name) ? value : quoted(value)}`,
      );
      const scheme = factory.scheme.replace(/^./, (letter) => letter.toUpperCase());
      request.addHeader('WWW-Authenticate', latin1(`${scheme} ${fields.join(', ')}`));
    }
    return super.render(request);
  }
}

/**
 * Lets those in who log in, each to the resource that the portal's realm gives them as `IResource`; its logout is called when the request is over. Those who say
 * nothing of themselves come in if the portal takes `Anonymous`. Everybody else gets 401. Twisted: `HTTPAuthSessionWrapper`.
 * @example
 * const guarded = new HTTPAuthSessionWrapper(portal, [new DigestCredentialFactory('SHA-256', 'staff')]);
 * root.putChild('private', guarded);
 */
export class HTTPAuthSessionWrapper implements IResource {
  readonly isLeaf = false;
  readonly #portal: Portal;
  readonly #factories: readonly CredentialFactory[];

  constructor(portal: Portal, credentialFactories: Iterable<CredentialFactory>) {
    this.#portal = portal;
    this.#factories = [...credentialFactories];
  }

  /** What is below is found by the resource behind, from the place that this one has. */
  getChildWithDefault(_name: string, request: Request): Lookup {
    const name = request.prepath.pop();
    if (name !== undefined) request.postpath.unshift(name);
    return this.#authorized(request);
  }

  render(request: Request): Rendered {
    // Reached when nothing of the path is left: what is behind answers in its place.
    const result = new Deferred<typeof NOT_DONE_YET>();
    this.#authorized(request)
      .addCallback((resource) => getChildForRequest(resource, request))
      .addCallbacks(
        (resource) => {
          request.render(resource);
          result.callback(NOT_DONE_YET);
        },
        (failure) => result.errback(failure),
      );
    return result;
  }

  #authorized(request: Request): Deferred<IResource> {
    return maybeDeferred(() => this.#credentials(request))
      .addCallback((credentials: object) =>
        this.#portal.login<IResource>(credentials, null, IResource),
      )
      .addCallback(([, avatar, logout]: LoginResult<IResource>) => {
        request.notifyFinish().addBoth(() => {
          maybeDeferred(logout).addErrback((failure) => reportFailure(failure, 'Logout failed'));
        });
        return avatar;
      })
      .addErrback((failure): IResource => {
        if (failure.value instanceof TooManyLogins) {
          request.setHeader('Retry-After', RETRY_AFTER);
          return new ErrorPage(503);
        }
        if (failure.value instanceof LoginFailed) return new UnauthorizedResource(this.#factories);
        reportFailure(failure, 'Login failed');
        return new ErrorPage(500);
      });
  }

  /** @throws {LoginFailed} when there are some that cannot be right */
  #credentials(request: Request): object {
    const header = request.getHeader('authorization');
    if (header === undefined) return new Anonymous();
    const [, scheme = '', response = ''] = /^([^ ]+)(?: +(.*))?$/.exec(header) ?? [];
    const factories = this.#factories.filter((factory) => factory.scheme === scheme.toLowerCase());
    let refusal: LoginFailed | undefined;
    for (const factory of factories) {
      try {
        return factory.decode(response, request);
      } catch (error) {
        if (!(error instanceof LoginFailed)) throw error;
        refusal = error;
      }
    }
    throw refusal ?? new LoginFailed('Invalid credentials: unknown scheme');
  }
}

/** Header values are a character for each byte. */
function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
