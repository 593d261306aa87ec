/** Programs show that they live by a connection, which the system closes with the process, however that ends. Each says first who it is, in a line. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

export class Lifelines {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #waiting: { readonly name: string; readonly resolve: (socket: Socket) => void }[] = [];

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#connected(socket));
  }

  static async listen(): Promise<Lifelines> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Lifelines(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // it listens on a port
  }

  /** The next one of this name: resolves when it has come. Its `gone` resolves when it has ended. */
  async next(name: string): Promise<{ readonly gone: Promise<void> }> {
    const socket = await new Promise<Socket>((resolve) => {
      this.#waiting.push({ name, resolve });
    });
    const gone = socket.destroyed
      ? Promise.resolve()
      : new Promise<void>((resolve) => socket.once('close', () => resolve()));
    return { gone };
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #connected(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    socket.setEncoding('utf8').once('data', (line: string) => {
      const name = line.trim();
      const first = this.#waiting.find((waiter) => waiter.name === name);
      this.#waiting = this.#waiting.filter((waiter) => waiter !== first);
      first?.resolve(socket);
    });
  }
}
