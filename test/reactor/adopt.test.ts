import { type ChildProcess, fork } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  AdoptedStreamServerEndpoint,
  AlreadyListened,
  LibuvReactor,
  UnsupportedAddressFamily,
  UnsupportedSocketType,
} from '../../src/reactor/index.ts';
import type { Order, Reply } from '../fixtures/stdio/orders.ts';
import { Datagrams } from '../support/datagrams.ts';
import { boundSocket, connectedSocket, type RawSocket, udpSocket } from '../support/raw-sockets.ts';
import { RecordingFactory } from '../support/recorder.ts';
import { fixture } from '../support/twistd-child.ts';

const LINUX = process.platform === 'linux';

/** A child that has descriptors from 3 on and adopts them as told. */
class Adopter {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #ids = 0;

  constructor(sockets: readonly number[]) {
    this.#child = fork(fixture('stdio/adopts.ts'), {
      execArgv: ['--import', import.meta.resolve('tsx')],
      stdio: ['ignore', 'inherit', 'inherit', ...sockets, 'ipc'],
    });
    this.#child.on('message', (reply: Reply) => this.#waiting.get(reply.id)?.(reply));
  }

  /** What came of an order; an error as its code and message. */
  async order(
    call: Order['call'],
    fd = 0,
    family = 'INET',
    method: Order['method'] = 'onread',
  ): Promise<string> {
    const id = this.#ids++;
    const replied = new Promise<Reply>((resolve) => this.#waiting.set(id, resolve));
    const order: Order = { id, call, fd, family, method };
    this.#child.send(order);
    const reply = await replied;
    return 'result' in reply ? reply.result : `${reply.error.code}: ${reply.error.message}`;
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}

/** Everything that comes until there are `count` bytes after the first line. */
async function talk(socket: Socket, message: string): Promise<[string, string]> {
  socket.write(message);
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    const end = text.indexOf('\n');
    if (end >= 0 && text.length > end + message.length) {
      return [text.slice(0, end), text.slice(end + 1)];
    }
  }
  throw new Error(`The connection ended after ${JSON.stringify(text)}`);
}

function portOf(address: string): number {
  return Number(/, (\d+)/.exec(address)?.[1]);
}

function refused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.on('error', () => resolve(true));
    socket.on('connect', () => {
      socket.destroy();
      resolve(false);
    });
  });
}

describe('Adopted descriptors', () => {
  if (process.platform === 'win32') return;

  const names: string[] = [];
  const bound: RawSocket[] = [];
  const talkers = new Map<string, Socket>();
  let folder: string;
  let child: Adopter;

  const fd = (name: string): number => names.indexOf(name) + 3;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'strand-'));
    const sockets: RawSocket[] = [];
    const add = (name: string, socket: RawSocket): void => {
      names.push(name);
      sockets.push(socket);
    };
    for (const method of ['onread', 'data']) {
      add(`tcp ${method}`, boundSocket('127.0.0.1', true));
      add(`idle ${method}`, boundSocket('127.0.0.1', false));
      add(`wildcard ${method}`, boundSocket('0.0.0.0', true));
      add(`tcp6 ${method}`, boundSocket('::1', true));
      add(`unix ${method}`, boundSocket(join(folder, `${method}.sock`), false));
      for (const [name, where] of [
        ['connected', { host: '127.0.0.1' }],
        ['connected6', { host: '::1' }],
        ['connected unix', { path: join(folder, `${method}-c.sock`) }],
      ] as const) {
        const [socket, talker] = await connectedSocket(where);
        add(`${name} ${method}`, socket);
        talkers.set(`${name} ${method}`, talker);
      }
    }
    if (LINUX) add('abstract', boundSocket(`\0strand-adopt-${process.pid}`, false));
    for (const n of [1, 2, 3]) add(`spare tcp ${n}`, boundSocket('127.0.0.1', true));
    for (const n of [1, 2, 3]) {
      const [socket, talker] = await connectedSocket({ host: '127.0.0.1' });
      add(`spare connected ${n}`, socket);
      talkers.set(`spare connected ${n}`, talker);
    }
    add('spare unix', boundSocket(join(folder, 'spare.sock'), false));
    add('udp', await udpSocket('127.0.0.1'));
    add('udp6', await udpSocket('::1'));
    add('spare udp', await udpSocket('127.0.0.1'));
    const file = openSync('/dev/null', 'r');
    add('file', { fd: file, close: () => closeSync(file) });
    child = new Adopter(sockets.map((socket) => socket.fd));
    // Closing a UNIX socket that was bound here removes its file.
    for (const [i, socket] of sockets.entries()) {
      if (names[i]?.startsWith('unix ')) bound.push(socket);
      else socket.close();
    }
  });

  after(async () => {
    await child.end();
    for (const socket of bound) socket.close();
    for (const talker of talkers.values()) talker.destroy();
    rmSync(folder, { recursive: true });
  });

  const talker = (name: string): Socket => {
    const found = talkers.get(name);
    if (found === undefined) throw new Error(`There is no ${name}`);
    return found;
  };

  for (const method of ['onread', 'data'] as const) {
    it(`adoptStreamPort() serves a listening TCP socket, until it is stopped for good (${method})`, async () => {
      const name = `tcp ${method}`;
      const address = await child.order('streamPort', fd(name), 'INET', method);
      expect(address).to.match(/^IPv4Address\(TCP, '127\.0\.0\.1', [1-9]\d*\)$/);
      const socket = connect(portOf(address), '127.0.0.1');
      await once(socket, 'connect');
      const peer = `IPv4Address(TCP, '127.0.0.1', ${socket.localPort})`;
      expect(await talk(socket, 'hello')).to.deep.equal([`${address} ${peer}`, 'hello']);
      expect(await child.order('stop', fd(name))).to.equal('');
      expect(await child.order('isOpen', fd(name))).to.equal('closed');
      expect(await refused(portOf(address))).to.equal(true);
      expect(await child.order('again', fd(name))).to.equal(
        `ERR_CANNOT_LISTEN: Cannot listen on descriptor:${fd(name)}: the descriptor was closed when the port stopped`,
      );
    });

    it(`adoptStreamPort() has a socket listen that is only bound (${method})`, async () => {
      const address = await child.order('streamPort', fd(`idle ${method}`), 'INET', method);
      const [line] = await talk(connect(portOf(address), '127.0.0.1'), 'x');
      expect(line).to.contain(`${address} `);
    });

    it(`adoptStreamPort() tells each connection to every address its own one (${method})`, async () => {
      const address = await child.order('streamPort', fd(`wildcard ${method}`), 'INET', method);
      expect(address).to.contain("'0.0.0.0'");
      const [line] = await talk(connect(portOf(address), '127.0.0.1'), 'x');
      expect(line).to.contain(`IPv4Address(TCP, '127.0.0.1', ${portOf(address)}) `);
    });

    it(`adoptStreamPort() serves IPv6 (${method})`, async () => {
      const address = await child.order('streamPort', fd(`tcp6 ${method}`), 'INET6', method);
      const [line, echo] = await talk(connect(portOf(address), '::1'), 'six');
      expect(line).to.match(/^IPv6Address\(TCP, '::1', \d+, 0, 0\) IPv6Address/);
      expect(echo).to.equal('six');
    });

    it(`adoptStreamPort() serves a UNIX socket, whose file it leaves alone (${method})`, async () => {
      const path = join(folder, `${method}.sock`);
      const name = `unix ${method}`;
      const address = await child.order('streamPort', fd(name), 'UNIX', method);
      expect(address).to.equal(`UNIXAddress(${LINUX ? JSON.stringify(path) : 'null'})`);
      const socket = connect(path);
      expect(await talk(socket, 'path')).to.deep.equal([`${address} UNIXAddress(null)`, 'path']);
      await child.order('stop', fd(name));
      expect(existsSync(path)).to.equal(true);
      expect(await child.order('isOpen', fd(name))).to.equal('closed');
    });

    for (const [kind, family] of [
      ['connected', 'INET'],
      ['connected6', 'INET6'],
      ['connected unix', 'UNIX'],
    ] as const) {
      it(`adoptStreamConnection() serves a connection that stands: ${kind} (${method})`, async () => {
        const name = `${kind} ${method}`;
        const ends = await child.order('connection', fd(name), family, method);
        const socket = talker(name);
        if (family !== 'UNIX') expect(ends).to.contain(String(socket.localPort));
        else if (LINUX) expect(ends).to.contain(join(folder, `${method}-c.sock`));
        expect(await talk(socket, 'still here')).to.deep.equal([ends, 'still here']);
      });
    }
  }

  it('adoptStreamPort() knows an abstract name', async function () {
    if (!LINUX) this.skip();
    const address = await child.order('streamPort', fd('abstract'), 'UNIX');
    expect(address).to.equal(`UNIXAddress("\\u0000strand-adopt-${process.pid}")`);
    const [, echo] = await talk(connect(`\0strand-adopt-${process.pid}`), 'deep');
    expect(echo).to.equal('deep');
  });

  it('adoptDatagramPort() receives and sends, cut to maxPacketSize', async () => {
    for (const [name, family, host] of [
      ['udp', 'INET', '127.0.0.1'],
      ['udp6', 'INET6', '::1'],
    ] as const) {
      const address = await child.order('datagramPort', fd(name), family);
      const socket = dgram.createSocket(family === 'INET' ? 'udp4' : 'udp6');
      const answer = once(socket, 'message') as Promise<[Buffer]>;
      socket.send('datagram', portOf(address), host);
      expect(String((await answer)[0])).to.equal('data');
      socket.close();
    }
  });

  describe('which are not what they were said to be', () => {
    const unsupported = async (
      call: Order['call'],
      name: string,
      family: string,
      message: string,
    ): Promise<void> => {
      const answer = await child.order(call, fd(name), family);
      expect(answer).to.equal(
        `ERR_UNSUPPORTED_SOCKET_TYPE: Cannot adopt descriptor ${fd(name)}${message}`,
      );
      expect(await child.order('isOpen', fd(name))).to.equal('open');
    };

    it('are refused and left open when their type is wrong', async () => {
      const noPort = ' as a port: it is not a stream socket';
      await unsupported('streamPort', 'spare udp', 'INET', noPort);
      await unsupported('streamPort', 'spare udp', 'UNIX', noPort);
      const noStream = ' as a connection: it is not a stream socket';
      await unsupported('connection', 'spare udp', 'INET', noStream);
      const noDatagrams = ' as a datagram port: it is not a UDP socket';
      await unsupported('datagramPort', 'spare tcp 1', 'INET', noDatagrams);
      for (const call of ['streamPort', 'connection', 'datagramPort'] as const) {
        await unsupported(call, 'file', 'INET', ': it is not a socket');
      }
    });

    it('are refused and closed when their family is wrong', async () => {
      for (const [call, name, family, found] of [
        ['streamPort', 'spare tcp 1', 'INET6', 'INET'],
        ['streamPort', 'spare tcp 2', 'UNIX', 'INET'],
        ['streamPort', 'spare unix', 'INET', 'UNIX'],
        ['connection', 'spare connected 1', 'INET6', 'INET'],
        ['datagramPort', 'spare udp', 'INET6', 'INET'],
      ] as const) {
        expect(await child.order(call, fd(name), family), name).to.equal(
          `ERR_UNSUPPORTED_ADDRESS_FAMILY: Cannot adopt descriptor ${fd(name)} as ${family}, and closed it: its family is ${found}`,
        );
        expect(await child.order('isOpen', fd(name)), name).to.equal('closed');
      }
    });

    it('are no connection when they are not connected', async () => {
      const answer = await child.order('connection', fd('spare tcp 3'), 'INET');
      expect(answer).to.contain('ERR_UNSUPPORTED_SOCKET_TYPE').and.contain('it is not connected');
    });

    it('are closed when there is no protocol for them', async () => {
      const name = 'spare connected 2';
      const closed = once(talker(name).resume(), 'end');
      expect(await child.order('throwingConnection', fd(name))).to.equal(': no protocol today');
      await closed;
    });

    it('are closed: a closed one cannot be adopted', async () => {
      for (const call of ['streamPort', 'connection', 'datagramPort'] as const) {
        expect(await child.order(call, 200)).to.equal(
          'ERR_UNSUPPORTED_SOCKET_TYPE: Cannot adopt descriptor 200: it is not open',
        );
      }
    });

    it('are in use: one that a handle has cannot be adopted', async () => {
      const listening = await child.order('streamPort', fd('wildcard onread'), 'INET');
      expect(listening).to.contain('ERR_CANNOT_LISTEN').and.contain('EEXIST');
      const datagrams = await child.order('datagramPort', fd('udp'), 'INET');
      expect(datagrams).to.contain('ERR_CANNOT_LISTEN').and.contain('EEXIST');
      await child.order('connection', fd('spare connected 3'));
      const connected = await child.order('connection', fd('spare connected 3'));
      expect(connected).to.contain('ERR_CONNECT').and.contain('EEXIST');
    });
  });

  describe('at the end', () => {
    it('are closed with the reactor, and nothing is left', async () => {
      for (const method of ['onread', 'data'] as const) {
        expect(await child.order('shutDown', 0, '', method)).to.equal('0');
      }
      for (const name of ['idle onread', 'wildcard data', 'udp', 'spare connected 3']) {
        expect(await child.order('isOpen', fd(name)), name).to.equal('closed');
      }
    });
  });
});

describe('Adopting what cannot be a descriptor', () => {
  const reactor = new LibuvReactor();
  const factory = new RecordingFactory();

  it('throws at once', () => {
    for (const fd of [-1, 1.5, Number.NaN, '3', null, 2 ** 31]) {
      expect(() => reactor.adoptStreamPort(fd as number, 'INET', factory), String(fd)).to.throw(
        TypeError,
        'Descriptor must be a whole number of 0 or more',
      );
    }
    for (const family of ['inet', 'AF_INET', '', undefined]) {
      expect(() => reactor.adoptStreamPort(3, family as 'INET', factory)).to.throw(
        UnsupportedAddressFamily,
        "expected 'INET', 'INET6' or 'UNIX'",
      );
    }
    expect(() => reactor.adoptStreamConnection(3, 'INET', {} as RecordingFactory)).to.throw(
      TypeError,
      'with a method buildProtocol()',
    );
    expect(factory.calls).to.deep.equal([]);
    expect(reactor.openCount).to.equal(0);
  });

  it('a UNIX socket that listens is no connection', async function () {
    if (!LINUX) this.skip();
    const folder = mkdtempSync(join(tmpdir(), 'strand-'));
    const server = createServer().listen(join(folder, 'listens'));
    try {
      await once(server, 'listening');
      // Node's own; not in the types.
      const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
      expect(() =>
        new LibuvReactor().adoptStreamConnection(fd, 'UNIX', new RecordingFactory()),
      ).to.throw(UnsupportedSocketType, 'it is not connected');
    } finally {
      server.close();
      await once(server, 'close');
      rmSync(folder, { recursive: true });
    }
  });

  it('AdoptedStreamServerEndpoint can be listened on once', async () => {
    const endpoint = new AdoptedStreamServerEndpoint(reactor, 2 ** 30, 'INET');
    const outcome = (): Promise<unknown> =>
      endpoint.listen(factory).then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(await outcome()).to.be.instanceOf(UnsupportedSocketType);
    const error = await outcome();
    expect(error).to.be.instanceOf(AlreadyListened);
    expect(error).to.have.property('message').that.contains('it was taken before');
  });

  it('a datagram port is not for UNIX sockets, nor for descriptor 0', async function () {
    if (process.platform === 'win32') this.skip();
    const [raw, talker] = await connectedSocket({ host: '127.0.0.1' });
    expect(() => reactor.adoptDatagramPort(raw.fd, 'UNIX', new Datagrams())).to.throw(
      UnsupportedAddressFamily,
      'Node has no UNIX datagrams',
    );
    raw.close();
    talker.destroy();
  });
});
