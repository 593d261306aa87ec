/** The client with a server that is played by the test: every byte and every second is the test's. */
import { expect } from 'chai';
import { Failure } from '../../../src/deferred/index.ts';
import {
  CommandFailed,
  FTPClient,
  type FTPClientOptions,
  FTPFileListProtocol,
} from '../../../src/protocols/ftp/index.ts';
import { connectionDone } from '../../../src/protocols/index.ts';
import {
  AccumulatingProtocol,
  assertNoResult,
  ConnectionLost,
  failureResultOf,
  type IProtocol,
  IPv4Address,
  MemoryReactorClock,
  StringTransport,
  successResultOf,
} from '../../../src/reactor/index.ts';

const SERVER = new IPv4Address('TCP', '192.0.2.1', 21);

class Scene {
  readonly reactor = new MemoryReactorClock();
  readonly transport = new StringTransport(undefined, SERVER);
  readonly client: FTPClient;

  constructor(options: FTPClientOptions = {}, username: string | null = null) {
    this.client = new FTPClient(username, 'secret', { reactor: this.reactor, ...options });
    this.client.makeConnection(this.transport);
  }

  /** What the client has sent since it was asked last. */
  sent(): string {
    const text = this.transport.value().toString();
    this.transport.clear();
    return text;
  }

  say(...lines: string[]): void {
    for (const line of lines) this.client.dataReceived(Buffer.from(`${line}\r\n`));
  }

  /** Takes the latest data connection. */
  data(): [link: IProtocol, transport: StringTransport] {
    const record = this.reactor.tcpClients.at(-1);
    if (record === undefined) throw new Error('No data connection was asked for');
    const [host, port, factory] = record;
    const address = new IPv4Address('TCP', host, Number(port));
    const link = factory.buildProtocol(address);
    if (link === null || link === undefined) throw new Error('No protocol');
    const transport = new StringTransport(undefined, address);
    link.makeConnection(transport);
    return [link, transport];
  }

  code(d: Parameters<typeof failureResultOf>[0]): unknown {
    return (failureResultOf(d).value as { code?: unknown }).code;
  }
}

describe('FTPClient', () => {
  it('logs in once greeted, and asks for files as they are', () => {
    const scene = new Scene({}, 'alice');
    const ready = scene.client.whenReady();
    expect(scene.sent()).to.equal('');
    scene.say('220-Hello', ' 230 not yet', '220 there');
    expect(scene.client.greeting).to.deep.equal(['220-Hello', ' 230 not yet', '220 there']);
    expect(scene.sent()).to.equal('USER alice\r\n');
    scene.say('331 Password');
    expect(scene.sent()).to.equal('PASS secret\r\n');
    scene.say('230 In');
    expect(scene.sent()).to.equal('TYPE I\r\n');
    assertNoResult(ready);
    scene.say('200 Binary');
    expect(successResultOf(ready)).to.equal(scene.client);
  });

  it('sends no password to a server that wants none', () => {
    const scene = new Scene({}, 'alice');
    scene.say('220 Hello', '230 In');
    expect(scene.sent()).to.equal('USER alice\r\nTYPE I\r\n');
  });

  it('ends the connection when it is not let in, and tells whoever waits', () => {
    const scene = new Scene({}, 'alice');
    const waiting = scene.client.pwd();
    scene.say('220 Hello', '331 Password', '530 No');
    expect(scene.code(waiting)).to.equal('ERR_FTP_COMMAND_FAILED');
    expect(scene.transport.disconnecting || scene.transport.disconnected).to.equal(true);
  });

  it('does not log in without TLS where TLS was asked for', () => {
    const scene = new Scene({ security: 'explicit' });
    scene.say('220 Hello');
    const login = scene.client.login('alice', 'secret');
    // A transport that has no TLS at all.
    expect(failureResultOf(login).value).to.be.instanceOf(TypeError);
    expect(scene.sent()).to.equal('');
  });

  it('sends one command at a time, in the order they were asked for', () => {
    const scene = new Scene();
    scene.say('220 Hello');
    const first = scene.client.cwd('a');
    const second = scene.client.makeDirectory('b');
    expect(scene.sent()).to.equal('CWD a\r\n');
    scene.say('250 Done');
    expect(successResultOf(first)).to.deep.equal(['250 Done']);
    expect(scene.sent()).to.equal('MKD b\r\n');
    scene.say('521-Is', '521 there');
    const { value } = failureResultOf(second);
    expect(value).to.be.instanceOf(CommandFailed);
    expect(value).to.deep.include({ replyCode: 521, lines: ['521-Is', '521 there'] });
  });

  it('takes replies cut anywhere, and lines that end with LF alone', () => {
    const scene = new Scene();
    const folder = scene.client.getDirectory();
    for (const byte of Buffer.from('220 Hello\n257 "/a ""b""" is it\r\n')) {
      scene.client.dataReceived(Buffer.from([byte]));
    }
    expect(successResultOf(folder)).to.equal('/a "b"');
  });

  it('keeps both halves of a rename together', () => {
    const scene = new Scene();
    scene.say('220 Hello');
    const renamed = scene.client.rename('a', 'b');
    scene.client.pwd().addErrback(() => undefined);
    expect(scene.sent()).to.equal('RNFR a\r\n');
    scene.say('350 Go on');
    expect(scene.sent()).to.equal('RNTO b\r\n');
    scene.say('250 Done');
    expect(successResultOf(renamed)).to.deep.equal([['350 Go on'], ['250 Done']]);
    expect(scene.sent()).to.equal('PWD\r\n');
  });

  for (const bad of ['a\r\nDELE b', 'a\nb', 'a\rb', 'a\0b']) {
    it(`sends nothing of the path ${JSON.stringify(bad)}`, () => {
      const scene = new Scene();
      scene.say('220 Hello');
      expect(scene.code(scene.client.removeFile(bad))).to.equal('ERR_FTP_UNSAFE_COMMAND');
      expect(scene.code(scene.client.rename('a', bad))).to.equal('ERR_FTP_UNSAFE_COMMAND');
      expect(scene.sent()).to.equal('');
    });
  }

  it('takes no reply without end', () => {
    const scene = new Scene({ maxReply: 1000 });
    scene.say('220 Hello');
    const waiting = scene.client.pwd();
    scene.say('257-begun');
    for (let line = 0; line < 100; line++) scene.say('257-more and more');
    expect(scene.code(waiting)).to.equal('ERR_FTP_RESPONSE_TOO_LONG');
    expect(scene.transport.disconnected).to.equal(true);
  });

  it('takes no line without end', () => {
    const scene = new Scene({ maxReply: 1000 });
    scene.say('220 Hello');
    const waiting = scene.client.pwd();
    scene.client.dataReceived(Buffer.alloc(2000, 'x'));
    expect(scene.code(waiting)).to.equal('ERR_FTP_RESPONSE_TOO_LONG');
  });

  it('fails everything when the connection is lost', () => {
    const scene = new Scene();
    scene.say('220 Hello');
    const [first, second] = [scene.client.pwd(), scene.client.cdup()];
    scene.client.connectionLost(new Failure(new ConnectionLost()));
    expect(scene.code(first)).to.equal('ERR_FTP_CONTROL_CONNECTION_LOST');
    expect(scene.code(second)).to.equal('ERR_FTP_CONTROL_CONNECTION_LOST');
    expect(scene.code(scene.client.pwd())).to.equal('ERR_FTP_CONTROL_CONNECTION_LOST');
    expect(scene.reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('waits as long as it was told for a reply, and no timer is left when nothing is asked', () => {
    const scene = new Scene({ timeout: 5 });
    scene.say('220 Hello');
    expect(scene.reactor.getDelayedCalls()).to.deep.equal([]);
    const slow = scene.client.pwd();
    scene.reactor.advance(4.9);
    assertNoResult(slow);
    scene.reactor.advance(0.2);
    expect(scene.code(slow)).to.equal('ERR_FTP_SERVER_STALLED');
  });

  it('drops the reply to a command that was cancelled', () => {
    const scene = new Scene();
    scene.say('220 Hello');
    const [first, second] = [scene.client.pwd(), scene.client.cdup()];
    first.cancel();
    expect(scene.code(first)).to.equal('ERR_CANCELLED');
    expect(scene.sent()).to.equal('PWD\r\n');
    scene.say('257 "/"');
    expect(scene.sent()).to.equal('CDUP\r\n');
    scene.say('250 Up');
    expect(successResultOf(second)).to.deep.equal(['250 Up']);
  });
});

describe('FTPClient, data connections', () => {
  function retrieving(options: FTPClientOptions = {}) {
    const scene = new Scene(options);
    scene.say('220 Hello');
    const target = new AccumulatingProtocol();
    const done = scene.client.retrieveFile('file', target);
    return { scene, target, done };
  }

  for (const order of ['data first', 'reply first']) {
    it(`is done when both the data and the reply are there: ${order}`, () => {
      const { scene, target, done } = retrieving();
      expect(scene.sent()).to.equal('EPSV\r\n');
      scene.say('229 Here (|||4000|)');
      expect(scene.reactor.tcpClients.at(-1)?.slice(0, 2)).to.deep.equal(['192.0.2.1', 4000]);
      expect(scene.sent()).to.equal('');
      const [link] = scene.data();
      expect(scene.sent()).to.equal('RETR file\r\n');
      scene.say('150 Here it comes');
      link.dataReceived(Buffer.from('bytes'));
      const steps = [() => link.connectionLost(connectionDone), () => scene.say('226 Done')];
      if (order === 'reply first') steps.reverse();
      for (const step of steps) {
        assertNoResult(done);
        step();
      }
      expect(successResultOf(done)).to.deep.equal(['226 Done']);
      expect(target.data.toString()).to.equal('bytes');
    });
  }

  it('asks with PASV where EPSV is refused, and does not ask with EPSV again', () => {
    const { scene, done } = retrieving();
    scene.sent();
    scene.say('500 What', '227 Here (192,0,2,1,15,161).');
    expect(scene.reactor.tcpClients.at(-1)?.slice(0, 2)).to.deep.equal(['192.0.2.1', 4001]);
    const [link] = scene.data();
    scene.say('150 Here', '226 Done');
    link.connectionLost(connectionDone);
    successResultOf(done);
    scene.sent();
    scene.client.retrieveFile('other', new AccumulatingProtocol()).addErrback(() => undefined);
    expect(scene.sent()).to.equal('PASV\r\n');
  });

  it('does not connect to a host that is not the server', () => {
    const { scene, done } = retrieving();
    scene.say('500 What', '227 Here (10,0,0,1,0,22).');
    expect(scene.code(done)).to.equal('ERR_FTP_FOREIGN_DATA_ADDRESS');
    expect(scene.reactor.tcpClients).to.have.length(0);
  });

  for (const [rule, host] of [
    ['ignore', '192.0.2.1'],
    ['allow', '10.0.0.1'],
  ] as const) {
    it(`connects to ${host} when told to ${rule} what the server says`, () => {
      const { scene, done } = retrieving({ foreignDataAddress: rule });
      done.addErrback(() => undefined);
      scene.say('500 What', '227 Here (10,0,0,1,0,22).');
      expect(scene.reactor.tcpClients.at(-1)?.slice(0, 2)).to.deep.equal([host, 22]);
    });
  }

  for (const answer of ['229 Here (|||0|)', '229 Here (|||70000|)', '229 Nothing']) {
    it(`does not take ${JSON.stringify(answer)} for a port`, () => {
      const { scene, done } = retrieving();
      scene.say(answer);
      expect(scene.code(done)).to.equal('ERR_FTP_BAD_RESPONSE');
    });
  }

  it('takes other marks than bars', () => {
    const { scene, done } = retrieving();
    done.addErrback(() => undefined);
    scene.say('229 Here (!!!4000!)');
    expect(scene.reactor.tcpClients.at(-1)?.[1]).to.equal(4000);
  });

  it('fails when the data connection breaks, whatever the server says', () => {
    const { scene, done } = retrieving();
    scene.say('229 Here (|||4000|)');
    const [link] = scene.data();
    scene.say('150 Here');
    link.connectionLost(new Failure(new ConnectionLost()));
    scene.say('226 Done');
    expect(scene.code(done)).to.equal('ERR_FTP_DATA_CONNECTION_FAILED');
  });

  it('does not touch the protocol when the server refuses', () => {
    const { scene, target, done } = retrieving();
    scene.say('229 Here (|||4000|)');
    const [, transport] = scene.data();
    scene.say('550 No such file');
    expect(failureResultOf(done).value).to.be.instanceOf(CommandFailed);
    expect(target.made).to.equal(0);
    expect(transport.disconnected).to.equal(true);
  });

  it('sends REST 0 when an offset was set that no transfer has used', () => {
    const scene = new Scene();
    scene.say('220 Hello');
    const first = scene.client.retrieveFile('file', new AccumulatingProtocol(), 100);
    scene.say('229 Here (|||4000|)');
    scene.data();
    expect(scene.sent()).to.equal('EPSV\r\nREST 100\r\n');
    first.cancel();
    scene.say('350 From 100');
    expect(scene.code(first)).to.equal('ERR_CANCELLED');
    scene.client.retrieveFile('file', new AccumulatingProtocol()).addErrback(() => undefined);
    scene.say('229 Here (|||4001|)');
    scene.data();
    expect(scene.sent()).to.equal('EPSV\r\nREST 0\r\n');
  });

  it('takes no listing without end', () => {
    const scene = new Scene({ maxListing: 100 });
    scene.say('220 Hello');
    const names = scene.client.names();
    scene.say('229 Here (|||4000|)');
    const [link] = scene.data();
    scene.say('150 Here');
    let problem: unknown;
    try {
      for (let line = 0; line < 10; line++) link.dataReceived(Buffer.from('a-name-of-a-file\r\n'));
    } catch (error) {
      problem = error;
    }
    // As the reactor does with what a protocol throws.
    link.connectionLost(new Failure(problem));
    scene.say('426 Cut');
    expect(scene.code(names)).to.equal('ERR_FTP_RESPONSE_TOO_LONG');
  });

  it('gives up a transfer that stands still, but none that the receiver holds up', () => {
    const { scene, done } = retrieving({ timeout: 5 });
    scene.say('229 Here (|||4000|)');
    const [link] = scene.data();
    scene.say('150 Here');
    for (let second = 0; second < 12; second++) {
      link.dataReceived(Buffer.from('.'));
      scene.reactor.advance(1);
    }
    assertNoResult(done);
    scene.reactor.pump([1, 1, 1, 1, 1, 1]);
    expect(scene.code(done)).to.equal('ERR_FTP_SERVER_STALLED');
  });

  it('sends NOOP during a long transfer, and takes its reply whenever it comes', () => {
    const { scene, done } = retrieving({ timeout: 50, keepAlive: 10 });
    const after = scene.client.pwd();
    scene.say('229 Here (|||4000|)');
    const [link] = scene.data();
    scene.say('150 Here');
    scene.sent();
    scene.reactor.pump([10, 10]);
    expect(scene.sent()).to.equal('NOOP\r\nNOOP\r\n');
    scene.say('200 Early');
    link.connectionLost(connectionDone);
    scene.say('226 Done');
    expect(successResultOf(done)).to.deep.equal(['226 Done']);
    expect(scene.sent()).to.equal('');
    scene.say('200 Late');
    expect(scene.sent()).to.equal('PWD\r\n');
    scene.say('257 "/"');
    expect(successResultOf(after)).to.deep.equal(['257 "/"']);
  });

  it('stores what is written, and is done when the server says so', () => {
    const scene = new Scene();
    scene.say('220 Hello');
    const [consumer, done] = scene.client.storeFile('file', 3);
    scene.say('229 Here (|||4000|)');
    const [link, transport] = scene.data();
    scene.say('350 From 3');
    expect(scene.sent()).to.equal('EPSV\r\nREST 3\r\nSTOR file\r\n');
    assertNoResult(consumer);
    scene.say('150 Go');
    const upload = successResultOf(consumer);
    upload.write('some');
    upload.finish();
    expect(transport.value().toString()).to.equal('some');
    expect(transport.disconnecting).to.equal(true);
    link.connectionLost(connectionDone);
    assertNoResult(done);
    scene.say('226 Stored');
    expect(successResultOf(done)).to.deep.equal(['226 Stored']);
  });

  it('fails an upload that the server has ended too early', () => {
    const scene = new Scene();
    scene.say('220 Hello');
    const [consumer, done] = scene.client.storeFile('file');
    scene.say('229 Here (|||4000|)');
    const [link] = scene.data();
    scene.say('150 Go');
    successResultOf(consumer).write('some');
    link.connectionLost(connectionDone);
    scene.say('226 Stored');
    expect(scene.code(done)).to.equal('ERR_FTP_DATA_CONNECTION_FAILED');
  });

  it('fills an FTPFileListProtocol', () => {
    const scene = new Scene();
    scene.say('220 Hello');
    const listing = new FTPFileListProtocol();
    const done = scene.client.list('.', listing);
    scene.say('229 Here (|||4000|)');
    const [link] = scene.data();
    scene.say('150 Here');
    link.dataReceived(
      Buffer.from('total 1\r\nlrwxrwxrwx 1 al staff 7 Jan 02  2020 a b -> c d\r\n'),
    );
    link.connectionLost(connectionDone);
    scene.say('226 Done');
    successResultOf(done);
    expect(listing.files).to.deep.equal([
      {
        filetype: 'l',
        perms: 'rwxrwxrwx',
        nlinks: 1,
        owner: 'al',
        group: 'staff',
        size: 7,
        date: 'Jan 02  2020',
        filename: 'a b',
        linktarget: 'c d',
      },
    ]);
  });
});
