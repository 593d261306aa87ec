import { createServer, type Server } from 'node:net';
import { Factory, Protocol, reactor, type TCPListeningPort } from '../../src/index.ts';

/** With node:net. */
export function before(port: number): Server {
  return createServer((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  }).listen(port, '127.0.0.1');
}

class Echo extends Protocol {
  override connectionMade(): void {
    // Reads only as fast as the client does, as pipe() did.
    this.transport.registerProducer(this.transport, true);
  }

  override dataReceived(data: Buffer): void {
    this.transport.write(data);
  }
}

/** With Strand. */
export function after(port: number): TCPListeningPort {
  return reactor.listenTCP(port, Factory.forProtocol(Echo), { interface: '127.0.0.1' });
}
