/**
 * A guestbook, as one application with two doors: a page for browsers, and lines for whoever has `nc`. What is written at one is read at the other, and kept in SQLite.
 *
 *     npx tsx twistd.ts --service docs/examples/guestbook.ts      # http://localhost:8080/, and: nc localhost 8081
 *
 * GUESTBOOK_FILE says where it is kept (guestbook.db), GUESTBOOK_PORT and GUESTBOOK_LINES which ports it has (8080 and 8081), GUESTBOOK_INTERFACE on which address (127.0.0.1).
 */
import {
  AcquireTimeout,
  type Address,
  Application,
  type ConnectionPool,
  ConnectionPoolService,
  DatabaseNotRunning,
  Deferred,
  type DelayedCall,
  Factory,
  HTTPError,
  LineReceiver,
  PoolQueueFull,
  parseForm,
  type Request,
  Resource,
  reactor,
  redirectTo,
  SecurityHeadersWrapper,
  Site,
  StatementTimeout,
  TCPServer,
} from '../../src/index.ts';

/** What a name and a text may be long, in characters. */
const NAME = 80;
const TEXT = 1000;
/** How many entries are shown at a time. */
const PAGE = 20;
/** How many may talk to it by lines at once, and how many seconds one may be silent. */
const TALKERS = 500;
const SILENCE = 300;

// ------------------------------------------------------------------------------------------- the book

interface Entry {
  readonly id: number;
  readonly name: string;
  readonly text: string;
  /** In seconds since 1970. */
  readonly at: number;
}

/** What somebody wrote cannot be taken. The message is for whoever wrote it. */
class Refused extends Error {}

/** The database, and what is done with it. The doors are services in it: it is open before they are, and closes when they have answered whoever was there. */
class Book extends ConnectionPoolService {
  protected override prepare(pool: ConnectionPool): Deferred<void> {
    return pool.runOperation(
      "create table if not exists entries (id integer primary key, name text not null, text text not null, at integer not null default (strftime('%s', 'now')))",
    );
  }

  /** Writes an entry, and gives its number. @throws {Refused} */
  sign(name: string, text: string): Deferred<number> {
    const values = [oneLine(name, 'name', NAME), oneLine(text, 'text', TEXT)];
    return this.pool.runInteraction(async (tx) => {
      // Whatever it says is a value, and never a part of the statement.
      await tx.execute('insert into entries (name, text) values (?, ?)', values);
      return Number(tx.lastrowid);
    });
  }

  /** The newest entries first, those before the entry of that number. */
  read(count: number, before: number | null = null): Deferred<Entry[]> {
    return this.pool.runQuery<Entry>(
      'select id, name, text, at from entries where id < ? order by id desc limit ?',
      [before ?? Number.MAX_SAFE_INTEGER, count],
    );
  }
}

/** Text on one line, without what plays tricks on a terminal or turns the reading direction. @throws {Refused} when nothing is left, or too much */
function oneLine(text: string, what: string, most: number): string {
  const plain = text
    .replace(/[\p{Cc}\s\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+/gu, ' ')
    .trim();
  if (plain === '') throw new Refused(`The ${what} is missing`);
  const length = [...plain].length;
  if (length > most)
    throw new Refused(`The ${what} has ${length} characters: ${most} are room for`);
  return plain;
}

/** Whether the database has more to do than it can, or is not open yet: it may work later. */
function isOverload(error: unknown): boolean {
  return (
    error instanceof PoolQueueFull ||
    error instanceof AcquireTimeout ||
    error instanceof StatementTimeout ||
    error instanceof DatabaseNotRunning
  );
}

// ------------------------------------------------------------------------------------ the door for browsers

/** Text that is HTML. Nothing else gets into a page as it is. */
class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const SIGNS = new Map(
  Object.entries({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }),
);

/** A template whose values are escaped, unless they were made by it. Good for text and quoted attributes, not for scripts. */
function html(parts: TemplateStringsArray, ...values: Array<string | number | Markup[] | Markup>) {
  const shown = values.map((value) => {
    if (Array.isArray(value)) return value.map(({ text }) => text).join('');
    if (value instanceof Markup) return value.text;
    return String(value).replace(/[&<>"']/g, (sign) => SIGNS.get(sign) ?? '');
  });
  return new Markup(String.raw({ raw: parts }, ...shown));
}

function page(entries: readonly Entry[], more: boolean, problem: Markup = html``): string {
  const rows = entries.map(
    ({ id, name, text, at }) =>
      html`<li id="e${id}"><b>${name}</b> <time>${new Date(at * 1000).toISOString().slice(0, 16)}</time><br>${text}</li>\n`,
  );
  const last = entries.at(-1);
  const older = more && last ? html`<p><a href="/?before=${last.id}">Older ones</a></p>` : html``;
  return html`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Guestbook</title></head>
<body>
<h1>Guestbook</h1>
${problem}<form method="post" action="/">
<p><label>Name <input name="name" maxlength="${NAME}" required></label></p>
<p><label>Text <textarea name="text" maxlength="${TEXT}" required></textarea></label></p>
<p><button>Sign</button></p>
</form>
<ul>
${rows}</ul>
${older}
</body>
</html>
`.text;
}

class FrontPage extends Resource {
  override isLeaf = true;
  /** Bytes of a form: every character may be twelve of them. */
  readonly maxContentLength = 12 * (NAME + TEXT) + 100;
  readonly #book: Book;

  constructor(book: Book) {
    super();
    this.#book = book;
  }

  override async render_GET(request: Request): Promise<string> {
    const before = request.args['before']?.[0];
    if (before !== undefined && !/^\d{1,15}$/.test(before)) throw new HTTPError(404);
    return this.#show(request, before === undefined ? null : Number(before));
  }

  override async render_POST(request: Request): Promise<string> {
    // A page of somebody else's must not write in the name of whoever looks at it.
    if (request.getHeader('sec-fetch-site') === 'cross-site') throw new HTTPError(403);
    const form = await parseForm(request, { maxFiles: 0 });
    try {
      await this.#ask(request, () =>
        this.#book.sign(form.get('name') ?? '', form.get('text') ?? ''),
      );
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      request.setResponseCode(422);
      return this.#show(request, null, html`<p role="alert">${error.message}</p>\n`);
    }
    // To read it again is not to write it again.
    const elsewhere = redirectTo('/', request);
    request.setResponseCode(303);
    return elsewhere;
  }

  async #show(request: Request, before: number | null, problem?: Markup): Promise<string> {
    const entries = await this.#ask(request, () => this.#book.read(PAGE + 1, before));
    request.setHeader('Content-Type', 'text/html; charset=utf-8');
    request.setHeader('Cache-Control', 'no-store');
    return page(entries.slice(0, PAGE), entries.length > PAGE, problem);
  }

  /** Waits for the database as long as the client does. */
  async #ask<T>(request: Request, begin: () => Deferred<T>): Promise<T> {
    let call: Deferred<T> | null = null;
    const cancel = (): void => call?.cancel();
    request.signal.addEventListener('abort', cancel);
    try {
      call = begin();
      return (await call) as T; // no Failure comes out of it
    } catch (error) {
      if (!isOverload(error)) throw error;
      throw new HTTPError(503, 'Too many guests at once', { headers: { 'Retry-After': '5' } });
    } finally {
      request.signal.removeEventListener('abort', cancel);
    }
  }
}

// ---------------------------------------------------------------------------------------- the door for lines

class Talk extends LineReceiver<TalkFactory> {
  override delimiter = '\n';
  override MAX_LENGTH = 4 * (NAME + TEXT) + 100;
  #silence: DelayedCall | null = null;
  /** Why nothing is read: a line is being answered, or answers are not being read. */
  #busy = false;
  #full = false;
  #lastWord: string | null = null;

  override connectionMade(): void {
    const { talks, clock } = this.factory;
    talks.add(this);
    this.#silence = clock.callLater(SILENCE, () => this.leave('OK Goodbye: you are silent'));
    const throttle = (full: boolean) => () => {
      this.#full = full;
      this.#read();
    };
    this.transport.registerProducer(
      { pauseProducing: throttle(true), resumeProducing: throttle(false), stopProducing() {} },
      true,
    );
    this.sendLine('OK Guestbook: SIGN name: text, LIST [count], QUIT');
  }

  override connectionLost(): void {
    if (this.#silence?.active() === true) this.#silence.cancel();
    this.factory.left(this);
  }

  override lineReceived(line: Buffer): void {
    if (this.#silence?.active() === true) this.#silence.reset(SILENCE);
    // One thing at a time: what else is sent waits unread until this is answered.
    this.#busy = true;
    this.#read();
    this.#answer(line.toString().trim()).then((answer) => {
      this.#busy = false;
      if (answer === null) return this.leave('OK Goodbye');
      this.sendLine(answer);
      if (this.#lastWord === null) this.#read();
      else this.leave(this.#lastWord);
    });
  }

  override lineLengthExceeded(): void {
    this.leave('ERR Line is too long: goodbye');
  }

  /** Says a last word, once what was asked is answered, and closes when it has left. */
  leave(word: string): void {
    this.#lastWord = word;
    if (this.#busy) return;
    this.sendLine(word);
    this.transport.unregisterProducer();
    this.transport.loseConnection();
  }

  #read(): void {
    if (this.#busy || this.#full) this.pauseProducing();
    else this.resumeProducing();
  }

  /** What is said to a line; null for a goodbye. Never fails. */
  async #answer(line: string): Promise<string | null> {
    const { book } = this.factory;
    const [, verb = '', rest = ''] = /^(\S*)\s*(.*)$/u.exec(line) ?? [];
    try {
      switch (verb.toUpperCase()) {
        case 'SIGN': {
          const [, name = '', text = ''] = /^([^:]*):(.*)$/u.exec(rest) ?? [];
          return `OK ${await book.sign(name, text)}`;
        }
        case 'LIST': {
          if (!/^\d{0,2}$/.test(rest)) throw new Refused('LIST takes a number up to 99');
          const entries = await book.read(rest === '' ? PAGE : Number(rest));
          const lines = entries.map(({ id, name, text }) => `${id} ${name}: ${text}`);
          return [`OK ${lines.length}`, ...lines].join('\n');
        }
        case 'QUIT':
          return null;
        default:
          throw new Refused('Try SIGN name: text, LIST [count] or QUIT');
      }
    } catch (error) {
      if (error instanceof Refused) return `ERR ${error.message}`;
      if (isOverload(error)) return 'ERR Too many guests at once: try again';
      console.error(error);
      return 'ERR Something went wrong';
    }
  }
}

class TalkFactory extends Factory<Talk> {
  override protocol = Talk;
  readonly clock = reactor;
  readonly book: Book;
  readonly talks = new Set<Talk>();
  #whenEmpty: Deferred<void> | null = null;

  constructor(book: Book) {
    super();
    this.book = book;
  }

  override buildProtocol(address: Address): Talk | null {
    return this.talks.size < TALKERS ? super.buildProtocol(address) : null;
  }

  left(talk: Talk): void {
    this.talks.delete(talk);
    if (this.talks.size === 0) this.#whenEmpty?.callback();
  }

  /** Says goodbye to everybody; fires when they are gone. The service that listens waits for it when it stops. */
  drain(): Deferred<void> {
    const empty = new Deferred<void>();
    this.#whenEmpty = empty;
    for (const talk of this.talks) talk.leave('OK Goodbye: the book closes');
    if (this.talks.size === 0) empty.callback();
    return empty;
  }
}

// ----------------------------------------------------------------------------------------- the application

const { env } = process;
const book = new Book('sqlite', {
  filename: env['GUESTBOOK_FILE'] ?? 'guestbook.db',
  cp_name: 'guestbook',
  cp_max: 3,
  // Nobody waits for a page for half a minute; and who would wait behind five hundred others is told so at once.
  cp_acquire_timeout: 10,
  cp_max_waiting: 500,
  cp_statement_timeout: 5,
});
const site = new Site(new SecurityHeadersWrapper(new FrontPage(book)), { maxConnections: 2000 });
const talks = new TalkFactory(book);
const on = { interface: env['GUESTBOOK_INTERFACE'] ?? '127.0.0.1' };

export const application = Application('guestbook');
book.setServiceParent(application);
new TCPServer(Number(env['GUESTBOOK_PORT'] ?? 8080), site, on).setServiceParent(book);
new TCPServer(Number(env['GUESTBOOK_LINES'] ?? 8081), talks, on).setServiceParent(book);
