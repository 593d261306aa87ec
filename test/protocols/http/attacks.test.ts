/** Attacks over real sockets. Each shows what the attacker gets, and that other clients are served meanwhile. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import {
  NOT_DONE_YET,
  type Request,
  Resource,
  Site,
  type SiteOptions,
} from '../../../src/protocols/http/index.ts';
import { LibuvReactor, type TCPListeningPort } from '../../../src/reactor/index.ts';
import { Clock } from '../support.ts';
import { answersIn } from './serving-memory.ts';

/** A client that does what it likes, and keeps what it gets. */
class Attacker {
  readonly socket: Socket;
  text = '';
  readonly closed: Promise<void>;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' });
    this.socket.on('data', (data) => {
      this.text += data.toString('latin1');
    });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Waits until `done` says so about what came. */
  async until(done: (text: string) => boolean): Promise<void> {
    while (!done(this.text)) await once(this.socket, 'data');
  }
}

/** A page, an upload, and what never ends. Knows what it was asked for. */
class Target extends Resource {
  override isLeaf = true;
  readonly asked: string[] = [];
  block: () => void = () => {};
  readonly blocked = new Promise<void>((resolve) => {
    this.block = resolve;
  });

  override render_GET(request: Request): string | typeof NOT_DONE_YET {
    this.asked.push(`${request.method} ${request.uri}`);
    if (request.path !== '/endless') return 'page';
    let paused = false;
    const piece = Buffer.alloc(65_536, 'x');
    const producer = {
      pauseProducing: (): void => {
        paused = true;
        // A client whose system takes something now and then has us resume at once.
        setImmediate(() => paused && this.block());
      },
      resumeProducing: (): void => {
        paused = false;
        while (!paused) request.write(piece);
      },
      stopProducing: (): void => {
        paused = true;
      },
    };
    request.registerProducer(producer, true);
    producer.resumeProducing();
    return NOT_DONE_YET;
  }

  override render_POST(request: Request): string {
    this.asked.push(`${request.method} ${request.uri}`);
    return `${request.content.length}`;
  }
}

describe('Attacks on an HTTP server', () => {
  let reactor: LibuvReactor;
  let clock: Clock;
  let target: Target;
  let site: Site;
  let listening: TCPListeningPort;
  let port: number;
  let attackers: Attacker[];

  function listen(options: SiteOptions = {}): void {
    reactor = new LibuvReactor();
    clock = new Clock();
    target = new Target();
    site = new Site(target, { reactor: clock, ...options });
    site.noisy = false;
    listening = reactor.listenTCP(0, site, { interface: '127.0.0.1' });
    port = listening.getHost().port;
    attackers = [];
  }

  function attacker(): Attacker {
    const one = new Attacker(port);
    attackers.push(one);
    return one;
  }

  /** Another client gets its page. */
  async function othersAreServed(): Promise<void> {
    const other = new Attacker(port);
    other.send('GET /other HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await other.closed;
    expect(answersIn(other.text).map(({ body }) => body)).to.deep.equal(['page']);
    target.asked.splice(target.asked.indexOf('GET /other'), 1);
  }

  afterEach(async () => {
    for (const { socket } of attackers) socket.destroy();
    await listening.stopListening();
    await site.drain(0);
  });

  describe('smuggling', () => {
    const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
    const attacks: Record<string, readonly [text: string, code: number]> = {
      'Content-Length and Transfer-Encoding': [
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'Transfer-Encoding and Content-Length': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'two Content-Lengths': [
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 39\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'two Content-Lengths that agree': [
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'a list of Content-Lengths': [
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 39\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'a Content-Length with a sign': [
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'a hexadecimal Content-Length': [
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x0\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'blanks before the colon of Transfer-Encoding': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'another coding behind chunked': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'a coding that looks like chunked': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'a vertical tab before chunked': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'a folded Transfer-Encoding': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'chunked in HTTP/1.0': [
        `POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'a line that ends in LF': [
        `POST / HTTP/1.1\r\nHost: a\r\nX: y\nContent-Length: 39\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'a header in a CR': [
        `POST / HTTP/1.1\r\nHost: a\r\nX: y\rContent-Length: 39\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'a chunk size beyond what can be counted': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n${SMUGGLED}`,
        413,
      ],
      'a chunk size with a sign': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n${SMUGGLED}`,
        400,
      ],
      'a chunk line that ends in LF': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x\nxx\r\n27\r\n${SMUGGLED}`,
        400,
      ],
      'a chunk that ends in something else': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxXX0\r\n\r\n${SMUGGLED}`,
        400,
      ],
      'two hosts': [`GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n${SMUGGLED}`, 400],
      'a method with a line in it': [`GET\r / HTTP/1.1\r\nHost: a\r\n\r\n${SMUGGLED}`, 400],
    };
    for (const [name, [text, code]] of Object.entries(attacks)) {
      it(`by ${name} is answered once, with ${code}, and gets nothing in`, async () => {
        listen();
        const one = attacker();
        one.send(text);
        await one.until((got) => got.includes('\r\n\r\n'));
        await othersAreServed();
        one.socket.end();
        await one.closed;
        expect(answersIn(one.text).map((answer) => answer.code)).to.deep.equal([code]);
        expect(target.asked).to.deep.equal([]);
      });
    }

    it('in the body of a GET gets nothing in', async () => {
      listen();
      const one = attacker();
      one.send(
        `GET /front HTTP/1.1\r\nHost: a\r\nContent-Length: ${SMUGGLED.length}\r\nConnection: close\r\n\r\n${SMUGGLED}`,
      );
      await one.closed;
      expect(target.asked).to.deep.equal(['GET /front']);
    });
  });

  it('cannot have answers in another order than requests', async () => {
    listen();
    const order = ['/a', '/b', '/c', '/d'];
    const waiting: Request[] = [];
    site.resource = Object.assign(new Resource(), {
      isLeaf: true,
      render: (request: Request) => {
        waiting.push(request);
        return request.path === '/c' ? request.path : NOT_DONE_YET;
      },
    });
    const one = attacker();
    one.send(order.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
    for (const path of order) {
      while (waiting.at(-1)?.path !== path && !(path === '/c' && waiting.length > 3)) {
        await new Promise(setImmediate);
      }
      const request = waiting.find((each) => each.path === path);
      if (request === undefined || request.finished) continue;
      request.write(path);
      request.finish();
    }
    await one.until((got) => got.includes('/d\r\n0\r\n\r\n'));
    expect(answersIn(one.text).map(({ body }) => body)).to.deep.equal(order);
  });

  describe('slowness', () => {
    it('slowloris: heads that never end are ended with 408', async () => {
      listen({ headTimeout: 30 });
      const many = Array.from({ length: 50 }, attacker);
      for (const one of many) one.send('GET / HTTP/1.1\r\nHost: a\r\n');
      while (site.connections < many.length) await new Promise(setImmediate);
      await othersAreServed();
      for (let second = 0; second < 29; second += 1) {
        for (const one of many) one.send(`X-${second}: x\r\n`);
        clock.advance(1);
        await new Promise(setImmediate);
      }
      await othersAreServed();
      clock.advance(2);
      await Promise.all(many.map((one) => one.until((text) => text.includes('\r\n\r\n'))));
      expect(many.every(({ text }) => text.startsWith('HTTP/1.1 408 '))).to.equal(true);
      for (const { socket } of many) socket.end();
      await Promise.all(many.map(({ closed }) => closed));
      await othersAreServed();
    });

    it('connections that say nothing are closed', async () => {
      listen({ timeout: 60 });
      const many = Array.from({ length: 20 }, attacker);
      while (site.connections < many.length) await new Promise(setImmediate);
      await othersAreServed();
      clock.advance(61);
      await Promise.all(many.map(({ closed }) => closed));
      expect(many.every(({ text }) => text === '')).to.equal(true);
    });

    it('a body that trickles is ended with 408', async () => {
      listen({ minBodyRate: 240, bodyRateGrace: 5 });
      const one = attacker();
      one.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n');
      one.send('x');
      await othersAreServed();
      clock.advance(6);
      await one.until((text) => text.includes('\r\n\r\n'));
      expect(one.text).to.match(/^HTTP\/1\.1 408 /);
      expect(target.asked).to.deep.equal([]);
    });

    it('slow reading: who does not read its answer is let go', async () => {
      listen({ writeTimeout: 60 });
      const one = attacker();
      one.socket.pause();
      one.send('GET /endless HTTP/1.1\r\nHost: a\r\n\r\n');
      await target.blocked;
      await othersAreServed();
      clock.advance(59);
      expect(site.connections).to.equal(1);
      clock.advance(2);
      while (site.connections > 0) await new Promise(setImmediate);
      one.socket.resume();
      await one.closed;
      await othersAreServed();
    });

    it('a flood of pipelined requests by a client that does not read is not worked on', async () => {
      listen();
      site.resource = Object.assign(new Resource(), {
        isLeaf: true,
        render: (request: Request) => {
          target.asked.push(request.uri);
          return 'x'.repeat(20_000);
        },
      });
      const one = attacker();
      one.socket.pause();
      const flood = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(5000);
      one.send(flood);
      let before = -1;
      let calm = 0;
      while (calm < 50) {
        calm = target.asked.length === before && before > 0 ? calm + 1 : 0;
        before = target.asked.length;
        await new Promise(setImmediate);
      }
      expect(target.asked.length).to.be.below(5000);
      one.socket.resume();
      while (target.asked.length < 5000) await new Promise(setImmediate);
      expect(target.asked).to.have.length(5000);
    });
  });

  describe('bombs', () => {
    const bombs: Record<string, readonly [text: string, code: number]> = {
      'a header of 1 MB': [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(1_000_000)}`, 431],
      'very many headers': [`GET / HTTP/1.1\r\nHost: a\r\n${'A: b\r\n'.repeat(100_000)}`, 431],
      'very many headers of one byte': [
        `GET / HTTP/1.1\r\nHost: a\r\n${'a:\r\n'.repeat(2000)}\r\n`,
        431,
      ],
      'a target of 1 MB': [`GET /${'x'.repeat(1_000_000)}`, 414],
      'a method of 1 MB': ['X'.repeat(1_000_000), 414],
      'empty lines without end': ['\r\n'.repeat(500_000), 400],
      'a chunk extension of 1 MB': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(1_000_000)}`,
        413,
      ],
      'extensions of very many chunks': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${`1;${'x'.repeat(500)}\r\nx\r\n`.repeat(2000)}`,
        413,
      ],
      'trailers of 1 MB': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${'A: b\r\n'.repeat(200_000)}`,
        431,
      ],
      'a chunked body of 2 MB': [
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${`1000\r\n${'x'.repeat(4096)}\r\n`.repeat(512)}0\r\n\r\n`,
        413,
      ],
      'a body that says 1 TB': [
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\n',
        413,
      ],
      'a body with an encoding': [
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n',
        415,
      ],
    };
    for (const [name, [text, code]] of Object.entries(bombs)) {
      it(`${name}: ${code}`, async () => {
        listen();
        const one = attacker();
        one.send(text);
        await one.until((got) => got.includes('\r\n\r\n'));
        await othersAreServed();
        one.socket.end();
        await one.closed;
        const [answer, ...more] = answersIn(one.text);
        expect(answer?.code).to.equal(code);
        expect(answer?.headers['connection']).to.equal('close');
        expect(more).to.deep.equal([]);
        expect(target.asked).to.deep.equal([]);
      });
    }

    it('an answer to a client that goes on sending reaches it', async () => {
      listen();
      const one = attacker();
      one.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n');
      // It reads nothing before it has sent all of it.
      one.socket.pause();
      one.send('x'.repeat(5_000_000));
      while (one.socket.writableLength > 0) await new Promise(setImmediate);
      one.socket.resume();
      await one.until((text) => text.includes('\r\n\r\n'));
      expect(one.text).to.match(/^HTTP\/1\.1 413 /);
    });
  });

  it('connections of one client are counted', async () => {
    listen({ maxConnectionsPerPeer: 5 });
    const five = Array.from({ length: 5 }, attacker);
    while (site.connections < 5) await new Promise(setImmediate);
    const sixth = attacker();
    await sixth.closed;
    expect(sixth.text).to.equal('');
    five[0]?.socket.end();
    await five[0]?.closed;
    while (site.connections > 4) await new Promise(setImmediate);
    await othersAreServed();
  });
});
