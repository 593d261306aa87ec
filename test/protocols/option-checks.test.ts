import { expect } from 'chai';
import { AMP, BoxDispatcher } from '../../src/protocols/amp/index.ts';
import { FilePasswordDB, Portal } from '../../src/protocols/cred/index.ts';
import { HAProxyWrappingFactory } from '../../src/protocols/haproxy/index.ts';
import { Factory, Protocol, SimpleProducer } from '../../src/protocols/index.ts';
import {
  Manhole,
  ManholeFactory,
  ManholeRealm,
  SlowingGate,
} from '../../src/protocols/manhole/index.ts';
import {
  LimitConnectionRate,
  LimitConnectionsByPeer,
  LimitTotalConnectionsFactory,
  ThrottlingFactory,
  TimeoutFactory,
} from '../../src/protocols/policies/index.ts';
import { ForwardingFactory, ProxyFactory } from '../../src/protocols/portforward/index.ts';
import { Connection, lines$ } from '../../src/protocols/rx.ts';
import {
  SOCKS4ClientEndpoint,
  SOCKS5ClientEndpoint,
  SOCKSServerFactory,
} from '../../src/protocols/socks/index.ts';
import { AuthenticatingTelnetProtocol, Telnet } from '../../src/protocols/telnet/index.ts';
import {
  WebSocketClientFactory,
  WebSocketProtocol,
  WebSocketResource,
} from '../../src/protocols/websocket/index.ts';
import { ask } from '../../src/protocols/wire/index.ts';
import { MemoryReactorClock, type StreamClientEndpoint } from '../../src/reactor/index.ts';

type Given = Readonly<Record<string, number | null>>;

const reactor = new MemoryReactorClock();
const portal = new Portal(new ManholeRealm());
const nowhere: StreamClientEndpoint = {
  connect: () => {
    throw new Error('Nothing is to be connected');
  },
};

function inner(): Factory {
  return Factory.forProtocol(Protocol);
}

/** What takes options; each limit and each time in seconds of it, and what is the least that a limit may be. */
const TAKERS: ReadonlyArray<
  readonly [
    what: string,
    make: (given: Given) => unknown,
    limits: string[],
    times?: string[],
    least?: number,
  ]
> = [
  ['AMP', (o) => new AMP(o), ['maxBoxKeys', 'maxBoxSize', 'maxUnsentBytes']],
  [
    'BoxDispatcher',
    (o) => new BoxDispatcher({ locateResponder: () => null }, o),
    ['maxPendingQuestions', 'maxPendingAnswers'],
    ['timeout'],
  ],
  ['FilePasswordDB', (o) => new FilePasswordDB('/nonexistent', o), ['maxSize']],
  [
    'HAProxyWrappingFactory',
    (o) => new HAProxyWrappingFactory(inner(), o),
    ['maxHeaderLength'],
    ['headerTimeout'],
  ],
  [
    'Manhole',
    (o) => new Manhole('x', o),
    ['maxCodeLength', 'maxLineLength', 'historySize'],
    ['idleTimeout', 'evalTimeout'],
  ],
  [
    'ManholeFactory',
    (o) => new ManholeFactory(portal, o),
    ['maxSessions', 'maxAttempts', 'maxLineLength', 'maxTypedAhead', 'maxSubnegotiation'],
    ['failureDelay', 'loginTimeout', 'retryDelay', 'maxRetryDelay'],
  ],
  ['SlowingGate', (o) => new SlowingGate(o), [], ['retryDelay', 'maxRetryDelay']],
  [
    'AuthenticatingTelnetProtocol',
    (o) => new AuthenticatingTelnetProtocol(portal, o),
    ['maxAttempts', 'maxLineLength', 'maxTypedAhead'],
    ['failureDelay', 'loginTimeout'],
  ],
  ['Telnet', (o) => new Telnet(o), ['maxNegotiationsPerSecond', 'maxSubnegotiation']],
  [
    'LimitConnectionsByPeer',
    (o) => new LimitConnectionsByPeer(inner(), o),
    ['maxConnectionsPerPeer'],
  ],
  [
    'LimitTotalConnectionsFactory',
    (o) => new LimitTotalConnectionsFactory(inner(), o),
    ['connectionLimit', 'overflowLimit'],
  ],
  [
    'LimitConnectionRate',
    (o) => new LimitConnectionRate(inner(), { rate: 1, ...o }),
    ['burst', 'burstPerPeer', 'maxPeers'],
    [],
    1,
  ],
  [
    'ThrottlingFactory',
    (o) => new ThrottlingFactory(inner(), o),
    ['maxConnectionCount'],
    ['burst'],
  ],
  ['TimeoutFactory', (o) => new TimeoutFactory(inner(), 1, o), [], ['abortTimeout']],
  [
    'TimeoutFactory, its period',
    (o) => new TimeoutFactory(inner(), o['timeoutPeriod'] ?? 0),
    [],
    ['timeoutPeriod'],
  ],
  [
    'ForwardingFactory',
    (o) => new ForwardingFactory(nowhere, o),
    ['maxPending'],
    ['connectTimeout', 'idleTimeout', 'closeTimeout'],
  ],
  ['ProxyFactory', (o) => new ProxyFactory('example.org', 80, o), [], ['idleTimeout']],
  [
    'SOCKSServerFactory',
    (o) => new SOCKSServerFactory(reactor, o),
    ['maxConnections'],
    [
      'handshakeTimeout',
      'failedLoginDelay',
      'connectTimeout',
      'bindTimeout',
      'idleTimeout',
      'closeTimeout',
    ],
  ],
  [
    'SOCKS4ClientEndpoint',
    (o) => new SOCKS4ClientEndpoint(nowhere, 'example.org', 80, o),
    [],
    ['timeout'],
  ],
  [
    'SOCKS5ClientEndpoint',
    (o) => new SOCKS5ClientEndpoint(nowhere, 'example.org', 80, o),
    [],
    ['timeout'],
  ],
  [
    'lines$',
    (o) =>
      lines$(
        new Connection(
          () => {},
          () => {},
        ),
        o as { maxLength: number },
      ),
    ['maxLength'],
  ],
  ['SimpleProducer', (o) => new SimpleProducer('x', o['bufferSize'] ?? 1), ['bufferSize'], [], 1],
  [
    'WebSocketClientFactory',
    (o) => new WebSocketClientFactory('ws://x/', WebSocketProtocol, { reactor, ...o }),
    [],
    ['handshakeTimeout'],
  ],
];

describe('Options that are numbers', () => {
  for (const [what, make, limits, times = [], least = 0] of TAKERS) {
    it(`are refused by ${what} where they make no sense`, () => {
      for (const name of limits) {
        for (const wrong of [Number.NaN, least - 1]) {
          expect(() => make({ [name]: wrong }), `${name} ${wrong}`).to.throw(RangeError, name);
        }
        for (const good of [least, 1000, Number.POSITIVE_INFINITY]) make({ [name]: good });
      }
      for (const name of times) {
        for (const wrong of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
          expect(() => make({ [name]: wrong }), `${name} ${wrong}`).to.throw(RangeError, name);
        }
        for (const good of [0, 0.5, 1000]) make({ [name]: good });
      }
    });
  }

  it('are refused by ask() before it connects', () => {
    for (const wrong of [{ maxLength: Number.NaN }, { timeout: Number.NaN }]) {
      expect(() => ask(nowhere, null, wrong)).to.throw(RangeError);
    }
  });

  it('are refused as text, and by a call of AMP before it asks', () => {
    // biome-ignore lint/suspicious/noExplicitAny: what JavaScript may hand in
    const text: any = { maxBoxKeys: '5' };
    expect(() => new AMP(text)).to.throw(
      RangeError,
      "The option maxBoxKeys must be a number of 0 or more: got '5'",
    );
    expect(() => new AMP().callRemoteString('x', {}, { timeout: Number.NaN })).to.throw(
      RangeError,
      'timeout',
    );
  });

  it('of compression are whole', () => {
    for (const wrong of [{ level: 1.5 }, { windowBits: 9.5 }]) {
      const options = { reactor, compression: wrong };
      expect(() => new WebSocketResource(WebSocketProtocol, options)).to.throw(RangeError, 'whole');
    }
  });
});
