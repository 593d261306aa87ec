import {
  Application,
  type ConnectionPool,
  ConnectionPoolService,
  type Deferred,
  Factory,
  LineReceiver,
  type Request,
  Resource,
  redirectTo,
  SecurityHeadersWrapper,
  Site,
  TCPServer,
} from '../../src/index.ts';

/** The database. It is open while the services in it run. */
class Notes extends ConnectionPoolService {
  protected override prepare(pool: ConnectionPool): Deferred<void> {
    return pool.runOperation('create table if not exists notes (text text not null)');
  }

  add(text: string): Deferred<void> {
    return this.pool.runOperation('insert into notes values (?)', [text]);
  }

  async newest(): Promise<string[]> {
    const rows = await this.pool.runQuery<{ text: string }>(
      'select text from notes order by rowid desc limit 50',
    );
    return rows.map(({ text }) => text);
  }
}

const notes = new Notes('sqlite', { filename: process.env['NOTES'] ?? 'notes.db' });

class NoteTaker extends LineReceiver {
  override delimiter = '\n';

  override async lineReceived(line: Buffer): Promise<void> {
    // The next line waits until this one is answered.
    this.pauseProducing();
    const text = line.toString().trim();
    if (text !== '') await notes.add(text);
    this.sendLine(text === '' ? (await notes.newest()).join('\n') : 'Written');
    this.resumeProducing();
  }
}

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

class Page extends Resource {
  override isLeaf = true;

  override async render_GET(): Promise<string> {
    const items = (await notes.newest()).map((note) => `<li>${escaped(note)}</li>`);
    return `<!DOCTYPE html><meta charset="utf-8"><title>Notes</title>
<form method="post"><input name="text" required> <button>Write</button></form>
<ul>${items.join('\n')}</ul>`;
  }

  override async render_POST(request: Request): Promise<string> {
    await notes.add(request.args['text']?.[0] ?? '');
    const page = redirectTo('/', request);
    request.setResponseCode(303);
    return page;
  }
}

export const application = Application('notes');
notes.setServiceParent(application);
const site = new Site(new SecurityHeadersWrapper(new Page()));
const web = Number(process.env['WEB_PORT'] ?? 8080);
const lines = Number(process.env['LINES_PORT'] ?? 8007);
const on = { interface: '127.0.0.1' };
new TCPServer(web, site, on).setServiceParent(notes);
new TCPServer(lines, Factory.forProtocol(NoteTaker), on).setServiceParent(notes);
