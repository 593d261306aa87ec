import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { expect } from 'chai';
import {
  AllowAnonymousAccess,
  InMemoryUsernamePasswordDatabase,
  LoginFailed,
  Portal,
  type Realm,
} from '../../../src/protocols/cred/index.ts';
import { NonceCounts } from '../../../src/protocols/http/auth/nonce-counts.ts';
import { parseParameters } from '../../../src/protocols/http/auth/parameters.ts';
import {
  BasicCredentialFactory,
  type CredentialFactory,
  DigestCredentialFactory,
  HTTPAuthSessionWrapper,
  IResource,
  type Request,
  Resource,
  Site,
} from '../../../src/protocols/http/index.ts';
import { getProcessOutput, type ListeningPort, reactor } from '../../../src/reactor/index.ts';

class Private extends Resource {
  readonly who: unknown;
  constructor(who: unknown) {
    super();
    this.who = who;
  }
  override getChild(name: string): Resource {
    return name === '' ? this : new Private(`${String(this.who)} at ${name}`);
  }
  override render_GET(): string {
    return `for ${String(this.who)}`;
  }
}

class Realms implements Realm {
  out = 0;
  requestAvatar(avatarId: unknown, _mind: unknown, ...interfaces: unknown[]) {
    if (!interfaces.includes(IResource)) throw new Error('not asked for a resource');
    return [IResource, new Private(avatarId), () => (this.out += 1)] as const;
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly challenges: readonly string[];
}

describe('HTTPAuthSessionWrapper', () => {
  let port: ListeningPort | undefined;
  let realm = new Realms();
  afterEach(async () => {
    await port?.stopListening();
    port = undefined;
  });

  function serve(factories: readonly CredentialFactory[], anonymous = false): number {
    realm = new Realms();
    const portal = new Portal(realm, [
      new InMemoryUsernamePasswordDatabase({ alice: 'wonder', müller: 'schlüssel' }),
    ]);
    if (anonymous) portal.registerChecker(new AllowAnonymousAccess());
    const root = new Resource();
    root.putChild('private', new HTTPAuthSessionWrapper(portal, factories));
    port = reactor.listenTCP(0, new Site(root), { interface: '127.0.0.1' });
    const host = port.getHost();
    if (!('port' in host)) throw new Error('no port');
    return Number(host.port);
  }

  const get = (at: number, path: string, authorization?: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const headers = authorization === undefined ? {} : { authorization };
      httpRequest({ port: at, host: '127.0.0.1', path, headers, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk) => (body += chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body,
            challenges: response.headersDistinct['www-authenticate'] ?? [],
          }),
        );
      })
        .on('error', reject)
        .end();
    });

  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

  const curl = async (...args: string[]): Promise<string> =>
    String(
      await getProcessOutput('curl', ['-s', '--max-time', '10', '-w', '|%{http_code}', ...args]),
    );

  it('answers 401 with a challenge of each scheme to those who say nothing', async () => {
    const at = serve([
      new BasicCredentialFactory('st"aff'),
      new DigestCredentialFactory('SHA-256', 'staff'),
    ]);
    const { status, challenges, body } = await get(at, '/private/');
    expect(status).to.equal(401);
    expect(challenges[0]).to.equal('Basic realm="st\\"aff", charset="UTF-8"');
    expect(challenges[1]).to.match(
      /^Digest realm="staff", qop="auth", algorithm=SHA-256, nonce="[\w-]{43}", opaque="[\w-]{16}", charset="UTF-8"$/,
    );
    expect(body).not.to.contain('staff');
  });

  it('gives those who log in what the realm has for them, at every depth, and logs them out', async () => {
    const at = serve([new BasicCredentialFactory('staff')]);
    expect(await get(at, '/private', basic('alice:wonder'))).to.include({
      status: 200,
      body: 'for alice',
    });
    expect((await get(at, '/private/', basic('alice:wonder'))).body).to.equal('for alice');
    expect((await get(at, '/private/a/b', basic('müller:schlüssel'))).body).to.equal(
      'for müller at a at b',
    );
    expect(realm.out).to.equal(3);
  });

  for (const [title, header] of [
    ['a wrong password', basic('alice:wonders')],
    ['an unknown user', basic('mallory:wonder')],
    ['no colon', basic('alice')],
    ['what is not base64', 'Basic !!!'],
    ['nothing after the scheme', 'Basic'],
    ['another scheme', 'Bearer abc'],
    ['digest parameters that are none', 'Digest ,,,=,'],
  ] as const) {
    it(`answers 401 to ${title}`, async () => {
      const at = serve([new BasicCredentialFactory('s'), new DigestCredentialFactory('MD5', 's')]);
      const { status, challenges } = await get(at, '/private/', header);
      expect(status).to.equal(401);
      expect(challenges).to.have.length(2);
      expect(realm.out).to.equal(0);
    });
  }

  it('lets nobody in particular in when the portal does, but nobody with a wrong password', async () => {
    const at = serve([new BasicCredentialFactory('staff')], true);
    expect((await get(at, '/private/')).body).to.equal('for Symbol(anonymous)');
    expect((await get(at, '/private/', basic('alice:x'))).status).to.equal(401);
  });

  it('answers 500 when the realm fails, and says nothing of it', async () => {
    const broken: Realm = {
      requestAvatar: () => {
        throw new Error('the secret reason');
      },
    };
    const portal = new Portal(broken, [new InMemoryUsernamePasswordDatabase({ alice: 'wonder' })]);
    const { setUnhandledFailureHandler } = await import('../../../src/deferred/index.ts');
    const reported: unknown[] = [];
    const before = setUnhandledFailureHandler((failure) => reported.push(failure));
    try {
      port = reactor.listenTCP(
        0,
        new Site(new HTTPAuthSessionWrapper(portal, [new BasicCredentialFactory('s')])),
        { interface: '127.0.0.1' },
      );
      const host = port.getHost();
      const answer = await get('port' in host ? Number(host.port) : 0, '/', basic('alice:wonder'));
      expect(answer.status).to.equal(500);
      expect(answer.body).not.to.contain('secret');
      expect(reported).to.have.length(1);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('lets curl in by Basic and by Digest', async () => {
    for (const algorithm of ['MD5', 'SHA-256']) {
      const at = serve([
        new DigestCredentialFactory(algorithm, 'staff'),
        new BasicCredentialFactory('staff'),
      ]);
      const url = `http://127.0.0.1:${at}/private/x?y=1`;
      expect(await curl('-u', 'alice:wonder', url)).to.equal('for alice at x|200');
      expect(await curl('--digest', '-u', 'alice:wonder', url)).to.equal('for alice at x|200');
      expect(await curl('--digest', '-u', 'alice:wonder', url, url)).to.equal(
        'for alice at x|200for alice at x|200',
      );
      expect(await curl('--digest', '-u', 'alice:no', url)).to.match(/\|401$/);
      await port?.stopListening();
    }
  });

  it("lets Python's urllib in by Digest", async () => {
    const at = serve([new DigestCredentialFactory('md5', 'staff')]);
    const script = `
import urllib.request as u
h = u.HTTPDigestAuthHandler()
h.add_password('staff', 'http://127.0.0.1:${at}/', 'alice', 'wonder')
o = u.build_opener(h)
for i in range(3): print(o.open('http://127.0.0.1:${at}/private/x', timeout=10).read().decode())`;
    const said = String(await getProcessOutput('python3', ['-c', script]));
    expect(said.trim().split('\n')).to.deep.equal(Array(3).fill('for alice at x'));
  });

  describe('by Digest', () => {
    let now = 1000;
    const md5 = (text: string) => createHash('md5').update(text).digest('hex');

    /** What a client that knows the password says to a challenge. */
    function answer(
      challenge: string,
      changes: Readonly<Record<string, string>> = {},
      uri = '/private/',
      password = 'wonder',
    ): string {
      const { nonce = '', opaque = '' } = Object.fromEntries(
        parseParameters(challenge.slice('Digest '.length)) ?? [],
      );
      const count = changes['nc'] ?? '00000001';
      const fields: Record<string, string> = {
        username: 'alice',
        realm: 'staff',
        nonce,
        uri,
        qop: 'auth',
        nc: count,
        cnonce: 'c',
        opaque,
        algorithm: 'MD5',
        response: md5(
          `${md5(`alice:staff:${password}`)}:${nonce}:${count}:c:auth:${md5(`GET:${uri}`)}`,
        ),
        ...changes,
      };
      return `Digest ${Object.entries(fields)
        .map(([name, value]) => `${name}="${value}"`)
        .join(', ')}`;
    }

    async function challenged(): Promise<[at: number, challenge: string]> {
      now = 1000;
      const at = serve([
        new DigestCredentialFactory('MD5', 'staff', { now: () => now, maxNonces: 3 }),
      ]);
      const { challenges } = await get(at, '/private/');
      return [at, challenges[0] ?? ''];
    }

    it('takes each count of a nonce once, in any order, and says that it is stale', async () => {
      const [at, challenge] = await challenged();
      const second = answer(challenge, { nc: '00000002' });
      expect((await get(at, '/private/', second)).status).to.equal(200);
      expect((await get(at, '/private/', answer(challenge))).status).to.equal(200);
      const { status, challenges } = await get(at, '/private/', second);
      expect(status).to.equal(401);
      expect(challenges[0]).to.match(/, stale=true$/);
    });

    it('takes no nonce that is older than its life, and says that it is stale', async () => {
      const [at, challenge] = await challenged();
      now += 900;
      expect((await get(at, '/private/', answer(challenge))).status).to.equal(200);
      now += 1;
      const { status, challenges } = await get(
        at,
        '/private/',
        answer(challenge, { nc: '00000002' }),
      );
      expect(status).to.equal(401);
      expect(challenges[0]).to.match(/, stale=true$/);
    });

    it('takes no nonce that was made in the future: a clock that was set back has made it', async () => {
      const [at, challenge] = await challenged();
      now -= 1;
      const { status, challenges } = await get(at, '/private/', answer(challenge));
      expect(status).to.equal(401);
      expect(challenges[0]).to.match(/, stale=true$/);
    });

    it('takes none that it has forgotten', async () => {
      const [at, first] = await challenged();
      await get(at, '/private/', answer(first));
      for (let more = 0; more < 3; more++) {
        now += 1;
        const { challenges } = await get(at, '/private/');
        expect((await get(at, '/private/', answer(challenges[0] ?? ''))).status).to.equal(200);
      }
      expect((await get(at, '/private/', answer(first))).status).to.equal(401);
    });

    for (const [title, changes, uri] of [
      ['another target than was asked for', { uri: '/other' }, '/private/'],
      ['a nonce of its own', { nonce: 'x'.repeat(43) }, '/private/'],
      ['an algorithm of its own', { algorithm: 'SHA-256' }, '/private/'],
      ['no qop', { qop: '' }, '/private/'],
      ['a wrong digest', { response: '0'.repeat(32) }, '/private/'],
      ['a short digest', { response: '0' }, '/private/'],
      ['a bad count', { nc: 'x' }, '/private/'],
      ['another realm', { realm: 'x' }, '/private/'],
      ['another opaque', { opaque: 'x' }, '/private/'],
    ] as const) {
      it(`answers 401 to ${title}`, async () => {
        const [at, challenge] = await challenged();
        expect((await get(at, '/private/', answer(challenge, changes, uri))).status).to.equal(401);
        expect((await get(at, '/private/', answer(challenge))).status).to.equal(200);
      });
    }

    it('takes no nonce that another address was given', () => {
      const factory = new DigestCredentialFactory('MD5', 'staff');
      // Only what a factory asks of a request.
      const from = (host: string) =>
        ({ getClientIP: () => host, uri: '/private/', method: 'GET' }) as unknown as Request;
      const { nonce = '', opaque = '' } = factory.getChallenge(from('10.0.0.1'));
      const said = answer(`Digest nonce="${nonce}", opaque="${opaque}"`).slice(7);
      expect(() => factory.decode(said, from('10.0.0.2'))).to.throw(LoginFailed, /unknown nonce/);
      expect(factory.decode(said, from('10.0.0.1')).username).to.equal('alice');
    });
  });
});

describe('DigestCredentialFactory', () => {
  it('throws TypeError for an algorithm that nobody has', () => {
    expect(() => new DigestCredentialFactory('sha1', 'x')).to.throw(TypeError, /"sha1"/);
  });
});

describe('parseParameters()', () => {
  it('reads tokens and quoted strings', () => {
    expect([...(parseParameters('a=1, B="x, \\"y\\" \\\\",c = "" ') ?? [])]).to.deep.equal([
      ['a', '1'],
      ['b', 'x, "y" \\'],
      ['c', ''],
    ]);
    expect(parseParameters('')).to.have.property('size', 0);
  });

  it('gives null for what is none, and for a name that is there twice', () => {
    for (const bad of ['a', 'a=', '="x"', 'a="x', 'a=1 b=2', 'a=1, A=2', 'a="x"y', 'a=1;b=2=']) {
      expect(parseParameters(bad), bad).to.equal(null);
    }
  });
});

describe('NonceCounts', () => {
  it('takes counts once, within 64 of the highest', () => {
    const counts = new NonceCounts(10);
    expect(counts.use('n', 100)).to.equal(true);
    expect(counts.use('n', 100)).to.equal(false);
    expect(counts.use('n', 37)).to.equal(true);
    expect(counts.use('n', 37)).to.equal(false);
    expect(counts.use('n', 36)).to.equal(false);
    expect(counts.use('n', 101)).to.equal(true);
    expect(counts.use('n', 100)).to.equal(false);
    expect(counts.use('n', 38)).to.equal(true);
    expect(counts.use('n', 1000)).to.equal(true);
    expect(counts.use('n', 101)).to.equal(false);
    expect(counts.use('n', 999)).to.equal(true);
  });
});
