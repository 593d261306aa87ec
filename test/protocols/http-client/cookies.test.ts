/** Cookies: which are kept, and where they go. */
import { expect } from 'chai';
import { CookieAgent, CookieJar } from '../../../src/protocols/http/client/index.ts';
import { errorOf, Memory, ok } from './memory.ts';

/** What is sent to `uri`, with what is in `jar`. */
async function asked(jar: CookieJar, uri: string, headers: Record<string, string> = {}) {
  const memory = new Memory();
  const response = new CookieAgent(memory.agent, jar).request('GET', uri, headers);
  await jar.cookiesFor(uri);
  await Promise.resolve();
  while (memory.server.connections.length === 0) await Promise.resolve();
  const sent = memory.connection.heard();
  const cookie = /^Cookie: (.*)\r$/m.exec(sent)?.[1] ?? '';
  return { memory, response, cookie };
}

/** A jar after a response from `uri` that sets these. */
async function jarWith(uri: string, ...lines: string[]): Promise<CookieJar> {
  const jar = new CookieJar();
  const { memory, response } = await asked(jar, uri);
  memory.connection.say(ok('', ...lines.map((line) => `Set-Cookie: ${line}`)));
  await response;
  return jar;
}

describe('CookieAgent', () => {
  it('sends back what a response has set', async () => {
    const jar = await jarWith('http://www.example.com/a/b', 'x=1', 'y=2; Path=/c', 'z=3; Path=/');
    expect((await asked(jar, 'http://www.example.com/a/d')).cookie).to.equal('x=1; z=3');
    expect((await asked(jar, 'http://www.example.com/c/')).cookie).to.equal('y=2; z=3');
    expect((await asked(jar, 'http://example.com/')).cookie).to.equal('');
  });

  for (const [what, from, line, to, sent] of [
    [
      'a domain goes to its hosts',
      'http://www.example.com/',
      'a=b; Domain=example.com',
      'http://x.example.com/',
      true,
    ],
    [
      'a domain goes to no other',
      'http://www.example.com/',
      'a=b; Domain=example.com',
      'http://badexample.com/',
      false,
    ],
    [
      'another domain is refused',
      'http://www.example.com/',
      'a=b; Domain=other.com',
      'http://other.com/',
      false,
    ],
    [
      'a public suffix is refused',
      'http://www.example.co.uk/',
      'a=b; Domain=co.uk',
      'http://other.co.uk/',
      false,
    ],
    [
      'a top-level domain is refused',
      'http://www.example.com/',
      'a=b; Domain=com',
      'http://other.com/',
      false,
    ],
    [
      'a private suffix is refused',
      'http://a.github.io/',
      'a=b; Domain=github.io',
      'http://b.github.io/',
      false,
    ],
    [
      'Secure goes to https',
      'https://www.example.com/',
      'a=b; Secure',
      'https://www.example.com/',
      true,
    ],
    [
      'Secure goes not to http',
      'https://www.example.com/',
      'a=b; Secure',
      'http://www.example.com/',
      false,
    ],
    [
      'what has expired is dropped',
      'http://www.example.com/',
      'a=b; Max-Age=0',
      'http://www.example.com/',
      false,
    ],
    [
      '__Host- wants its conditions',
      'https://www.example.com/',
      '__Host-a=b; Path=/',
      'https://www.example.com/',
      false,
    ],
    [
      '__Host- with its conditions',
      'https://www.example.com/',
      '__Host-a=b; Path=/; Secure',
      'https://www.example.com/',
      true,
    ],
    ['a port is no matter', 'http://www.example.com/', 'a=b', 'http://www.example.com:81/', true],
    ['an address keeps its own', 'http://127.0.0.1/', 'a=b', 'http://127.0.0.1/', true],
    [
      'a line that is too long is dropped',
      'http://www.example.com/',
      `a=${'b'.repeat(5000)}`,
      'http://www.example.com/',
      false,
    ],
  ] as const) {
    it(`knows the rules: ${what}`, async () => {
      const jar = await jarWith(from, line);
      expect((await asked(jar, to)).cookie !== '').to.equal(sent);
    });
  }

  it('leaves a Cookie of the caller as it is', async () => {
    const jar = await jarWith('http://www.example.com/', 'x=1');
    expect((await asked(jar, 'http://www.example.com/', { Cookie: 'mine=1' })).cookie).to.equal(
      'mine=1',
    );
  });

  it('does not mind cookies that make no sense', async () => {
    const jar = await jarWith('http://www.example.com/', '=;=', ';', 'ok=1');
    expect((await asked(jar, 'http://www.example.com/')).cookie).to.include('ok=1');
  });

  it('fails for what is no URI', async () => {
    const agent = new CookieAgent(new Memory().agent, new CookieJar());
    expect(await errorOf(agent.request('GET', 'nonsense'))).to.have.property(
      'code',
      'ERR_HTTP_INVALID_URI',
    );
  });

  it('ends the request when it is cancelled', async () => {
    const { memory, response } = await asked(new CookieJar(), 'http://www.example.com/');
    response.cancel();
    await errorOf(response);
    expect(memory.connection.aborted).to.equal(true);
  });
});

describe('CookieJar', () => {
  it('takes so many from one response, and keeps so many in all', async () => {
    const jar = new CookieJar({ maxPerResponse: 3, maxCookies: 4 });
    const uri = 'http://www.example.com/';
    await jar.keep(uri, ['a=1', 'b=1', 'c=1', 'd=1']);
    expect(await jar.cookiesFor(uri)).to.equal('a=1; b=1; c=1');
    await jar.keep(uri, ['e=1', 'f=1', 'g=1']);
    expect((await jar.cookiesFor(uri)).split('; ')).to.have.lengthOf(4);
  });

  it('can be written down and read again, and emptied', async () => {
    const jar = await jarWith('http://www.example.com/', 'x=1');
    const again = await CookieJar.fromJSON(JSON.parse(JSON.stringify(await jar.toJSON())));
    expect(await again.cookiesFor('http://www.example.com/')).to.equal('x=1');
    await again.clear();
    expect(await again.cookiesFor('http://www.example.com/')).to.equal('');
  });
});
