/** Servers, and those in between, who try to have a client do what it should not. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { CommandFailed, connectFTP, type FTPClient } from '../../../src/protocols/ftp/index.ts';
import { setLogObserver } from '../../../src/reactor/index.ts';
import { certificates } from '../../support/certificates.ts';
import { Served } from './control.ts';

const { ca, server: identity } = certificates();

async function failureOf(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('Expected a failure');
}

describe("An FTP client's defences", () => {
  let server: Server;
  const sockets: Socket[] = [];
  /** All that the client has said, in clear and under TLS. */
  let heard = '';

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server?.close();
  });

  /** A server that is what `serve` makes of each connection. */
  async function begin(serve: (socket: Socket) => void): Promise<number> {
    heard = '';
    server = createServer((socket) => {
      sockets.push(socket.on('error', () => {}));
      serve(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  function open(port: number): PromiseLike<FTPClient> {
    return connectFTP('127.0.0.1', {
      ...{ port, username: 'alice', password: 'wonder', timeout: 5 },
      security: 'explicit',
      tls: { ca: ca.cert },
    });
  }

  it('says neither name nor password to a server that refuses TLS (stripping)', async () => {
    const port = await begin((socket) => {
      socket.write('220 Hello\r\n');
      socket.on('data', (data) => {
        heard += String(data);
        socket.write('502 No such thing\r\n');
      });
    });
    const error = await failureOf(open(port));
    expect(error).to.be.instanceOf(CommandFailed);
    expect(heard).to.equal('AUTH TLS\r\n');
  });

  for (const [what, injected] of [
    ['whole replies', '331 Password\r\n230 Logged in\r\n'],
    ['the beginning of a reply', '230-Anybody'],
  ] as const) {
    it(`takes nothing under TLS that was sent in clear before it (injection): ${what}`, async () => {
      const port = await begin((socket) => {
        socket.write('220 Hello\r\n');
        socket.once('data', () => {
          // Whoever is in between has added something to what the server says, and lets the rest pass.
          socket.write(`234 Go on\r\n${injected}`);
          const secureContext = createSecureContext(identity);
          const secure = new TLSSocket(socket, { isServer: true, secureContext });
          secure.on('error', () => {});
          secure.on('data', (data) => {
            heard += String(data);
            secure.write('530 Not you\r\n');
          });
        });
      });
      const log: string[] = [];
      const before = setLogObserver(({ message }) => log.push(message));
      const error = await failureOf(open(port));
      setLogObserver(before);
      expect(String(error)).to.match(/530 Not you/);
      expect(heard).to.equal('USER alice\r\n');
      expect(log.join()).to.match(/Dropped \d+ bytes that came in clear/);
    });
  }

  it('logs in to nobody whose certificate is not right', async () => {
    const served = new Served({ tls: certificates().otherServer });
    const error = await failureOf(open(served.port));
    expect(String(error)).to.match(/certificate/);
    await served.stop();
  });
});
