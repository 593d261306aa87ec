import {
  Application,
  type AvatarInterface,
  CallableChecker,
  type LoginResult,
  Portal,
  type Realm,
  TCPServer,
} from '../../src/index.ts';
import {
  FTPFactory,
  IFTPShell,
  MemoryShell,
  type Segments,
  toPath,
  type WriteFile,
  type WriteOptions,
} from '../../src/protocols/ftp/index.ts';

/** Takes in what is uploaded, shows it, and stores none of it on a disk. */
class Inbox extends MemoryShell {
  override openForWriting(path: Segments, options?: WriteOptions): WriteFile {
    const file = super.openForWriting(path, options);
    const close = async (): Promise<void> => {
      await file.close();
      const place = toPath([...path.slice(0, -1), file.name]);
      console.log(`${place}: ${this.contents(place)?.toString('utf8')}`);
    };
    return {
      name: file.name,
      receive: () => file.receive(),
      close,
      abort: () => file.abort(),
    };
  }
}

/** Everybody has an inbox of their own, for as long as the server runs. */
class Inboxes implements Realm {
  readonly #inboxes = new Map<unknown, Inbox>();

  requestAvatar(user: unknown, _mind: unknown, ..._wanted: AvatarInterface[]): LoginResult {
    const inbox =
      this.#inboxes.get(user) ??
      new Inbox({ '/README': `Hello ${user}\n` }, { quota: { maxBytes: 1e6 } });
    this.#inboxes.set(user, inbox);
    return [IFTPShell, inbox, () => {}];
  }
}

const anybody = new CallableChecker((user, password) => password === 'guess' && user);

export const application = Application('inbox');
const factory = new FTPFactory(new Portal(new Inboxes(), [anybody]));
const port = Number(process.env['PORT'] ?? 2121);
new TCPServer(port, factory).setServiceParent(application);
