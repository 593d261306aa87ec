/** Servers that stall, close early, lie, and say more than they were asked. Real sockets; every one of them has to be free afterwards. */
import type { Socket } from 'node:net';
import { expect } from 'chai';
import {
  Agent,
  HTTPConnectionPool,
  type HTTPPoolOptions,
  RequestTimeoutError,
  ResponseFailed,
  ResponseNeverReceived,
} from '../../../src/protocols/http/client/index.ts';
import { ConnectionRefusedError, LibuvReactor } from '../../../src/reactor/index.ts';
import { HOST, type Listening, rawServer, scriptedServer } from './loopback.ts';
import { errorOf } from './memory.ts';

describe('A server that', () => {
  const reactor = new LibuvReactor();
  let server: Listening | undefined;
  let pool: HTTPConnectionPool;
  let agent: Agent;
  let url = '';

  async function serve(started: Promise<Listening>, options: HTTPPoolOptions = {}): Promise<void> {
    server = await started;
    url = `http://${HOST}:${server.port}/`;
    pool = new HTTPConnectionPool(reactor, options);
    agent = new Agent(reactor, undefined, { pool });
  }

  /** Settles when the server's end is closed. */
  function watched(talk: (socket: Socket) => void): {
    server: Promise<Listening>;
    closed: Promise<void>;
  } {
    let done: () => void = () => {};
    const closed = new Promise<void>((resolve) => {
      done = resolve;
    });
    return {
      closed,
      server: rawServer((socket) => {
        socket.on('close', () => done());
        socket.resume();
        talk(socket);
      }),
    };
  }

  /** Settles when the client has no connection any more; if it never does, the test takes too long. */
  async function allClosed(): Promise<void> {
    while (reactor.openCount > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  afterEach(async () => {
    await pool?.closeCachedConnections();
    await allClosed();
    await server?.close();
    server = undefined;
  });

  it('is not there is told at once', async () => {
    await serve(rawServer(() => {}));
    await server?.close();
    expect(await errorOf(agent.request('GET', url))).to.be.instanceOf(ConnectionRefusedError);
  });

  it('never answers is given up', async () => {
    const { server: started, closed } = watched(() => {});
    await serve(started);
    const error = await errorOf(agent.request('GET', url, null, null, { headTimeout: 0.05 }));
    expect(error).to.be.instanceOf(RequestTimeoutError);
    await closed;
  });

  it('stalls in its head is given up', async () => {
    const { server: started, closed } = watched((socket) => socket.write('HTTP/1.1 200 OK\r\nA: '));
    await serve(started);
    const error = await errorOf(agent.request('GET', url, null, null, { headTimeout: 0.05 }));
    expect(error).to.be.instanceOf(RequestTimeoutError);
    await closed;
  });

  it('stalls in its body is given up', async () => {
    const { server: started, closed } = watched((socket) =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbody'),
    );
    await serve(started);
    const response = await agent.request('GET', url, null, null, { idleTimeout: 0.05 });
    const error = await errorOf(response.bytes());
    expect((error as ResponseFailed).reasons[0]?.value).to.be.instanceOf(RequestTimeoutError);
    await closed;
  });

  it('sends its body drop by drop is given up as a whole', async () => {
    const { server: started, closed } = watched((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const drip = setInterval(() => socket.write('1\r\nx\r\n'), 5);
      socket.on('close', () => clearInterval(drip));
    });
    await serve(started);
    const asked = agent.request('GET', url, null, null, { timeout: 0.3 });
    const error = await errorOf(asked.addCallback((response) => response.bytes()));
    // On a machine that is busy not even the head may have come by then.
    const reason = error instanceof ResponseFailed ? error.reasons[0]?.value : error;
    expect(reason).to.include({ phase: 'whole' });
    await closed;
  });

  for (const [what, text] of [
    ['says nothing', ''],
    ['is in its head', 'HTTP/1.1 200 OK\r\nContent'],
    ['is in its body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbody'],
    ['is in a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbo'],
    ['is between chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n'],
  ] as const) {
    for (const how of ['closes', 'resets'] as const) {
      it(`${how} while it ${what} fails the request`, async () => {
        await serve(
          rawServer((socket) => {
            socket.on('data', () => {
              socket.write(text, 'latin1', () => {
                if (how === 'closes') socket.end();
                else socket.resetAndDestroy();
              });
            });
          }),
        );
        const error = await errorOf(
          agent.request('GET', url).addCallback((response) => response.bytes()),
        );
        expect(error).to.be.instanceOf(ResponseFailed);
        expect(error instanceof ResponseNeverReceived).to.equal(text === '');
      });
    }
  }

  it('answers without reading the body is heard, and the connection does not stay', async () => {
    await serve(
      rawServer((socket) => {
        socket.once('data', () => {
          socket.write(
            'HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!',
          );
          socket.pause();
        });
      }),
      { closeTimeout: 0.1 },
    );
    const response = await agent.request('POST', url, null, Buffer.alloc(5_000_000));
    expect([response.code, await response.text()]).to.deep.equal([413, 'no!']);
    await allClosed();
  });

  it('closes the connection that was kept costs no request that can be repeated', async () => {
    let connections = 0;
    await serve(
      rawServer((socket) => {
        connections += 1;
        let requests = 0;
        socket.on('data', () => {
          requests += 1;
          if (requests === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
          else socket.resetAndDestroy();
        });
      }),
    );
    for (let n = 0; n < 3; n += 1) {
      const response = await agent.request('GET', url);
      expect(await response.text()).to.equal('ok');
    }
    expect(connections).to.equal(3);
  });

  it('smuggles a second response does not have it taken for an answer', async () => {
    let n = 0;
    await serve(
      scriptedServer(() => {
        n += 1;
        return [
          `HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${n}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`,
        ];
      }),
    );
    for (const expected of ['1', '2', '3']) {
      const response = await agent.request('GET', url);
      expect(await response.text()).to.equal(expected);
      expect(response.connectionReused).to.equal(false);
    }
  });

  it('says something while nobody asks loses its connection', async () => {
    const { server: started, closed } = watched((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', () =>
          setImmediate(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil')),
        );
      });
    });
    await serve(started);
    expect(await (await agent.request('GET', url)).text()).to.equal('ok');
    await closed;
    expect(pool.idleConnections()).to.equal(0);
  });

  it('sends without an end is not read when nobody reads the body', async () => {
    let written = 0;
    let full: () => void = () => {};
    const stalled = new Promise<void>((resolve) => {
      full = resolve;
    });
    const { server: started, closed } = watched((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const chunk = Buffer.alloc(65_536);
      const pump = (): void => {
        for (;;) {
          written += chunk.length;
          if (!socket.write(chunk)) break;
        }
        // What has not left for a while is not going to.
        const timer = setTimeout(full, 200);
        socket.once('drain', () => {
          clearTimeout(timer);
          pump();
        });
      };
      pump();
    });
    await serve(started);
    const response = await agent.request('GET', url);
    await stalled;
    expect(written).to.be.lessThan(50_000_000);
    response.abort();
    await closed;
  });

  it('takes nothing has a body wait for it', async () => {
    let produced = 0;
    const { server: started, closed } = watched((socket) => socket.pause());
    await serve(started);
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        produced += 65_536;
        yield Buffer.alloc(65_536);
      }
    }
    const error = await errorOf(agent.request('POST', url, null, endless(), { idleTimeout: 0.3 }));
    expect(error).to.include({ phase: 'send' });
    expect(produced).to.be.lessThan(50_000_000);
    await server?.close();
    await closed;
  });

  it('sends a head without an end is cut off', async () => {
    const { server: started, closed } = watched((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const pump = (): void => {
        while (!socket.destroyed && socket.write(`X: ${'y'.repeat(1000)}\r\n`));
        socket.once('drain', pump);
      };
      pump();
    });
    await serve(started);
    const error = await errorOf(agent.request('GET', url));
    expect((error as ResponseFailed).reasons[0]?.value).to.have.property(
      'code',
      'ERR_HTTP_HEAD_TOO_LONG',
    );
    await closed;
  });
});
