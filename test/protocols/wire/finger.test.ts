import { expect } from 'chai';
import fc from 'fast-check';
import { setUnhandledFailureHandler, succeed } from '../../../src/deferred/index.ts';
import { Factory } from '../../../src/protocols/index.ts';
import { Finger, type FingerAnswer, finger } from '../../../src/protocols/wire/index.ts';
import {
  Clock,
  LibuvReactor,
  StringTransport,
  TCP4ClientEndpoint,
} from '../../../src/reactor/index.ts';
import { cutAt, someCuts } from '../support.ts';

class Staff extends Finger {
  readonly asked: unknown[] = [];
  override getUser(slashW: boolean, user: string): FingerAnswer {
    this.asked.push(['user', slashW, user]);
    if (user === 'late') return Promise.resolve('Late is late.');
    if (user === 'bad') return Promise.reject(new Error('bad'));
    return user === 'ada' ? 'Ada\nat lunch\x1b[2J\r\n' : super.getUser(slashW, user);
  }
  override getDomain(slashW: boolean): FingerAnswer {
    this.asked.push(['domain', slashW]);
    return super.getDomain(slashW);
  }
  override forwardQuery(slashW: boolean, user: string, host: string): FingerAnswer {
    this.asked.push(['forward', slashW, user, host]);
    return super.forwardQuery(slashW, user, host);
  }
}

describe('Finger', () => {
  let clock: Clock;
  let transport: StringTransport;

  beforeEach(() => {
    clock = new Clock();
    transport = new StringTransport();
  });

  function connect<F extends Finger>(server: F): F {
    server.clock = clock;
    server.makeConnection(transport);
    return server;
  }

  for (const [question, asked, answer] of [
    ['ada\r\n', ['user', false, 'ada'], 'Ada\r\nat lunch?[2J\r\n'],
    ['ada\n', ['user', false, 'ada'], 'Ada\r\nat lunch?[2J\r\n'],
    ['/W bob\r\n', ['user', true, 'bob'], 'Login: bob\r\nNo such user\r\n'],
    ['\r\n', ['domain', false], 'Finger online list denied\r\n'],
    [
      'a\u00a0b\t c\ufeff\r\n',
      ['user', false, 'a\u00a0b c\ufeff'],
      'Login: a\u00a0b c\ufeff\r\nNo such user\r\n',
    ],
    [' /w \r\n', ['domain', true], 'Finger online list denied\r\n'],
    ['bob@a@b\r\n', ['forward', false, 'bob@a', 'b'], 'Finger forwarding service denied\r\n'],
    ['/W @b\r\n', ['forward', true, '', 'b'], 'Finger forwarding service denied\r\n'],
  ] as const) {
    it(`answers ${JSON.stringify(question)} and closes, however it is cut`, () => {
      fc.assert(
        fc.property(someCuts, (cuts) => {
          transport = new StringTransport();
          const server = connect(new Staff());
          for (const piece of cutAt(Buffer.from(`${question}more\r\n`), cuts)) {
            server.dataReceived(piece);
          }
          expect(server.asked).to.deep.equal([asked]);
          expect(transport.value().toString()).to.equal(answer);
          expect(transport.disconnecting).to.equal(true);
          expect(clock.getDelayedCalls()).to.deep.equal([]);
        }),
        { numRuns: 10 },
      );
    });
  }

  it('answers one question only, even while the answer takes its time', async () => {
    const server = connect(new Staff());
    server.dataReceived(Buffer.from('late\r\nada\r\n'));
    await Promise.resolve();
    await Promise.resolve();
    expect(server.asked).to.deep.equal([['user', false, 'late']]);
    expect(transport.value().toString()).to.equal('Late is late.\r\n');
  });

  it('ends the connection when what comes of an answer is no text', async () => {
    const reports: string[] = [];
    const before = setUnhandledFailureHandler((failure) => reports.push(failure.getErrorMessage()));
    try {
      class Wrong extends Finger {
        override getUser(): FingerAnswer {
          return succeed(5 as unknown as string);
        }
      }
      connect(new Wrong()).dataReceived(Buffer.from('ada\r\n'));
      for (let i = 0; i < 5; i += 1) await Promise.resolve();
      expect([reports.length, transport.disconnected]).to.deep.equal([1, true]);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('tells nothing of anybody unless it is told how', () => {
    connect(new Finger()).dataReceived(Buffer.from('root\r\n'));
    expect(transport.value().toString()).to.equal('Login: root\r\nNo such user\r\n');
  });

  it('closes when the question is too long or does not come', () => {
    connect(new Finger()).dataReceived(Buffer.alloc(600, 'x'));
    expect(transport.disconnecting).to.equal(true);
    transport = new StringTransport();
    connect(new Finger());
    clock.advance(30);
    expect(transport.disconnecting).to.equal(true);
    expect(transport.value().length).to.equal(0);
  });

  it('finger() asks it', async () => {
    const reactor = new LibuvReactor();
    const reports: string[] = [];
    const before = setUnhandledFailureHandler((failure) => reports.push(failure.getErrorMessage()));
    const factory = Factory.forProtocol(Staff);
    factory.noisy = false;
    const port = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    const endpoint = new TCP4ClientEndpoint(reactor, '127.0.0.1', port.getHost().port);
    try {
      const options = { clock: reactor };
      expect(await finger(endpoint, 'ada', options)).to.equal('Ada\nat lunch?[2J');
      expect(await finger(endpoint, 'late', { ...options, slashW: true })).to.equal(
        'Late is late.',
      );
      expect(await finger(endpoint, '', options)).to.equal('Finger online list denied');
      let failure: unknown;
      try {
        await finger(endpoint, 'bad', options);
      } catch (error) {
        failure = error;
      }
      expect([(failure as Error).name, reports]).to.deep.equal(['ConnectionLost', ['bad']]);
      expect(() => finger(endpoint, 'a\r\nb')).to.throw(TypeError);
    } finally {
      setUnhandledFailureHandler(before);
      await port.stopListening();
    }
  });
});
