import {
  Application,
  HTTPError,
  type Lookup,
  LoopingCall,
  NOT_DONE_YET,
  type Request,
  Resource,
  Site,
  TCPServer,
} from '../../src/index.ts';

/** /hello, /hello?name=Ada: what is returned is the body of the answer. */
class Hello extends Resource {
  override render_GET(request: Request): string {
    request.setHeader('Content-Type', 'text/plain; charset=utf-8');
    return `Hello, ${request.args['name']?.[0] ?? 'world'}!\n`;
  }
}

/** /books lists, /books/NAME is one of them: children that are made when they are asked for. */
class Books extends Resource {
  readonly all = new Map<string, unknown>([['dune', { pages: 612 }]]);

  override getChild(name: string): Lookup {
    return name === '' ? this : new Book(this.all, name);
  }

  override render_GET(request: Request): string {
    request.setHeader('Content-Type', 'application/json');
    return JSON.stringify([...this.all.keys()]);
  }
}

class Book extends Resource {
  override isLeaf = true;
  readonly #all: Map<string, unknown>;
  readonly #name: string;

  constructor(all: Map<string, unknown>, name: string) {
    super();
    this.#all = all;
    this.#name = name;
  }

  override render_GET(request: Request): string {
    const book = this.#all.get(this.#name);
    if (book === undefined) throw new HTTPError(404);
    request.setHeader('Content-Type', 'application/json');
    return JSON.stringify(book);
  }

  override render_PUT(request: Request): string {
    try {
      this.#all.set(this.#name, JSON.parse(request.content.toString()));
    } catch (cause) {
      throw new HTTPError(400, 'That is no JSON', { cause });
    }
    request.setResponseCode(204);
    return '';
  }

  override render_DELETE(request: Request): string {
    request.setResponseCode(this.#all.delete(this.#name) ? 204 : 404);
    return '';
  }
}

/** /count: an answer in parts, over some time. It ends early when the client goes. */
class Count extends Resource {
  override isLeaf = true;

  override render_GET(request: Request): typeof NOT_DONE_YET {
    request.setHeader('Content-Type', 'text/plain');
    let count = 0;
    const counting = new LoopingCall(() => {
      count += 1;
      request.write(`${count}\n`);
      if (count < 3) return;
      counting.stop();
      request.finish();
    });
    counting.clock = request.clock;
    counting.start(0.1);
    request.notifyFinish().addErrback(() => counting.stop());
    return NOT_DONE_YET;
  }
}

const root = new Resource();
root.putChild('hello', new Hello());
root.putChild('books', new Books());
root.putChild('count', new Count());

export const application = Application('resources');
const port = Number(process.env['PORT'] ?? 8080);
new TCPServer(port, new Site(root)).setServiceParent(application);
