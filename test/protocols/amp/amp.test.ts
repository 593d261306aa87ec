import { expect } from 'chai';
import fc from 'fast-check';
import { CancelledError, Deferred, TimeoutError } from '../../../src/deferred/index.ts';
import * as amp from '../../../src/protocols/amp/index.ts';
import {
  assertNoResult,
  Clock,
  ConnectionDone,
  connectedServerAndClient,
  type IOPump,
  type LogEvent,
  type PushProducer,
  StringTransport,
  setLogObserver,
} from '../../../src/reactor/index.ts';
import { FailureTrap } from '../../support/recorder.ts';
import { byteByByte, cutAt, failureResultOf, someCuts, successResultOf } from '../support.ts';

class DivisionByZero extends Error {}
class Fatal extends Error {}

const Divide = new amp.Command('Divide', {
  arguments: { numerator: new amp.Integer(), denominator: new amp.Integer() },
  response: { result: new amp.Float(), note: new amp.Unicode({ optional: true }) },
  errors: { ZERO_DIVISION: DivisionByZero },
  fatalErrors: { FATAL: Fatal },
});
const Note = new amp.Command('Note', {
  arguments: { text: new amp.Unicode() },
  requiresAnswer: false,
});
const Wait = new amp.Command('Wait');

class Server extends amp.AMP {
  readonly notes: string[] = [];
  readonly waiting: Array<Deferred<undefined>> = [];

  constructor(options?: amp.AMPOptions) {
    super(options);
    this.responder(Divide, ({ numerator, denominator }) => {
      if (denominator === 0) throw new DivisionByZero('by zero');
      if (denominator === 13) throw new Fatal('unlucky');
      if (denominator === 14) throw new Error('secret');
      return { result: numerator / denominator };
    });
    this.responder(Note, ({ text }) => {
      if (text === 'bad') throw new Error('no such note');
      this.notes.push(text);
    });
    this.responder(Wait, () => {
      const deferred = new Deferred<undefined>();
      this.waiting.push(deferred);
      return deferred;
    });
  }
}

let client: amp.AMP;
let server: Server;
let pump: IOPump;
let clock: Clock;
let log: LogEvent[];
let trap: FailureTrap;
let restoreLog: () => void;

function begin(serverOptions: amp.AMPOptions = {}, clientOptions: amp.AMPOptions = {}): void {
  clock = new Clock();
  [client, server, pump] = connectedServerAndClient(
    () => new Server({ clock, ...serverOptions }),
    () => new amp.AMP({ clock, ...clientOptions }),
  );
}

/** What is said at once when `bytes` come. */
function talk(bytes: Buffer | string): {
  said: string;
  transport: StringTransport;
  server: Server;
} {
  const own = new Server();
  const transport = new StringTransport();
  own.makeConnection(transport);
  own.dataReceived(Buffer.from(bytes as string, 'latin1'));
  return { said: transport.value().toString('latin1'), transport, server: own };
}

/** A box as it is on the wire. */
function box(contents: Record<string, string>): Buffer {
  return new amp.AmpBox(contents).serialize();
}

const warnings = (): string[] => log.filter(({ level }) => level === 'warn').map((e) => e.message);

describe('AMP', () => {
  beforeEach(() => {
    log = [];
    const previous = setLogObserver((event) => log.push(event));
    restoreLog = () => setLogObserver(previous);
    trap = new FailureTrap();
    begin();
  });
  afterEach(() => {
    restoreLog();
    trap.restore();
  });

  describe('between two of them', () => {
    it('callRemote() fires with the response', () => {
      const result = client.callRemote(Divide, { numerator: 7, denominator: 2 });
      assertNoResult(result);
      pump.flush();
      expect(successResultOf(result)).to.deep.equal({ result: 3.5 });
      expect(client.pendingQuestions).to.equal(0);
    });

    it('callRemote() fails with the class that a code stands for', () => {
      const result = client.callRemote(Divide, { numerator: 7, denominator: 0 });
      pump.flush();
      const error = failureResultOf(result).value;
      expect(error).to.be.instanceOf(DivisionByZero);
      expect(error).to.have.property('message', 'by zero');
      expect(client.transport.connected).to.equal(true);
    });

    it('callRemote() fails with the class of a fatal error, and the connection ends', () => {
      const result = client.callRemote(Divide, { numerator: 7, denominator: 13 });
      pump.flush();
      expect(failureResultOf(result).value).to.be.instanceOf(Fatal);
      expect(server.transport.connected).to.equal(false);
    });

    it('answers what nobody foresaw with "Unknown Error", reports it, and ends the connection', () => {
      const result = client.callRemote(Divide, { numerator: 7, denominator: 14 });
      pump.flush();
      const error = failureResultOf(result).value as amp.UnknownRemoteError;
      expect(error).to.be.instanceOf(amp.UnknownRemoteError);
      expect(error.description).to.equal('Unknown Error');
      expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal(['secret']);
      expect(client.transport.connected).to.equal(false);
    });

    it('callRemote() fails with UnhandledCommand when there is nothing for it', () => {
      const result = server.callRemote(Wait);
      pump.flush();
      expect(failureResultOf(result).value)
        .to.be.instanceOf(amp.UnhandledCommand)
        .with.property('message', 'Unhandled Command: "Wait"');
      expect(server.transport.connected).to.equal(true);
    });

    it('callRemote() gives nothing for a command that is not answered', () => {
      expect(client.callRemote(Note, { text: 'hi' })).to.equal(undefined);
      pump.flush();
      expect(server.notes).to.deep.equal(['hi']);
      expect(client.pendingQuestions).to.equal(0);
    });

    it('ends the connection when a command that is not answered fails', () => {
      client.callRemote(Note, { text: 'bad' });
      pump.flush();
      expect(trap.caught[0]?.failure.getErrorMessage()).to.equal('no such note');
      expect(server.transport.connected).to.equal(false);
    });

    it('answers come in any order, and both sides may ask', () => {
      client.responder(Wait, () => ({}));
      const first = client.callRemote(Wait);
      const second = client.callRemote(Wait, {});
      const third = server.callRemote(Wait);
      pump.flush();
      expect(successResultOf(third)).to.deep.equal({});
      server.waiting[1]?.callback(undefined);
      pump.flush();
      assertNoResult(first);
      expect(successResultOf(second)).to.deep.equal({});
      server.waiting[0]?.callback(undefined);
      pump.flush();
      expect(successResultOf(first)).to.deep.equal({});
    });

    it('a responder may ask back', () => {
      client.responder(Divide, ({ numerator }) => ({ result: numerator, note: 'back' }));
      const Ask = new amp.Command('Ask', { response: { got: new amp.Unicode() } });
      server.responder(Ask, async (_args, peer) => {
        const { note = '' } = await peer.callRemote(Divide, { numerator: 1, denominator: 1 });
        return { got: note };
      });
      const result = client.callRemote(Ask);
      return (async () => {
        for (let i = 0; i < 20; i++) {
          pump.flush();
          await Promise.resolve();
        }
        expect(successResultOf(result)).to.deep.equal({ got: 'back' });
      })();
    });

    it('callRemoteString() asks and answers with boxes, which methods amp_NAME take', () => {
      Object.assign(server, {
        amp_PING: (ping: amp.AmpBox) => new amp.AmpBox({ back: ping.get('there') ?? '' }),
      });
      const result = client.callRemoteString('PING', { there: 'x' });
      pump.flush();
      expect(result && successResultOf(result).get('back')?.toString()).to.equal('x');
      expect(client.callRemoteString('PING', {}, { requiresAnswer: false })).to.equal(undefined);
    });

    it('a locator may be shared', () => {
      const locator = new amp.CommandLocator().responder(Wait, () => undefined);
      begin({ locator });
      const result = client.callRemote(Wait);
      pump.flush();
      expect(successResultOf(result)).to.deep.equal({});
    });

    it('a responder that gives what does not fit is reported, and answered as unknown', () => {
      server.responder(Divide, () => ({ result: 'x' as unknown as number }));
      const result = client.callRemote(Divide, { numerator: 1, denominator: 1 });
      pump.flush();
      expect(failureResultOf(result).value).to.be.instanceOf(amp.UnknownRemoteError);
      expect(trap.caught[0]?.failure.value).to.be.instanceOf(amp.BadLocalReturn);
    });
  });

  describe('when a call cannot be made', () => {
    it('callRemote() fails without sending anything', () => {
      const call = (args: object): unknown => {
        const result = client.callRemote(
          Divide,
          args as { numerator: number; denominator: number },
        );
        return failureResultOf(result).value;
      };
      expect(call({ numerator: 1 })).to.be.instanceOf(amp.InvalidSignature);
      expect(call({ numerator: 1, denominator: 2, more: 3 })).to.be.instanceOf(
        amp.InvalidSignature,
      );
      expect(call({ numerator: 1, denominator: 0.5 })).to.be.instanceOf(amp.BadArgument);
      expect(client.pendingQuestions).to.equal(0);
      pump.flush();
      expect(server.transport.connected).to.equal(true);
    });

    it('callRemote() throws for a command that is not answered', () => {
      expect(() => client.callRemote(Note, { text: 'x'.repeat(70_000) })).to.throw(amp.TooLong);
    });

    it('callRemote() fails with TooManyQuestions when too many are open', () => {
      begin({}, { maxPendingQuestions: 2 });
      const results = [1, 2, 3].map(() => client.callRemote(Wait));
      expect(
        failureResultOf(results[2] ?? results[0] ?? client.callRemote(Wait)).value,
      ).to.be.instanceOf(amp.TooManyQuestions);
      pump.flush();
      expect(server.waiting).to.have.length(2);
      server.waiting[0]?.callback(undefined);
      pump.flush();
      assertNoResult(client.callRemote(Wait));
    });

    it('says so when the peer asks too much at a time, and goes on', () => {
      begin({ maxPendingAnswers: 1 });
      const [first, second] = [client.callRemote(Wait), client.callRemote(Wait)];
      pump.flush();
      expect(failureResultOf(second).value).to.have.property('errorCode', 'TOO_MANY_QUESTIONS');
      server.waiting[0]?.callback(undefined);
      pump.flush();
      successResultOf(first);
      const third = client.callRemote(Wait);
      pump.flush();
      assertNoResult(third);
    });
  });

  describe('when a call takes too long', () => {
    it('callRemote() fails with TimeoutError, and a late answer is ignored', () => {
      const result = client.callRemote(Wait, {}, { timeout: 5 });
      pump.flush();
      clock.advance(4.9);
      assertNoResult(result);
      clock.advance(0.1);
      expect(failureResultOf(result).value).to.be.instanceOf(TimeoutError);
      expect(client.pendingQuestions).to.equal(1);
      server.waiting[0]?.callback(undefined);
      pump.flush();
      expect(client.pendingQuestions).to.equal(0);
      expect(client.transport.connected).to.equal(true);
    });

    it('the timeout of all calls may be taken back for one', () => {
      begin({}, { timeout: 1 });
      const [short, long] = [
        client.callRemote(Wait),
        client.callRemote(Wait, {}, { timeout: null }),
      ];
      pump.flush();
      clock.advance(1);
      expect(failureResultOf(short).value).to.be.instanceOf(TimeoutError);
      assertNoResult(long);
    });

    it('callRemote() leaves no timer behind', () => {
      client.callRemote(Divide, { numerator: 1, denominator: 1 }, { timeout: 5 });
      pump.flush();
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('callRemote() fails with CancelledError when its signal is aborted', () => {
      const controller = new AbortController();
      const result = client.callRemote(Wait, {}, { signal: controller.signal });
      pump.flush();
      controller.abort(new Error('enough'));
      const error = failureResultOf(result).value;
      expect(error).to.be.instanceOf(CancelledError);
      expect((error as Error).cause).to.have.property('message', 'enough');
      const late = client.callRemote(Wait, {}, { signal: controller.signal });
      expect(failureResultOf(late).value).to.be.instanceOf(CancelledError);
      pump.flush();
      expect(server.waiting).to.have.length(1);
    });
  });

  describe('when the connection is lost', () => {
    it('fails every question that is open, and those that come later, with the reason', () => {
      const results = [client.callRemote(Wait), client.callRemote(Wait)];
      pump.flush();
      server.transport.loseConnection();
      pump.flush();
      results.push(client.callRemote(Wait));
      for (const result of results) {
        expect(failureResultOf(result).value).to.be.instanceOf(ConnectionDone);
      }
      expect(client.callRemote(Note, { text: 'late' })).to.equal(undefined);
    });

    it('an answer that comes too late goes nowhere', () => {
      client.callRemote(Wait).addErrback(() => undefined);
      pump.flush();
      client.transport.loseConnection();
      pump.flush();
      server.waiting[0]?.callback(undefined);
      expect(trap.caught).to.deep.equal([]);
    });
  });

  describe('given what makes no sense', () => {
    const cases: ReadonlyArray<[what: string, bytes: string, warning: RegExp]> = [
      ['an empty box', '\0\0', /MalformedAmpBox: .*it is empty/],
      ['a key of 256 bytes', '\x01\0', /TooLong: .*a key of 256 bytes/],
      ['a key twice', '\0\x01a\0\0\0\x01a\0\0\0\0', /MalformedAmpBox: .*"a" twice/],
      ['a box that neither asks nor answers', '\0\x01a\0\0\0\0', /NoEmptyBoxes: .*\["a"\]/],
      ['only _ask', '\0\x04_ask\0\x011\0\0', /NoEmptyBoxes/],
      ['an answer nobody asked for', '\0\x07_answer\0\x011\0\0', /MalformedAmpBox: .*"1"/],
      ['an error without a code', '\0\x06_error\0\x011\0\0', /MalformedAmpBox: .*no code/],
    ];
    for (const [what, bytes, warning] of cases) {
      it(`aborts the connection and logs why: ${what}`, () => {
        const { transport, server: broken } = talk(bytes);
        expect(transport.disconnected).to.equal(true);
        expect(warnings()).to.have.length(1);
        expect(warnings()[0]).to.match(warning);
        const result = broken.callRemote(Divide, { numerator: 1, denominator: 1 });
        broken.connectionLost();
        expect(failureResultOf(result).value).to.be.instanceOf(amp.AmpError);
      });
    }

    it('carries out nothing that comes behind it', () => {
      const note = box({ _command: 'Note', text: 'x' }).toString('latin1');
      expect(talk(`${note}\0\0${note}`).server.notes).to.deep.equal(['x']);
    });

    it('answers an argument that cannot be read as unknown, reports it, and ends the connection', () => {
      const asked = box({ _command: 'Divide', _ask: '1', numerator: 'x', denominator: '1' });
      const { said, transport } = talk(asked);
      const [answer] = amp.parseBoxes(Buffer.from(said, 'latin1'));
      expect(answer?.get('_error_code')?.toString()).to.equal('UNKNOWN');
      expect(trap.caught[0]?.failure.getErrorMessage()).to.match(/Cannot read "numerator": "x"/);
      expect(transport.disconnecting).to.equal(true);
    });

    it('fails a call whose answer cannot be read', () => {
      const transport = new StringTransport();
      client = new amp.AMP();
      client.makeConnection(transport);
      const result = client.callRemote(Divide, { numerator: 1, denominator: 1 });
      client.dataReceived(box({ _answer: '1', result: 'x' }));
      expect(failureResultOf(result).value).to.be.instanceOf(amp.BadArgument);
      expect(transport.disconnecting).to.equal(false);
    });

    it('does the same with any bytes, however they are cut', () => {
      const parts = fc.oneof(
        fc.constantFrom(
          box({ _command: 'Note', text: 'x' }),
          box({ _command: 'Divide', _ask: '1', numerator: '1', denominator: '2' }),
          box({ _command: 'Divide', _ask: '2', numerator: '1', denominator: '0' }),
          box({ _command: 'Nothing', _ask: '3' }),
          box({ _answer: '1' }),
          Buffer.from('\0\0'),
        ),
        fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
      );
      const outcome = (pieces: readonly Buffer[]): unknown => {
        const own = new Server();
        const transport = new StringTransport();
        own.makeConnection(transport);
        for (const piece of pieces) if (!transport.disconnecting) own.dataReceived(piece);
        return [transport.value().toString('latin1'), own.notes, transport.disconnected];
      };
      fc.assert(
        fc.property(fc.array(parts, { maxLength: 6 }), someCuts, (some, cuts) => {
          const bytes = Buffer.concat(some);
          const whole = outcome([bytes]);
          expect(outcome(cutAt(bytes, cuts))).to.deep.equal(whole);
          expect(outcome(byteByByte(bytes))).to.deep.equal(whole);
        }),
      );
    });
  });

  it('aborts the connection of a peer that asks and asks and never reads', () => {
    begin({ maxUnsentBytes: 1_000_000 });
    const Big = new amp.Command('Big', { response: { all: new amp.String() } });
    server.responder(Big, () => ({ all: Buffer.alloc(60_000) }));
    const transport = new StringTransport();
    const own = new Server({ maxUnsentBytes: 1_000_000 });
    own.responder(Big, () => ({ all: Buffer.alloc(60_000) }));
    own.makeConnection(transport);
    const ask = box({ _command: 'Big', _ask: '1' });
    for (let i = 0; i < 2; i++) own.dataReceived(ask);
    // From here on nothing leaves any more, which a transport says when it is given bytes.
    let told = false;
    const write = transport.write.bind(transport);
    transport.write = (data) => {
      write(data);
      const { producer } = transport;
      if (data.length === 0 || producer === null || !('pauseProducing' in producer)) return;
      told = true;
      producer.pauseProducing();
    };
    let asked = 0;
    while (!transport.disconnected && asked < 100) {
      own.dataReceived(ask);
      asked += 1;
    }
    expect(told).to.equal(true);
    expect(asked).to.be.within(15, 22);
    expect(warnings()[0]).to.match(/the peer does not read/);
    // One that reads may ask for ever.
    const results = Array.from({ length: 100 }, () => client.callRemote(Big));
    pump.flush();
    for (const result of results) expect(successResultOf(result).all).to.have.length(60_000);
    client.transport.loseConnection();
    pump.flush();
    expect(server.transport.connected).to.equal(false);
  });

  it('waits with questions while answers to others have not left, and gives up on one who goes on asking', () => {
    const Big = new amp.Command('Big', { response: { all: new amp.String() } });
    const transport = new StringTransport();
    const own = new Server({ maxUnsentBytes: 300_000 });
    let answered = 0;
    own.responder(Big, () => {
      answered += 1;
      return { all: Buffer.alloc(60_000) };
    });
    own.makeConnection(transport);
    const write = transport.write.bind(transport);
    transport.write = (data) => {
      write(data);
      if (transport.streaming) (transport.producer as PushProducer).pauseProducing(); // which that says it is
    };
    const questions = Array.from({ length: 20 }, (_, i) => box({ _command: 'Big', _ask: `${i}` }));
    own.dataReceived(Buffer.concat(questions));
    const atOnce = answered;
    expect(atOnce).to.be.within(5, 8);
    transport.producer?.resumeProducing();
    expect(answered).to.be.within(2 * atOnce - 1, 2 * atOnce + 1);
    expect(transport.disconnected).to.equal(false);
    own.dataReceived(questions[0] ?? Buffer.alloc(0));
    expect(transport.disconnected).to.equal(true);
    expect(warnings()[0]).to.match(/the peer does not read/);
  });

  it('aborts the connection of a peer that does not read what it is asked', () => {
    const transport = new StringTransport();
    client = new amp.AMP({ maxUnsentBytes: 300_000 });
    client.makeConnection(transport);
    const write = transport.write.bind(transport);
    transport.write = (data) => {
      write(data);
      if (transport.streaming) (transport.producer as PushProducer).pauseProducing(); // which that says it is
    };
    const ask = (): void => {
      client.callRemoteString('Big', { all: Buffer.alloc(60_000) }, { requiresAnswer: false });
    };
    let asked = 0;
    for (; !transport.disconnected && asked < 100; asked += 1) ask();
    expect(asked).to.be.within(5, 8);
    expect(warnings()[0]).to.match(/the peer does not read/);
  });

  it('knows no error by a name that every object has', () => {
    const transport = new StringTransport();
    client = new amp.AMP();
    client.makeConnection(transport);
    for (const code of ['constructor', 'toString', '__proto__']) {
      const asked = client.callRemote(Divide, { numerator: 1, denominator: 2 });
      const tag = amp.parseBoxes(transport.value()).at(-1)?.get('_ask') ?? '';
      client.dataReceived(box({ _error: `${tag}`, _error_code: code, _error_description: 'x' }));
      expect(failureResultOf(asked).value).to.be.instanceOf(amp.UnknownRemoteError);
    }
  });

  it('has no question open once the connection is lost, not those that were given up either', () => {
    const transport = new StringTransport();
    client = new amp.AMP({ clock: new Clock() });
    client.makeConnection(transport);
    const asked = [client.callRemote(Wait), client.callRemote(Wait)];
    asked[0]?.cancel();
    for (const each of asked) each.addErrback(() => undefined);
    expect(client.pendingQuestions).to.equal(2);
    client.connectionLost();
    expect(client.pendingQuestions).to.equal(0);
  });

  it('gives boxes to whoever receives them', () => {
    const heard: unknown[] = [];
    const receiver: amp.BoxReceiver = {
      startReceivingBoxes: (sender) => {
        heard.push('start');
        sender.sendBox(new amp.AmpBox({ hello: 'x' }));
      },
      ampBoxReceived: (received) => heard.push([...received.keys()]),
      stopReceivingBoxes: (reason) => heard.push(reason.type?.name),
    };
    const transport = new StringTransport();
    const protocol = new amp.BinaryBoxProtocol(receiver);
    protocol.makeConnection(transport);
    expect(transport.value()).to.deep.equal(box({ hello: 'x' }));
    protocol.dataReceived(Buffer.concat([box({ a: '', b: '' }), box({ c: '' })]));
    protocol.connectionLost();
    expect(heard).to.deep.equal(['start', ['a', 'b'], ['c'], 'ConnectionDone']);
  });

  it('lets another be the producer of its connection', () => {
    const transport = new StringTransport();
    client = new amp.AMP();
    client.makeConnection(transport);
    transport.registerProducer({ resumeProducing() {}, stopProducing() {} }, false);
    const Big = new amp.Command('Big', {
      arguments: { all: new amp.String() },
      requiresAnswer: false,
    });
    for (let i = 0; i < 4; i++) client.callRemote(Big, { all: Buffer.alloc(60_000) });
    expect(transport.value().length).to.be.above(240_000);
  });

  it('has the types of a command in its calls and responders', () => {
    // Never run: it is here to be checked.
    const check = async (peer: amp.AMP): Promise<void> => {
      const { result, note } = await peer.callRemote(Divide, { numerator: 1, denominator: 2 });
      const sum: number = result + (note?.length ?? 0);
      const nothing: undefined = peer.callRemote(Note, { text: 'x' });
      await peer.callRemote(Wait);
      // @ts-expect-error: an argument is missing
      await peer.callRemote(Divide, { numerator: 1 });
      // @ts-expect-error: an argument is of another type
      await peer.callRemote(Divide, { numerator: 'x', denominator: 1 });
      // @ts-expect-error: arguments are required
      await peer.callRemote(Divide);
      // @ts-expect-error: a response is missing
      peer.responder(Divide, () => ({}));
      // @ts-expect-error: and may not be nothing
      peer.responder(Divide, () => undefined);
      peer.responder(Divide, async ({ numerator }) => ({ result: numerator }));
      void [sum, nothing];
    };
    expect(check).to.be.a('function');
  });
});
