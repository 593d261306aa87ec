/** Our HTTP server; serves the folder it is given below /files, and prints its port. */

import { File, type Request, Resource, Site } from '../../src/protocols/http/index.ts';
import { LibuvReactor } from '../../src/reactor/index.ts';

class Hello extends Resource {
  override isLeaf = true;
  override render_GET(): string {
    return 'Hello, world!';
  }
  override render_POST(request: Request): string {
    return String(request.content.length);
  }
}

/** What a small JSON service does: reads a few fields, sets a few, answers with an object. */
class Item extends Resource {
  override isLeaf = true;
  readonly id: number;

  constructor(id: number) {
    super();
    this.id = id;
  }

  override render_GET(request: Request): string {
    request.setHeader('Content-Type', 'application/json; charset=utf-8');
    request.setHeader('Cache-Control', 'no-cache');
    request.setHeader('X-Frame-Options', 'DENY');
    request.setHeader('X-Content-Type-Options', 'nosniff');
    request.setHeader('Referrer-Policy', 'no-referrer');
    request.setHeader('Vary', 'Accept-Encoding');
    request.setHeader('X-Request-Id', request.getHeader('x-request-id') ?? '');
    return JSON.stringify({
      id: this.id,
      name: 'item',
      tags: ['a', 'b'],
      agent: request.getHeader('user-agent'),
    });
  }
}

const root = new Resource();
root.putChild('', new Hello());
const api = new Resource();
root.putChild('api', api);
for (let group = 0; group < 10; group += 1) {
  const folder = new Resource();
  api.putChild(`group${group}`, folder);
  for (let id = 0; id < 10; id += 1) folder.putChild(`item${id}`, new Item(group * 10 + id));
}

const [folder] = process.argv.slice(2);
if (folder !== undefined) root.putChild('files', new File(folder));

const reactor = new LibuvReactor();
console.log(
  reactor.listenTCP(0, new Site(root, { reactor }), { interface: '127.0.0.1' }).getHost().port,
);
