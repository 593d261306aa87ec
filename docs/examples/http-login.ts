import {
  AllowAnonymousAccess,
  ANONYMOUS,
  Anonymous,
  Application,
  type AvatarId,
  BasicCredentialFactory,
  FilePasswordDB,
  HTTPAuthSessionWrapper,
  IResource,
  type LoginResult,
  Portal,
  type Realm,
  Resource,
  Site,
  TCPServer,
} from '../../src/index.ts';

/** What a user sees: the avatar. */
class Desk extends Resource {
  override isLeaf = true;
  readonly #owner: string;

  constructor(owner: string) {
    super();
    this.#owner = owner;
  }

  override render_GET(): string {
    return `The desk of ${this.#owner}.\n`;
  }
}

/** Gives everybody a desk. It hears of who it is, and neither of passwords nor of HTTP. */
class Office implements Realm {
  requestAvatar(avatarId: AvatarId, _mind: unknown, ...interfaces: unknown[]): LoginResult {
    if (!interfaces.includes(IResource)) throw new TypeError('There are only desks for browsers');
    const desk = new Desk(avatarId === ANONYMOUS ? 'nobody' : String(avatarId));
    return [IResource, desk, () => console.log('logged out')];
  }
}

const portal = new Portal(new Office(), [
  // Lines of NAME:HASH; hashPassword() makes the hashes.
  new FilePasswordDB(process.env['PASSWORDS'] ?? 'passwords', { plain: false }),
]);
if (process.env['GUESTS']) portal.registerChecker(new AllowAnonymousAccess(), Anonymous);

// Basic sends the password with each request: let nobody in between read it, by TLS.
const office = new HTTPAuthSessionWrapper(portal, [new BasicCredentialFactory('the office')]);

export const application = Application('office');
const port = Number(process.env['PORT'] ?? 8080);
new TCPServer(port, new Site(office), { interface: '127.0.0.1' }).setServiceParent(application);
