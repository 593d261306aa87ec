/** Wrappers that set header fields: CORS, and what protects users of a site. */
import { expect } from 'chai';
import {
  type CORSOptions,
  CORSResourceWrapper,
  Data,
  type IResource,
  type Request,
  Resource,
  SecurityHeadersWrapper,
} from '../../../../src/protocols/http/index.ts';
import { type Answer, Serving } from '../serving.ts';

class Api extends Resource {
  override isLeaf = true;
  asked = 0;

  override render_GET(request: Request): string {
    this.asked += 1;
    if (request.isSecure()) request.setHeader('X-Secure', 'yes');
    return 'data';
  }

  override render_OPTIONS(): string {
    this.asked += 1;
    return 'own';
  }
}

describe('CORSResourceWrapper', () => {
  const open: Serving[] = [];
  let api: Api;

  afterEach(async () => {
    for (const serving of open.splice(0)) await serving.close();
  });

  function serve(options: CORSOptions): Serving {
    const root = new Resource();
    api = new Api();
    root.putChild('api', api);
    const serving = new Serving(new CORSResourceWrapper(root, options));
    open.push(serving);
    return serving;
  }

  function preflight(serving: Serving, origin: string, headers = {}): Promise<Answer> {
    return serving.ask('/api', {
      method: 'OPTIONS',
      headers: { Origin: origin, 'Access-Control-Request-Method': 'PUT', ...headers },
    });
  }

  const GOOD = 'https://good.example';

  it('lets named origins read', async () => {
    const serving = serve({ origins: [GOOD], exposedHeaders: ['X-Total', 'ETag'] });
    const { headers, text } = await serving.ask('/api', { headers: { Origin: GOOD } });
    expect(text).to.equal('data');
    expect(headers['access-control-allow-origin']).to.equal(GOOD);
    expect(headers['access-control-expose-headers']).to.equal('X-Total, ETag');
    expect(headers).to.not.have.property('access-control-allow-credentials');
    expect(headers.vary).to.equal('Origin');
  });

  it('says nothing to others, but that it varies', async () => {
    const serving = serve({ origins: [GOOD] });
    for (const origin of [
      undefined,
      'null',
      'https://evil.example',
      'https://good.example.evil.example',
      'http://good.example',
      'https://good.example:444',
    ]) {
      const { status, headers } = await serving.ask('/api', {
        headers: origin === undefined ? {} : { Origin: origin },
      });
      expect(status).to.equal(200);
      expect(headers, String(origin)).to.not.have.property('access-control-allow-origin');
      expect(headers.vary).to.equal('Origin');
    }
  });

  it('answers what browsers ask before, without the resource', async () => {
    const serving = serve({
      origins: [GOOD],
      methods: ['PUT'],
      headers: ['X-A', 'X-B'],
      maxAge: 60,
    });
    const { status, headers, text } = await preflight(serving, GOOD);
    expect([status, text]).to.deep.equal([204, '']);
    expect(headers['access-control-allow-origin']).to.equal(GOOD);
    expect(headers['access-control-allow-methods']).to.equal('GET, HEAD, POST, PUT');
    expect(headers['access-control-allow-headers']).to.equal('X-A, X-B');
    expect(headers['access-control-max-age']).to.equal('60');
    const evil = await preflight(serving, 'https://evil.example');
    expect(evil.status).to.equal(204);
    expect(Object.keys(evil.headers).filter((name) => name.startsWith('access-'))).to.deep.equal(
      [],
    );
    expect(api.asked).to.equal(0);
  });

  it('leaves other OPTIONS to the resource', async () => {
    const serving = serve({ origins: [GOOD] });
    expect((await serving.ask('/api', { method: 'OPTIONS' })).text).to.equal('own');
    const answer = await serving.ask('/api', { method: 'OPTIONS', headers: { Origin: GOOD } });
    expect(answer.text).to.equal('own');
  });

  it('refuses a time that is none', () => {
    for (const maxAge of [-1, 1.5, Number.NaN]) {
      expect(() => new CORSResourceWrapper(new Api(), { origins: '*', maxAge })).to.throw(
        RangeError,
        'maxAge',
      );
    }
  });

  it('lets all read with *, which then does not vary', async () => {
    const { headers } = await serve({ origins: '*' }).ask('/api', { headers: { Origin: GOOD } });
    expect(headers['access-control-allow-origin']).to.equal('*');
    expect(headers).to.not.have.property('vary');
  });

  it('lets whatever fields be sent with *, by naming those that are asked for', async () => {
    const serving = serve({ origins: [GOOD], headers: '*' });
    const asked = { 'Access-Control-Request-Headers': 'authorization, x-own' };
    const { headers } = await preflight(serving, GOOD, asked);
    expect(headers['access-control-allow-headers']).to.equal('authorization, x-own');
    expect(headers.vary).to.equal('Origin, Access-Control-Request-Headers');
  });

  it('allows credentials to named origins, never to all', async () => {
    const serving = serve({ origins: (origin) => origin === GOOD, credentials: true });
    const { headers } = await serving.ask('/api', { headers: { Origin: GOOD } });
    expect(headers['access-control-allow-credentials']).to.equal('true');
    const evil = await serving.ask('/api', { headers: { Origin: 'null' } });
    expect(evil.headers).to.not.have.property('access-control-allow-credentials');
    expect(() => new CORSResourceWrapper(api, { origins: '*', credentials: true })).to.throw(
      TypeError,
    );
  });

  it('says so on pages of errors, too', async () => {
    const { status, headers } = await serve({ origins: [GOOD] }).ask('/nothing', {
      headers: { Origin: GOOD },
    });
    expect(status).to.equal(404);
    expect(headers['access-control-allow-origin']).to.equal(GOOD);
  });
});

describe('SecurityHeadersWrapper', () => {
  const open: Serving[] = [];

  afterEach(async () => {
    for (const serving of open.splice(0)) await serving.close();
  });

  function serve(resource: IResource): Serving {
    const serving = new Serving(resource);
    open.push(serving);
    return serving;
  }

  it('sets what protects users, below it and on pages of errors', async () => {
    const root = new Resource();
    root.putChild('a', new Data('x', 'text/plain'));
    const serving = serve(new SecurityHeadersWrapper(root));
    for (const path of ['/a', '/nothing']) {
      const { headers } = await serving.ask(path);
      expect(headers['x-content-type-options']).to.equal('nosniff');
      expect(headers['content-security-policy']).to.include("default-src 'self'");
      expect(headers['x-frame-options']).to.equal('SAMEORIGIN');
      expect(headers['referrer-policy']).to.equal('strict-origin-when-cross-origin');
      expect(headers['cross-origin-opener-policy']).to.equal('same-origin');
      expect(headers['cross-origin-resource-policy']).to.equal('same-origin');
      // In clear there is nothing to be strict about.
      expect(headers).to.not.have.property('strict-transport-security');
    }
  });

  it('says Strict-Transport-Security under TLS', async () => {
    class Secure extends SecurityHeadersWrapper {
      protected override prepare(request: Request): null {
        request.setHost('example.org', 443, true);
        return super.prepare(request);
      }
    }
    const ask = async (wrapper: IResource): Promise<string | undefined> =>
      (await serve(wrapper).ask('/')).headers['strict-transport-security'] as string | undefined;
    expect(await ask(new Secure(new Api()))).to.equal('max-age=15552000');
    const more = { strictTransportSecurity: 60, includeSubDomains: true };
    expect(await ask(new Secure(new Api(), more))).to.equal('max-age=60; includeSubDomains');
    expect(await ask(new Secure(new Api(), { strictTransportSecurity: null }))).to.equal(undefined);
  });

  it('leaves fields out, and has others, as options want', async () => {
    const serving = serve(
      new SecurityHeadersWrapper(new Api(), {
        contentSecurityPolicy: null,
        frameOptions: 'DENY',
        permissionsPolicy: 'camera=()',
      }),
    );
    const { headers } = await serving.ask('/');
    expect(headers).to.not.have.property('content-security-policy');
    expect(headers['x-frame-options']).to.equal('DENY');
    expect(headers['permissions-policy']).to.equal('camera=()');
  });

  it('leaves the last word to a wrapper further in', async () => {
    const inner = new SecurityHeadersWrapper(new Api(), { frameOptions: 'DENY' });
    const { headers } = await serve(new SecurityHeadersWrapper(inner)).ask('/');
    expect(headers['x-frame-options']).to.equal('DENY');
  });

  it('leaves the last word to the resource', async () => {
    class Own extends Api {
      override render_GET(request: Request): string {
        request.setHeader('Content-Security-Policy', "default-src 'none'");
        return '';
      }
    }
    const { headers } = await serve(new SecurityHeadersWrapper(new Own())).ask('/');
    expect(headers['content-security-policy']).to.equal("default-src 'none'");
  });

  it('refuses times that are none', () => {
    expect(() => new SecurityHeadersWrapper(new Api(), { strictTransportSecurity: 1.5 })).to.throw(
      RangeError,
      '1.5',
    );
  });
});
