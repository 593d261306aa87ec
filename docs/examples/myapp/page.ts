/** The door for browsers: a page that shows what is new as it comes. Without scripts it still works, and shows it when it is loaded again. */
import { fileURLToPath } from 'node:url';
import {
  File,
  HTTPError,
  parseForm,
  type Request,
  Resource,
  ResourceWrapper,
  redirectTo,
  SecurityHeadersWrapper,
  ServerSentEvents,
  Site,
} from '../../../src/index.ts';
import { html, type Markup } from './markup.ts';
import {
  type Board,
  type Entry,
  isOverload,
  NAME,
  oneLine,
  Refused,
  SHOWN,
  TEXT,
} from './store.ts';

/** Bytes of a form: every character may be twelve of them. */
const FORM = 12 * (NAME + TEXT) + 100;

/** One entry, on the page and in the events that change it. */
function item({ id, author, text, file, size, sha256, picture, at }: Entry): Markup {
  const time = new Date(at * 1000).toISOString();
  const digest =
    sha256 === null
      ? html`<i>is being looked at</i>`
      : html`<span class="picture" title="its bytes, from 0 to 255">${picture ?? ''}</span> <code title="SHA-256">${sha256}</code>`;
  const what =
    file === null
      ? html`<p>${text}</p>`
      : html`<p>dropped <a href="/files/${encodeURIComponent(file)}">${oneLine(file)}</a>, ${size ?? 0} bytes</p><p>${digest}</p>`;
  return html`<li id="e${id}"><b>${author}</b> <time datetime="${time}">${time.slice(0, 16).replace('T', ' ')}</time>${what}</li>`;
}

function page(entries: readonly Entry[], problem: string): string {
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Board</title>
<link rel="stylesheet" href="/public/style.css">
<link rel="icon" href="/public/icon.svg">
<script src="/public/app.js" defer></script>
</head>
<body>
<h1>Board <small id="state"></small></h1>
<form id="form" method="post" action="/">
<label>Name <input name="author" maxlength="${NAME}" required></label>
<label>Text <input name="text" maxlength="${TEXT}" required></label>
<button>Post</button>
<p id="problem" role="alert">${problem}</p>
</form>
<ul id="board" data-after="${entries[0]?.version ?? 0}" data-shown="${SHOWN}">
${entries.map(item)}
</ul>
</body>
</html>
`.text;
}

/** What the database has no time for is answered by 503. */
async function asked<T>(answer: PromiseLike<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!isOverload(error)) throw error;
    throw new HTTPError(503, 'Too much to do', { headers: { 'Retry-After': '5' } });
  }
}

class FrontPage extends Resource {
  readonly maxContentLength = FORM;
  readonly #board: Board;

  constructor(board: Board) {
    super();
    this.#board = board;
  }

  override render_GET(request: Request): Promise<string> {
    return this.#show(request, '');
  }

  override async render_POST(request: Request): Promise<string> {
    // A page of somebody else's must not write in the name of whoever looks at it.
    const from = request.getHeader('sec-fetch-site') ?? 'none';
    if (from !== 'same-origin' && from !== 'none') throw new HTTPError(403);
    // Scripts want to be told, people to be shown.
    const isScript = request.getHeader('accept') === 'text/plain';
    const form = await parseForm(request, { maxFiles: 0 });
    try {
      await asked(this.#board.say(form.get('author') ?? '', form.get('text') ?? ''));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      request.setResponseCode(422);
      if (!isScript) return this.#show(request, error.message);
      request.setHeader('Content-Type', 'text/plain; charset=utf-8');
      return error.message;
    }
    if (isScript) {
      request.setResponseCode(204);
      return '';
    }
    // To load it again is not to write it again.
    const elsewhere = redirectTo('/', request);
    request.setResponseCode(303);
    return elsewhere;
  }

  async #show(request: Request, problem: string): Promise<string> {
    const entries = await asked(this.#board.newest(SHOWN));
    request.setHeader('Content-Type', 'text/html; charset=utf-8');
    request.setHeader('Cache-Control', 'no-store');
    return page(entries, problem);
  }
}

/** What somebody dropped is to be saved, whatever it is: shown, it would be a page of ours. */
class Download extends ResourceWrapper {
  protected override prepare(request: Request): null {
    request.setHeader('Content-Disposition', 'attachment');
    return null;
  }
}

function version(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

/** @param folder where files are that were dropped */
export function makeSite(board: Board, folder: string): Site {
  const root = new Resource();
  root.putChild('', new FrontPage(board));
  root.putChild('public', new File(fileURLToPath(new URL('./public', import.meta.url))));
  const files = new Download(new File(folder, { cacheLength: 0 }));
  const alone = { contentSecurityPolicy: "default-src 'none'; sandbox" };
  root.putChild('files', new SecurityHeadersWrapper(files, alone));
  const events = new ServerSentEvents(
    (request, lastEventId) => ({
      subscribe: (client) =>
        board.follow(version(lastEventId ?? request.args['after']?.[0])).subscribe({
          next: (entry) =>
            client.next({ event: 'entry', id: String(entry.version), data: item(entry).text }),
          error: (error) => client.error(error),
          complete: () => client.complete(),
        }),
    }),
    { retry: 1 },
  );
  root.putChild('events', events);
  return new Site(new SecurityHeadersWrapper(root), { maxConnections: 2000 });
}
