import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { hashPassword } from '../../src/protocols/cred/index.ts';
import { getProcessOutputAndValue } from '../../src/reactor/index.ts';
import { UsageError } from '../../src/service/index.ts';
import { parseInetdConf } from '../../src/service/plugins/inetd.ts';
import { main } from '../../src/service/twistd/index.ts';
import { killChildren, run, start } from '../support/twistd-child.ts';

/** What curl prints, and what it ends with. */
async function curl(...args: string[]): Promise<{ text: string; code: number }> {
  const [out, , code] = await getProcessOutputAndValue('curl', ['-s', '--max-time', '10', ...args]);
  return { text: String(out), code };
}

/** Everything that comes over a connection on which `text` is said, until it ends. */
async function talk(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let heard = '';
  socket.setEncoding('utf8').on('data', (data: string) => {
    heard += data;
  });
  socket.end(text);
  await once(socket, 'close');
  return heard;
}

describe('sub-commands of twistd for networks', function () {
  this.timeout(30_000);
  let folder: string;
  let server: Server;
  let port: number;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'strand-plugins-'));
    server = createServer({ allowHalfOpen: true }, (socket) => {
      let heard = '';
      socket.on('error', () => {});
      socket.on('data', (data) => {
        heard += data;
        if (heard.includes('\r\n\r\n')) {
          const body = heard.split('\r\n')[0] ?? '';
          socket.end(
            `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
          );
        }
      });
      socket.on('end', () => socket.end(`heard ${heard}`));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port; // it listens on a port
  });
  afterEach(async () => {
    await killChildren();
    server.close();
    rmSync(folder, { recursive: true });
  });

  it('portforward hands connections on, ends of one direction included', async () => {
    const child = start(['portforward', '--port', '0', '--to', `127.0.0.1:${port}`]);
    expect(await talk(await child.port(), 'hello')).to.equal('heard hello');
    expect((await child.stop()).code).to.equal(0);
  });

  it('proxy hands requests on, and tells who asked', async () => {
    const child = start(['proxy', '--port', '0', '--to', `127.0.0.1:${port}`, '--path', '/base']);
    const { text, code } = await curl(`http://127.0.0.1:${await child.port()}/page?x=1`);
    expect({ text, code }).to.deep.equal({ text: 'GET /base/page?x=1 HTTP/1.1', code: 0 });
    expect((await child.stop()).code).to.equal(0);
  });

  it('socks connects this machine to where it may', async () => {
    const target = `http://127.0.0.1:${port}/`;
    const child = start(['socks', '--port', '0', '--allow', '127.0.0.0/8']);
    const proxy = `socks5h://127.0.0.1:${await child.port()}`;
    expect(await curl('--proxy', proxy, target)).to.deep.equal({ text: 'GET / HTTP/1.1', code: 0 });
    expect((await child.stop()).code).to.equal(0);
    const closed = start(['socks', '--port', '0']);
    const other = `socks5h://127.0.0.1:${await closed.port()}`;
    expect((await curl('--proxy', other, target)).code, 'not to private places').to.equal(97);
    await closed.stop();
  });

  it('socks asks for a password where there are users', async () => {
    const users = join(folder, 'users');
    writeFileSync(users, `alice:${await hashPassword('secret')}\n`);
    const args = ['socks', '--port', '0', '--allow', '127.0.0.0/8', '--password-file', users];
    const child = start(args);
    const at = await child.port();
    const ask = (user: string) =>
      curl('--proxy', `socks5h://${user}127.0.0.1:${at}`, `http://127.0.0.1:${port}/`);
    expect((await ask('alice:secret@')).code).to.equal(0);
    expect((await ask('alice:wrong@')).code).to.equal(97);
    expect((await ask('')).code).to.equal(97);
    await child.stop();
  });

  it('manhole lets in who has a password', async () => {
    const users = join(folder, 'users');
    writeFileSync(users, `alice:${await hashPassword('secret')}\n`);
    const child = start(['manhole', '--port', '0', '--password-file', users]);
    const socket = connect(await child.port(), '127.0.0.1');
    let heard = '';
    const until = async (pattern: RegExp): Promise<void> => {
      while (!pattern.test(heard)) heard += String((await once(socket, 'data'))[0]);
    };
    await until(/Username: /i);
    socket.write('alice\r\n');
    await until(/Password: /i);
    socket.write('secret\r\n');
    await until(/\n> /);
    socket.write('6 * 7\r\n');
    await until(/\n?42\r/);
    socket.destroy();
    expect((await child.stop()).code).to.equal(0);
    const open = await run(['manhole', '--interface', '0.0.0.0', '--password-file', users]);
    expect(open.code).to.equal(2);
    expect(open.stderr).to.match(/^twistd: Cannot open a manhole on "0.0.0.0"/);
  });

  it('inetd starts a program for each connection, and serves classics itself', async () => {
    const conf = join(folder, 'inetd.conf');
    writeFileSync(conf, `0 stream tcp nowait ${process.getuid?.() ?? 0} /usr/bin/tr tr a-z A-Z\n`);
    const child = start(['inetd', '-f', conf, '--max-connections', '1']);
    const at = await child.port();
    expect(await talk(at, 'hello world')).to.equal('HELLO WORLD');
    const big = 'x'.repeat(1_000_000);
    expect(await talk(at, big)).to.equal(big.toUpperCase());
    // One that does not end holds the only place.
    const first = connect(at, '127.0.0.1');
    first.write('a');
    await once(first, 'connect');
    const second = connect(at, '127.0.0.1');
    await once(second.resume(), 'close');
    await child.waitForLine(/warn: Closing the connection of .*: 1 of \/usr\/bin\/tr run already/);
    first.destroy();
    expect((await child.stop()).code).to.equal(0);
  });

  it('inetd reads its file line by line, and says which is wrong', () => {
    const [echo, program] = parseInetdConf(
      'echo stream tcp nowait root internal # a classic\n\n8080 stream tcp nowait.40 www.users /bin/x x -y\n',
      'conf',
    );
    expect(echo).to.include({ service: 'echo', port: 7, program: 'internal' });
    expect(program).to.deep.include({
      ...{ port: 8080, user: 'www', group: 'users', program: '/bin/x', args: ['x', '-y'] },
    });
    for (const [line, problem] of [
      ['echo stream tcp', 'expected SERVICE stream tcp nowait'],
      ['echo dgram udp wait root internal', 'only "stream tcp nowait" is supported'],
      ['no-such-service stream tcp nowait root /bin/x', 'unknown service "no-such-service"'],
      ['70000 stream tcp nowait root /bin/x', 'unknown service "70000"'],
      ['http stream tcp nowait root internal', '"http" is not served by this program itself'],
      ['http stream tcp nowait root x', 'program "x" is not an absolute path'],
    ] as const) {
      expect(() => parseInetdConf(`\n${line}`, 'conf'), line).to.throw(
        UsageError,
        `Bad line 2 of conf: ${problem}`,
      );
    }
  });

  for (const name of [
    'portforward',
    'proxy',
    'socks',
    'manhole',
    'inetd',
    'procmon',
    'web',
    'ftp',
  ]) {
    it(`${name} explains itself`, async () => {
      let [out, err] = ['', ''];
      const code = await main([name, '--help'], {
        out: (text) => {
          out += text;
        },
        err: (text) => {
          err += text;
        },
      });
      expect({ code, err }).to.deep.equal({ code: 0, err: '' });
      expect(out).to.match(new RegExp(`^Usage: twistd ${name} \\[options\\]`));
      expect(out).to.match(new RegExp(`^Example:\\n  twistd ${name} `, 'm'));
    });
  }

  for (const [args, problem] of [
    [['portforward'], 'Option --to is required'],
    [['portforward', '--to', 'nowhere'], 'Bad value "nowhere" of --to: '],
    [['proxy', '--to', 'x'], 'Bad value "x" of --to: expected HOST:PORT'],
    [['socks', '--allow', 'x'], 'x'],
    [['socks', '--password-file', '/no/such'], 'Bad value "/no/such" of --password-file'],
    [['manhole'], 'Option --password-file is required'],
    [['inetd', '-f', '/no/such'], 'Bad value "/no/such" of --file'],
  ] as const) {
    it(`refuses ${args.join(' ')}`, async () => {
      const { code, stderr } = await run(args);
      expect(code).to.equal(2);
      expect(stderr).to.include(problem);
    });
  }
});
