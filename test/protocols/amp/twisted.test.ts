/** The same calls to and from Twisted's own AMP. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Deferred } from '../../../src/deferred/index.ts';
import * as amp from '../../../src/protocols/amp/index.ts';
import { Factory, Protocol } from '../../../src/protocols/protocol.ts';
import {
  connectProtocol,
  type ListeningPort,
  reactor,
  TCP4ClientEndpoint,
} from '../../../src/reactor/index.ts';
import { certificates } from '../../support/certificates.ts';
import { FailureTrap, Recorder } from '../../support/recorder.ts';

const PYTHON = '/usr/bin/python3';
const PEER = fileURLToPath(new URL('twisted-peer.py', import.meta.url));

class ZeroDivision extends Error {}
class Overflow extends Error {}
class NoSuchProtocol extends Error {}

const Sum = new amp.Command('Sum', {
  arguments: { a: new amp.Integer(), b: new amp.BigInteger() },
  response: { total: new amp.BigInteger() },
});
const everything = {
  integer: new amp.Integer(),
  string: new amp.String(),
  unicode: new amp.Unicode(),
  boolean: new amp.Boolean(),
  float: new amp.Float(),
  decimal: new amp.Decimal(),
  datetime: new amp.DateTime(),
  list: new amp.ListOf(new amp.Unicode()),
  boxes: new amp.AmpList({ a: new amp.Integer(), b: new amp.Unicode() }),
  absent: new amp.Integer({ optional: true }),
};
const Everything = new amp.Command('Everything', { arguments: everything, response: everything });
const Divide = new amp.Command('Divide', {
  arguments: { numerator: new amp.Integer(), denominator: new amp.Integer() },
  response: { result: new amp.Float() },
  errors: { ZERO_DIVISION: ZeroDivision },
  fatalErrors: { OVERFLOW: Overflow },
});
const Note = new amp.Command('Note', {
  arguments: { text: new amp.Unicode() },
  requiresAnswer: false,
});
const Notes = new amp.Command('Notes', {
  response: { all: new amp.ListOf(new amp.Unicode()) },
});
const SumBack = new amp.Command('SumBack', { response: { total: new amp.Integer() } });
const Nowhere = new amp.Command('Nowhere');
const Fail = new amp.Command('Fail');
const Upgrade = new amp.ProtocolSwitchCommand('Upgrade', {
  arguments: { name: new amp.Unicode() },
  errors: { NO_SUCH_PROTOCOL: NoSuchProtocol },
});

class Shout extends Protocol {
  override dataReceived(data: Buffer): void {
    this.transport.write(data.toString().toUpperCase());
  }
}

/** A peer with what twisted-peer.py has. */
class Peer extends amp.AMP {
  constructor() {
    super();
    const notes: string[] = [];
    this.responder(Sum, ({ a, b }) => ({ total: BigInt(a) + b }));
    this.responder(Everything, (given) => given);
    this.responder(Divide, ({ numerator, denominator }) => {
      if (denominator === 0) throw new ZeroDivision('division by zero');
      return { result: numerator / denominator };
    });
    this.responder(Note, ({ text }) => void notes.push(text));
    this.responder(Notes, () => ({ all: notes }));
    this.responder(SumBack, async (_, peer) => {
      const { total } = await peer.callRemote(Sum, { a: 20, b: 22 });
      return { total: Number(total) };
    });
    this.responder(amp.StartTLS, () => ({ context: certificates().server }));
    this.responder(Upgrade, ({ name }) => {
      if (name !== 'shout') throw new NoSuchProtocol(name);
      return { switchTo: new Shout() };
    });
  }
}

/** What a Deferred that has to fail fails with. */
async function failureOf(deferred: Deferred<unknown>): Promise<Error> {
  try {
    await deferred;
  } catch (error) {
    return error as Error; // nothing else is thrown here
  }
  throw new Error('It did not fail');
}

describe('AMP and Twisted', function () {
  this.timeout(60_000);
  let folder: string;
  let children: ChildProcess[];
  let trap: FailureTrap;

  before(function () {
    if (spawnSync(PYTHON, ['-c', 'import twisted.protocols.amp, OpenSSL']).status === 0) return;
    if (process.env['CI'] === 'true') throw new Error('Install python3-twisted');
    console.log('      (install python3-twisted to run these)');
    this.skip();
  });
  beforeEach(() => {
    trap = new FailureTrap();
    children = [];
    folder = mkdtempSync(join(tmpdir(), 'strand-amp-'));
    const { server, ca } = certificates();
    writeFileSync(join(folder, 'server.pem'), server.key + server.cert);
    writeFileSync(join(folder, 'ca.pem'), ca.cert);
  });
  afterEach(async () => {
    trap.restore();
    for (const child of children) {
      const ended = once(child, 'exit');
      if (child.exitCode === null && child.kill('SIGKILL')) await ended;
    }
    rmSync(folder, { recursive: true });
  });

  function python(...args: string[]): ChildProcess {
    const child = spawn(PYTHON, [PEER, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(child);
    return child;
  }

  async function firstLine(child: ChildProcess): Promise<string> {
    if (child.stdout === null) throw new Error('It has no output');
    for await (const line of createInterface({ input: child.stdout })) return line;
    throw new Error('It said nothing');
  }

  it('is understood by its server: values, errors, calls back, commands without answer', async () => {
    const port = Number(await firstLine(python('server', join(folder, 'server.pem'))));
    const peer = await connectProtocol(
      new TCP4ClientEndpoint(reactor, '127.0.0.1', port),
      new Peer(),
    );
    expect(await peer.callRemote(Sum, { a: -1, b: 2n ** 70n })).to.deep.equal({
      total: 2n ** 70n - 1n,
    });
    const given = {
      integer: -5,
      string: Buffer.of(0, 255),
      unicode: 'hé',
      boolean: false,
      float: 1e300,
      decimal: '1.50',
      datetime: new Date('2020-02-29T01:02:03.004Z'),
      list: ['a', '', 'ü'],
      boxes: [
        { a: 1, b: 'x' },
        { a: 2, b: '' },
      ],
    };
    expect(await peer.callRemote(Everything, given)).to.deep.equal(given);
    expect(await peer.callRemote(Everything, { ...given, absent: 1 })).to.have.property(
      'absent',
      1,
    );
    expect(await failureOf(peer.callRemote(Divide, { numerator: 1, denominator: 0 })))
      .to.be.instanceOf(ZeroDivision)
      .with.property('message', 'division by zero');
    expect(await failureOf(peer.callRemote(Nowhere))).to.be.instanceOf(amp.UnhandledCommand);
    peer.callRemote(Note, { text: 'one' });
    peer.callRemote(Note, { text: 'two' });
    expect(await peer.callRemote(Notes)).to.deep.equal({ all: ['one', 'two'] });
    expect(await peer.callRemote(SumBack)).to.deep.equal({ total: 42 });
    // Both at once, and many.
    const sums = Array.from({ length: 200 }, (_, i) => peer.callRemote(Sum, { a: i, b: 1 }));
    const totals = (await Promise.all(sums)).map(({ total }) => Number(total));
    expect(totals).to.deep.equal(Array.from({ length: 200 }, (_, i) => i + 1));
    expect(await failureOf(peer.callRemote(Fail)))
      .to.be.instanceOf(amp.UnknownRemoteError)
      .with.property('description', 'Unknown Error');
  });

  it('is told of fatal errors by its server', async () => {
    const port = Number(await firstLine(python('server', join(folder, 'server.pem'))));
    const peer = await connectProtocol(
      new TCP4ClientEndpoint(reactor, '127.0.0.1', port),
      new Peer(),
    );
    const error = await failureOf(peer.callRemote(Divide, { numerator: 1, denominator: 13 }));
    expect(error).to.be.instanceOf(Overflow);
    expect((await failureOf(peer.callRemote(Notes))).name).to.match(/^Connection(?:Done|Lost)$/);
  });

  it('goes on under TLS with its server, and then with another protocol', async () => {
    const port = Number(await firstLine(python('server', join(folder, 'server.pem'))));
    const peer = await connectProtocol(
      new TCP4ClientEndpoint(reactor, '127.0.0.1', port),
      new Peer(),
    );
    const started = peer.callRemote(amp.StartTLS, { context: { ca: certificates().ca.cert } });
    // Asked meanwhile, it waits for TLS.
    const sum = peer.callRemote(Sum, { a: 1, b: 2 });
    expect(await started).to.deep.equal({});
    expect(await sum).to.deep.equal({ total: 3n });
    expect(peer.transport).to.have.property('peerVerified', true);
    expect(
      await failureOf(peer.callRemote(amp.StartTLS, { context: { ca: certificates().ca.cert } })),
    ).to.be.instanceOf(amp.OnlyOneTLS);
    const recorder = new Recorder();
    const switchTo = Factory.forProtocol(class extends Protocol {});
    switchTo.protocol = (() => recorder) as never; // what a test wants to see
    expect(await failureOf(peer.callRemote(Upgrade, { name: 'other', switchTo }))).to.be.instanceOf(
      NoSuchProtocol,
    );
    expect(await peer.callRemote(Sum, { a: 3, b: 4 })).to.deep.equal({ total: 7n });
    const upgraded = peer.callRemote(Upgrade, { name: 'shout', switchTo });
    expect(await failureOf(peer.callRemote(Notes))).to.be.instanceOf(amp.ProtocolSwitched);
    await upgraded;
    recorder.transport.write('hello');
    await recorder.until(() => recorder.bytes === 5);
    expect(recorder.received.toString()).to.equal('HELLO');
    recorder.transport.loseConnection();
    await recorder.until(() => recorder.lost);
  });

  it('does not go on with a server whose certificate is not trusted', async () => {
    const port = Number(await firstLine(python('server', join(folder, 'server.pem'))));
    const peer = await connectProtocol(
      new TCP4ClientEndpoint(reactor, '127.0.0.1', port),
      new Peer(),
    );
    await peer.callRemote(amp.StartTLS, { context: { ca: certificates().otherCA.cert } });
    const error = await failureOf(peer.callRemote(Sum, { a: 1, b: 2 }));
    expect(error).to.have.property('name', 'TLSVerificationError');
  });

  it('serves its client: values, errors, calls back, TLS, and another protocol at last', async () => {
    const factory = Factory.forProtocol(Peer);
    factory.noisy = false;
    const listening: ListeningPort = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    try {
      const address = listening.getHost();
      const port = 'port' in address ? address.port : 0;
      const said = await firstLine(python('client', String(port), join(folder, 'ca.pem')));
      expect(JSON.parse(said)).to.deep.equal({
        sum: { total: 2 ** 40 - 1 },
        everything: true,
        zero: ['ZeroDivisionError', 'division by zero'],
        nowhere: ['UnhandledCommand', "(b'UNHANDLED', 'Unhandled Command: \"Nowhere\"')"],
        notes: { all: ['one', 'two'] },
        sumBack: { total: 42 },
        tls: [],
        sumUnderTLS: { total: 3 },
        refused: ['ValueError', 'other'],
        after: { total: 7 },
        upgrade: {},
        heard: 'HELLO',
      });
      expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal([]);
    } finally {
      await listening.stopListening();
    }
  });
});
