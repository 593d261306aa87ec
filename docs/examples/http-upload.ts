import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  Application,
  File,
  HTTPError,
  parseForm,
  type Request,
  type RequestBody,
  Resource,
  Site,
  TCPServer,
} from '../../src/index.ts';

const folder = process.env['PICTURES'] ?? 'pictures';
mkdirSync(folder, { recursive: true });

const PAGE = `<!doctype html><title>Pictures</title>
<form method="post" enctype="multipart/form-data">
  <input name="title"> <input type="file" name="picture"> <button>Send</button>
</form>`;

class Upload extends Resource {
  /** The body is read while it comes: a file goes to the disk, and is never in memory as a whole. */
  override streamsBody = true;

  override render_GET(): string {
    return PAGE;
  }

  override async render_POST(request: Request<RequestBody>): Promise<string> {
    const form = await parseForm(request, { maxFileLength: 20 * 1024 ** 2, maxFiles: 1 });
    const picture = form.file('picture');
    const title = form.get('title') ?? '';
    // What a client says of itself is no name for a file.
    if (picture === undefined || !/^\w{1,50}$/.test(title)) {
      throw new HTTPError(422, 'Send a picture and a title of letters');
    }
    await picture.moveTo(join(folder, `${title}.bin`));
    request.getSession().set('last', title);
    request.setResponseCode(303);
    request.setHeader('Location', '/mine');
    return '';
  }
}

class Mine extends Resource {
  override render_GET(request: Request): string {
    const last = request.getSession().get<string>('last');
    return last === undefined ? 'You have sent nothing yet.' : `Your last picture was ${last}.`;
  }
}

const root = new Resource();
root.putChild('', new Upload());
root.putChild('mine', new Mine());
root.putChild('pictures', new File(folder, { listing: true }));

export const application = Application('pictures');
const port = Number(process.env['PORT'] ?? 8080);
new TCPServer(port, new Site(root)).setServiceParent(application);
