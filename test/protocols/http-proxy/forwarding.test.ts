import { expect } from 'chai';
import { Deferred } from '../../../src/deferred/index.ts';
import { Backend, Balancer } from '../../../src/protocols/http/proxy/balancing.ts';
import {
  type Asker,
  passResponseFields,
  requestFields,
} from '../../../src/protocols/http/proxy/forwarding.ts';
import { HealthChecks } from '../../../src/protocols/http/proxy/health.ts';
import { Clock } from '../support.ts';

const ASKER: Asker = { ip: '192.0.2.1', host: 'front.example', secure: false, trusted: false };
const OPTIONS = { style: 'none', via: null, versionMinor: 1, upgrade: null } as const;

function passed(raw: string[], asker: Partial<Asker> = {}, options = {}): string[] {
  return requestFields(raw, 'back', { ...ASKER, ...asker }, { ...OPTIONS, ...options });
}

describe('Fields of a request', () => {
  it('go on as they are, in their order, with the backend for Host', () => {
    const raw = ['Host', 'front', 'Accept', '*/*', 'X-A', '1', 'Cookie', 'a=b', 'x-a', '2'];
    expect(passed(raw)).to.deep.equal([
      'Host',
      'back',
      'Accept',
      '*/*',
      'X-A',
      '1',
      'Cookie',
      'a=b',
      'x-a',
      '2',
    ]);
  });

  it('stay behind when they are for one hop only', () => {
    const raw = [
      ...['Connection', 'keep-alive, X-Secret', 'Keep-Alive', 'timeout=5', 'X-Secret', '1'],
      ...[
        'TE',
        'trailers',
        'Transfer-Encoding',
        'chunked',
        'Upgrade',
        'h2c',
        'HTTP2-Settings',
        'x',
      ],
      ...['Proxy-Authorization', 'Basic x', 'Proxy-Connection', 'keep-alive'],
      ...[
        'Content-Length',
        '5',
        'Expect',
        '100-continue',
        'cONNECTION',
        'close,x-other',
        'X-Other',
        'y',
      ],
      ...['X-Stays', 'z'],
    ];
    expect(passed(raw)).to.deep.equal(['Host', 'back', 'X-Stays', 'z']);
  });

  it('cannot have what this proxy says taken out by being listed in Connection', () => {
    const raw = ['Connection', 'X-Forwarded-For, Host, Via', 'X-Forwarded-For', '6.6.6.6'];
    expect(passed(raw, {}, { style: 'x-forwarded', via: 'strand' })).to.deep.equal([
      ...['Host', 'back', 'Via', '1.1 strand'],
      ...[
        'X-Forwarded-For',
        '192.0.2.1',
        'X-Forwarded-Proto',
        'http',
        'X-Forwarded-Host',
        'front.example',
      ],
    ]);
  });

  const LIES = [
    ...['X-Forwarded-For', '6.6.6.6', 'X-Forwarded-Proto', 'https', 'X-Forwarded-Host', 'evil'],
    ...['Forwarded', 'for=6.6.6.6', 'X-Real-IP', '6.6.6.6', 'x-forwarded-port', '1'],
  ];

  it('that say who asked are not believed, in any style', () => {
    for (const style of ['x-forwarded', 'forwarded', 'both', 'none']) {
      const fields = passed(LIES, {}, { style }).join(' ');
      expect(fields, style).to.not.match(/6\.6\.6\.6|evil|https|Port|Real/i);
    }
  });

  it('that say who asked are added to where they are believed', () => {
    expect(passed(LIES, { trusted: true }, { style: 'both' })).to.deep.equal([
      ...['Host', 'back', 'X-Forwarded-For', '6.6.6.6, 192.0.2.1', 'X-Forwarded-Proto', 'https'],
      ...[
        'X-Forwarded-Host',
        'evil',
        'Forwarded',
        'for=6.6.6.6, for=192.0.2.1;proto=http;host=front.example',
      ],
    ]);
    expect(passed(LIES, { trusted: true }, { style: 'none' })).to.deep.equal([
      'Host',
      'back',
      ...LIES,
    ]);
  });

  it('quote in Forwarded what has to be', () => {
    const [, , , value] = passed(
      [],
      { ip: '2001:db8::1', host: 'a:8080', secure: true },
      { style: 'forwarded' },
    );
    expect(value).to.equal('for="[2001:db8::1]";proto=https;host="a:8080"');
    const [, , , none] = passed([], { ip: null, host: null }, { style: 'forwarded' });
    expect(none).to.equal('for=unknown;proto=http');
  });

  it('say in Via who passed them on', () => {
    const raw = ['Via', '1.0 fred', 'Via', '1.1 p.example'];
    const options = { via: 'strand', versionMinor: 0 };
    expect(passed(raw, {}, options)).to.deep.equal([
      'Host',
      'back',
      'Via',
      '1.0 fred, 1.1 p.example, 1.0 strand',
    ]);
  });
});

describe('Fields of a response', () => {
  it('go on but for those of one hop', () => {
    const out: string[] = [];
    const raw = [
      'Connection',
      'close, x-hop',
      'X-Hop',
      '1',
      'Set-Cookie',
      'a',
      'Set-Cookie',
      'b',
      'Keep-Alive',
      'x',
      'Upgrade',
      'y',
    ];
    passResponseFields(raw, (name, value) => out.push(name, value));
    expect(out).to.deep.equal(['Set-Cookie', 'a', 'Set-Cookie', 'b']);
  });
});

describe('Balancer', () => {
  const three = (): Backend[] =>
    ['a', 'b', 'c'].map((name) => new Backend(name, name, { connect: () => new Deferred() }));
  const LIMITS = { maxFails: 2, failTimeout: 10 };
  const picks = (balancer: Balancer, count: number): string =>
    Array.from({ length: count }, () => balancer.pick()?.authority ?? '-').join('');

  it('takes each in turn', () => {
    expect(picks(new Balancer(three(), 'round-robin', LIMITS, new Clock()), 7)).to.equal('abcabca');
  });

  it('or the one with the least to do, and in turn those that have the same', () => {
    const backends = three();
    const balancer = new Balancer(backends, 'least-connections', LIMITS, new Clock());
    expect(picks(balancer, 4)).to.equal('abca');
    for (const [at, active] of [3, 1, 2].entries()) Object.assign(backends[at] ?? {}, { active });
    expect(picks(balancer, 3)).to.equal('bbb');
  });

  it('leaves one alone that failed several times in a row, for a while', () => {
    const clock = new Clock();
    const backends = three();
    const [a] = backends as [Backend];
    const balancer = new Balancer(backends, 'round-robin', LIMITS, clock);
    balancer.failed(a);
    expect(picks(balancer, 3)).to.equal('abc');
    balancer.succeeded(a);
    balancer.failed(a);
    balancer.failed(a);
    expect(picks(balancer, 4)).to.equal('bcbc');
    clock.advance(10);
    expect(picks(balancer, 3)).to.contain('a');
    balancer.failed(a);
    expect(picks(balancer, 4)).to.not.contain('a');
    clock.advance(10);
    balancer.succeeded(a);
    balancer.failed(a);
    expect(picks(balancer, 3)).to.contain('a');
  });

  it('asks them all the same when all have failed, but not those that this request tried', () => {
    const backends = three();
    const balancer = new Balancer(backends, 'round-robin', LIMITS, new Clock());
    for (const backend of backends) for (let n = 0; n < 2; n += 1) balancer.failed(backend);
    expect(picks(balancer, 3)).to.equal('abc');
    const tried = new Set(backends.slice(0, 2));
    expect(balancer.pick(tried)?.authority).to.equal('c');
    expect(balancer.pick(new Set(backends))).to.equal(null);
  });

  it('never asks one that is ill', () => {
    const backends = three();
    const balancer = new Balancer(backends, 'round-robin', LIMITS, new Clock());
    for (const backend of backends) backend.healthy = backend.authority === 'b';
    expect(picks(balancer, 3)).to.equal('bbb');
    for (const backend of backends) backend.healthy = false;
    expect(picks(balancer, 1)).to.equal('-');
  });
});

describe('HealthChecks', () => {
  it('tell the ill from the healthy, after several answers in a row that say so', () => {
    const clock = new Clock();
    const backend = new Backend('a:80', 'a', { connect: () => new Deferred() });
    let asked: Deferred<unknown>[] = [];
    const requests: unknown[] = [];
    const pool = {
      request: (_key: string, _endpoint: unknown, request: unknown) => {
        requests.push(request);
        const deferred = new Deferred<unknown>();
        asked.push(deferred);
        return deferred;
      },
    };
    const options = { path: '/up', interval: 10, timeout: 3, unhealthyAfter: 2, healthyAfter: 2 };
    const checks = new HealthChecks(pool as never, clock, [backend], options);
    const answer = (status: number | null): boolean => {
      for (const deferred of asked.splice(0)) {
        if (status === null) deferred.errback(new Error('refused'));
        else deferred.callback({ code: status, discard: () => {} });
      }
      clock.advance(10);
      return backend.healthy;
    };
    checks.start();
    expect(requests[0]).to.deep.include({ method: 'GET', target: '/up', host: 'a:80' });
    expect([200, 500, 200, 503, null, 200, 404, 200, 204, null].map(answer)).to.deep.equal([
      ...[true, true, true, true, false, false, false, false, true, true],
    ]);
    // One that does not answer is not asked again before it has.
    clock.advance(10);
    clock.advance(10);
    expect(asked).to.have.length(1);
    checks.stop();
    asked = [];
    clock.advance(100);
    expect(asked).to.have.length(0);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });
});
