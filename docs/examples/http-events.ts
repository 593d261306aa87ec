import { Subject } from 'rxjs';
import {
  Application,
  type Request,
  Resource,
  ServerSentEvents,
  Site,
  TCPServer,
} from '../../src/index.ts';

const said = new Subject<string>();

const PAGE = `<!doctype html><meta charset="utf-8"><title>Chat</title><link rel="icon" href="data:,">
<ul id="list"></ul>
<form id="form"><input name="text"> <button>Say</button></form>
<script>
  new EventSource('/events').onmessage = ({ data }) => {
    list.appendChild(document.createElement('li')).textContent = data;
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    fetch('/say', { method: 'POST', body: new URLSearchParams(new FormData(form)) });
    form.reset();
  };
</script>`;

class Page extends Resource {
  override render_GET(): string {
    return PAGE;
  }
}

class Say extends Resource {
  override isLeaf = true;

  override render_POST(request: Request): string {
    said.next(request.args['text']?.[0] ?? '');
    request.setResponseCode(204);
    return '';
  }
}

const root = new Resource();
root.putChild('', new Page());
root.putChild('say', new Say());
root.putChild('events', new ServerSentEvents(() => said));

export const application = Application('chat');
const port = Number(process.env['PORT'] ?? 8080);
new TCPServer(port, new Site(root)).setServiceParent(application);
