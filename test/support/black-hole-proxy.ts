/** A relay between a program and a server's UNIX socket, on a loopback port, that can stop forwarding while every socket stays open: a network that has died without a word. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class BlackHoleProxy {
  readonly #server: Server;
  readonly #target: string;
  readonly #sockets = new Set<Socket>();
  #dark = false;

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((near) => this.#relay(near));
  }

  /** @param target the path of the server's socket */
  static async start(target: string): Promise<BlackHoleProxy> {
    const proxy = new BlackHoleProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // it listens on a port
  }

  /** How many connections go through it. */
  get connections(): number {
    return this.#sockets.size / 2;
  }

  #relay(near: Socket): void {
    const far = connect(this.#target);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on('data', (chunk) => {
        if (!this.#dark) to.write(chunk);
      });
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        // In the dark the other side does not hear of it.
        if (!this.#dark) to.destroy();
      });
    }
  }

  /** Forwards nothing more, neither data nor ends. */
  darken(): void {
    this.#dark = true;
  }

  /** Forwards again what comes from now on; connections from before have lost something, and are ended. */
  lighten(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#dark = false;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
