import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type NetConnectOpts } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { LibuvReactor, ListenFDs, serverFromString } from '../../src/reactor/index.ts';
import { boundSocket, type RawSocket } from '../support/raw-sockets.ts';
import { fixture } from '../support/twistd-child.ts';

const PROGRAM = [
  process.execPath,
  '--import',
  import.meta.resolve('tsx'),
  fixture('stdio/activated.ts'),
];

/** The variables as sd_listen_fds(3) has them. */
function passed(
  count: number | string,
  names?: string,
  pid: number | string = process.pid,
): NodeJS.ProcessEnv {
  return {
    LISTEN_PID: String(pid),
    LISTEN_FDS: String(count),
    ...(names === undefined ? {} : { LISTEN_FDNAMES: names }),
    OTHER: 'stays',
  };
}

describe('ListenFDs', () => {
  it('are descriptors from 3 on, by number and by name', () => {
    const fds = ListenFDs.fromEnvironment(passed(3, 'web:admin:web'));
    expect(fds.inheritedDescriptors()).to.deep.equal([3, 4, 5]);
    expect([...fds.inheritedNamedDescriptors()]).to.deep.equal([
      ['web', [3, 5]],
      ['admin', [4]],
    ]);
    expect(fds.absence).to.equal('');
  });

  it('have the name that systemd gives them when they have none', () => {
    const fds = ListenFDs.fromEnvironment(passed(2));
    expect([...fds.inheritedNamedDescriptors()]).to.deep.equal([['unknown', [3, 4]]]);
  });

  it('are read once: the variables are gone, and nothing else', () => {
    for (const env of [passed(1, 'a'), passed(1, 'a', 1)]) {
      ListenFDs.fromEnvironment(env);
      expect(env).to.deep.equal({ OTHER: 'stays' });
    }
  });

  it('are none when they are for another process, or garbled', () => {
    for (const [env, absence] of [
      [{}, 'LISTEN_PID and LISTEN_FDS are not set'],
      [{ LISTEN_FDS: '1' }, 'LISTEN_PID and LISTEN_FDS are not set'],
      [passed(1, undefined, 1), `LISTEN_PID is "1" and this is process ${process.pid}`],
      [passed(1, undefined, `${process.pid} `), 'LISTEN_PID is'],
      [passed('x'), 'LISTEN_FDS is "x"'],
      [passed(0), 'LISTEN_FDS is "0"'],
      [passed(-1), 'LISTEN_FDS is "-1"'],
      [passed(99_999_999), 'LISTEN_FDS is "99999999"'],
      [passed(2, 'only-one'), 'LISTEN_FDNAMES has 1 names and LISTEN_FDS is 2'],
    ] as const) {
      const fds = ListenFDs.fromEnvironment({ ...env });
      expect(fds.inheritedDescriptors(), absence).to.deep.equal([]);
      expect(fds.inheritedNamedDescriptors().size).to.equal(0);
      expect(fds.absence).to.contain(absence);
    }
  });
});

describe('systemd:', () => {
  const reactor = new LibuvReactor();

  for (const [description, message] of [
    ['systemd:domain=INET', "at its end): expected either 'index' or 'name'"],
    ['systemd:index=0', "argument 'domain' is missing"],
    ['systemd:', "argument 'domain' is '': expected 'INET', 'INET6' or 'UNIX'"],
    [
      'systemd:domain=inet:index=0',
      "argument 'domain' is 'inet': expected 'INET', 'INET6' or 'UNIX'",
    ],
    [
      'systemd:domain=INET:index=x',
      "argument 'index' is 'x': expected the number of one of the 0 sockets",
    ],
    ['systemd:domain=INET:index=0', 'passed by systemd (LISTEN_PID and LISTEN_FDS are not set)'],
    [
      'systemd:domain=INET:name=web',
      "argument 'name' is 'web': expected the name of one of the 0 sockets",
    ],
    ['systemd:domain=INET:port=1', "unknown argument 'port'"],
  ] as const) {
    it(`serverFromString() refuses '${description}' and says why`, () => {
      expect(() => serverFromString(reactor, description))
        .to.throw(message)
        .with.property('code', 'ERR_ENDPOINT_SYNTAX');
    });
  }

  it('needs a reactor that adopts descriptors', () => {
    expect(() => serverFromString({} as LibuvReactor, 'systemd:domain=INET:index=0')).to.throw(
      "prefix 'systemd' cannot be served here",
    );
  });

  describe('in a process that was given sockets', () => {
    let folder: string;
    let sockets: RawSocket[];
    let child: ChildProcess | undefined;

    before(function () {
      if (process.platform !== 'linux') this.skip();
    });

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'strand-'));
      sockets = [];
    });

    afterEach(() => {
      child?.kill('SIGKILL');
      for (const socket of sockets) socket.close();
      rmSync(folder, { recursive: true });
    });

    /** Starts it as systemd would, and gives what it says until it is ready. */
    const activate = async (
      names: string | undefined,
      ...descriptions: string[]
    ): Promise<string[]> => {
      const variables = `LISTEN_PID=$$ LISTEN_FDS=${sockets.length} ${names === undefined ? '' : `LISTEN_FDNAMES=${names}`}`;
      const started = spawn(
        'sh',
        ['-c', `${variables} exec "$@"`, 'sh', ...PROGRAM, ...descriptions],
        { stdio: ['ignore', 'pipe', 'inherit', ...sockets.map((socket) => socket.fd)] },
      );
      child = started;
      return said(started);
    };

    const said = async (started: ChildProcess): Promise<string[]> => {
      let text = '';
      for await (const chunk of started.stdout ?? []) {
        text += String(chunk);
        if (text.endsWith('ready\n')) break;
      }
      return text.split('\n').slice(0, -2);
    };

    const echo = async (to: NetConnectOpts): Promise<string> => {
      const socket = connect(to).setEncoding('utf8');
      socket.write('activated');
      let text = '';
      for await (const chunk of socket) text += String(chunk);
      return text;
    };

    const portOf = (line: string | undefined): number => Number(/, (\d+)/.exec(line ?? '')?.[1]);

    it('serves them by number and name, once each, and keeps them from its children', async () => {
      const path = join(folder, 'app.sock');
      sockets.push(
        boundSocket('127.0.0.1', false),
        boundSocket(path, false),
        boundSocket('::1', false),
      );
      const lines = await activate(
        'web:app:six',
        'systemd:domain=INET:index=0',
        'systemd:domain=UNIX:name=app',
        'systemd:domain=INET6:index=2',
        'systemd:domain=INET:name=web',
        'systemd:domain=INET:index=3',
        'systemd:domain=INET:name=none',
      );
      expect(lines[0]).to.match(/index=0 listens on IPv4Address\(TCP, '127\.0\.0\.1', \d+\)$/);
      expect(lines[1]).to.contain(`listens on UNIXAddress("${path}")`);
      expect(lines[2]).to.match(/listens on IPv6Address\(TCP, '::1', \d+, 0, 0\)$/);
      expect(lines[3]).to.contain('name=web fails with ERR_ALREADY_LISTENED');
      expect(lines[4]).to.contain('expected the number of one of the 3 sockets passed by systemd');
      expect(lines[5]).to.contain('expected the name of one of the 3 sockets passed by systemd');
      expect(lines[6]).to.equal('inherits, descriptor closed');
      const ended = once(child ?? process, 'exit');
      expect(await echo({ port: portOf(lines[0]), host: '127.0.0.1' })).to.equal('activated');
      expect(await ended).to.deep.equal([0, null]);
    });

    it('serves a UNIX socket', async () => {
      const path = join(folder, 'app.sock');
      sockets.push(boundSocket(path, false));
      await activate(undefined, 'systemd:domain=UNIX:index=0');
      expect(await echo({ path })).to.equal('activated');
    });

    it('says what is wrong with a domain, and with a name that several have', async () => {
      sockets.push(boundSocket('127.0.0.1', false), boundSocket('127.0.0.1', false));
      const lines = await activate(
        'web:web',
        'systemd:domain=INET:name=web',
        'systemd:domain=UNIX:index=1',
      );
      expect(lines[0])
        .to.contain('ERR_ENDPOINT_SYNTAX')
        .and.contain('several have this one: use index');
      expect(lines[1])
        .to.contain('ERR_UNSUPPORTED_ADDRESS_FAMILY')
        .and.contain('its family is INET');
    });

    it('serves what systemd-socket-activate passes', async function () {
      if (spawnSync('systemd-socket-activate', ['--version']).status !== 0) this.skip();
      const finder = createServer().listen(0, '127.0.0.1');
      await once(finder, 'listening');
      const { port } = finder.address() as AddressInfo;
      finder.close();
      await once(finder, 'close');
      const started = spawn(
        'systemd-socket-activate',
        [`--listen=127.0.0.1:${port}`, '--fdname=web', ...PROGRAM, 'systemd:domain=INET:name=web'],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      );
      child = started;
      // It says so once it listens, and starts the program with the first connection.
      await once(started.stderr, 'data');
      const answer = echo({ port, host: '127.0.0.1' });
      const [line] = await said(started);
      expect(line).to.equal(
        `systemd:domain=INET:name=web listens on IPv4Address(TCP, '127.0.0.1', ${port})`,
      );
      expect(await answer).to.equal('activated');
    });
  });
});
