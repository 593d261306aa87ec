import { pathToFileURL } from 'node:url';
import {
  AsyncChat,
  Dispatcher,
  loop,
  type StreamSocket,
} from '../../src/protocols/asyncore/index.ts';

/** Says back what it was sent: one request, one answer, as a server for asynchat might have done it. */
class RequestHandler extends AsyncChat {
  #head = '';

  constructor(socket: StreamSocket) {
    super(socket);
    this.setTerminator('\r\n\r\n');
  }

  override collectIncomingData(data: Buffer): void {
    this._collectIncomingData(data);
  }

  override foundTerminator(): void {
    if (this.#head === '') {
      this.#head = this._getData().toString('latin1');
      const length = Number(/^content-length: *(\d+)$/im.exec(this.#head)?.[1] ?? 0);
      if (length > this.maxIncoming) this.answer('413 Content Too Large', '');
      else if (length > 0) this.setTerminator(length);
      else this.answer('200 OK', this.#head);
    } else {
      this.answer('200 OK', `${this.#head.split('\r\n', 1)}\n${this._getData()}`);
    }
  }

  answer(status: string, text: string): void {
    // What may still come is of no interest.
    this.setTerminator(null);
    const bytes = Buffer.from(text);
    this.push(`HTTP/1.1 ${status}\r\nContent-Length: ${bytes.length}\r\nConnection: close\r\n\r\n`);
    this.push(bytes);
    this.closeWhenDone();
  }
}

export class HTTPServer extends Dispatcher {
  constructor(port: number) {
    super();
    this.createSocket();
    this.setReuseAddr();
    this.bind(['127.0.0.1', port]);
    this.listen(5);
  }

  override handleAccepted(socket: StreamSocket): void {
    new RequestHandler(socket);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const server = new HTTPServer(Number(process.env['PORT'] ?? 8080));
  server.log(`Listening on ${server.addr}`);
  await loop();
}
