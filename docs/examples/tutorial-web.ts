import {
  Application,
  type Request,
  Resource,
  redirectTo,
  SecurityHeadersWrapper,
  Site,
  TCPServer,
} from '../../src/index.ts';

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** Shows all notes, with a form for one more. */
class Page extends Resource {
  override isLeaf = true;
  readonly notes: string[] = [];

  override render_GET(): string {
    const items = this.notes.map((note) => `<li>${escaped(note)}</li>`);
    return `<!DOCTYPE html><meta charset="utf-8"><title>Notes</title>
<form method="post"><input name="text" required> <button>Write</button></form>
<ul>${items.join('\n')}</ul>`;
  }

  override render_POST(request: Request): string {
    this.notes.push(request.args['text']?.[0] ?? '');
    const page = redirectTo('/', request);
    request.setResponseCode(303);
    return page;
  }
}

export const application = Application('notes');
const port = Number(process.env['PORT'] ?? 8080);
const site = new Site(new SecurityHeadersWrapper(new Page()));
new TCPServer(port, site, { interface: '127.0.0.1' }).setServiceParent(application);
