/** Redirects: which are followed, how, and what does not go along. */
import { expect } from 'chai';
import {
  BrowserLikeRedirectAgent,
  InfiniteRedirection,
  RedirectAgent,
  RedirectNotFollowed,
  type RedirectOptions,
  RedirectWithNoLocation,
  RequestTimeoutError,
} from '../../../src/protocols/http/client/index.ts';
import { failureResultOf, Memory, ok, successResultOf } from './memory.ts';

function moved(code: number, location: string): string {
  return `HTTP/1.1 ${code} Moved\r\nLocation: ${location}\r\nContent-Length: 4\r\n\r\ngone`;
}

function client(options?: RedirectOptions, Class = RedirectAgent) {
  const memory = new Memory({ maxPersistentPerHost: 5 });
  return { memory, agent: new Class(memory.agent, { clock: memory.clock, ...options }) };
}

function browser(options?: RedirectOptions) {
  return client(options, BrowserLikeRedirectAgent);
}

/** Answers, and lets the client go on. */
async function say(memory: Memory, text: string): Promise<void> {
  memory.connection.say(text);
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

/** The first line of what was sent last. */
function line(memory: Memory): string {
  return memory.connection.heard().split('\r\n')[0] ?? '';
}

describe('RedirectAgent', () => {
  for (const code of [301, 302, 303, 307, 308]) {
    for (const method of ['GET', 'HEAD']) {
      it(`follows ${code} of ${method} by ${method}`, async () => {
        const { memory, agent } = client();
        const asked = agent.request(method, 'http://host/a');
        memory.connection.heard();
        await say(
          memory,
          method === 'HEAD' ? moved(code, '/b').replace('gone', '') : moved(code, '/b'),
        );
        expect(line(memory)).to.equal(`${method} /b HTTP/1.1`);
        expect(memory.server.connections).to.have.lengthOf(1);
        memory.connection.say(method === 'HEAD' ? ok() : ok('x'));
        const response = successResultOf(asked);
        expect(response.code).to.equal(200);
        expect(response.request.absoluteURI).to.equal('http://host/b');
        expect(response.previousResponse?.code).to.equal(code);
      });
    }
  }

  for (const code of [301, 302, 307, 308]) {
    it(`does not repeat a POST for ${code}`, async () => {
      const { memory, agent } = client();
      const asked = agent.request('POST', 'http://host/a', null, 'body');
      await say(memory, moved(code, '/b'));
      const { value } = failureResultOf(asked, RedirectNotFollowed);
      expect((value as RedirectNotFollowed).response.code).to.equal(code);
      expect((value as RedirectNotFollowed).location).to.equal('/b');
    });
  }

  it('follows 303 of POST by GET, without the body and what is said about it', async () => {
    const { memory, agent } = client();
    agent.request('POST', 'http://host/a', { 'Content-Type': 'text/plain', 'X-A': 'b' }, 'body');
    memory.connection.heard();
    await say(memory, moved(303, '/b'));
    expect(memory.connection.heard()).to.equal('GET /b HTTP/1.1\r\nHost: host\r\nX-A: b\r\n\r\n');
  });

  it('hands on what is no redirect', async () => {
    for (const code of [200, 300, 304, 305, 404]) {
      const { memory, agent } = client();
      const asked = agent.request('GET', 'http://host/');
      await say(memory, `HTTP/1.1 ${code} X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n`);
      expect(successResultOf(asked).code).to.equal(code);
    }
  });

  for (const [from, location, to] of [
    ['http://host/a/b?c', 'd', 'http://host/a/d'],
    ['http://host/a/b?c', '?d', 'http://host/a/b?d'],
    ['http://host/a/b', '//other/x', 'http://other/x'],
    ['http://host/a/b', '../../../c', 'http://host/c'],
    ['http://host/a', 'https://host/b#fragment', 'https://host/b'],
    ['http://host/a', 'http://user:password@host/b', 'http://host/b'],
  ] as const) {
    it(`goes from ${from} by ${location} to ${to}`, async () => {
      const { memory, agent } = client();
      const asked = agent.request('GET', from);
      await say(memory, moved(302, location));
      expect(memory.connection.heard()).not.to.include('Authorization');
      memory.connection.say(ok());
      expect(successResultOf(asked).request.absoluteURI).to.equal(to);
    });
  }

  it('fails without a Location', async () => {
    const { memory, agent } = client();
    const asked = agent.request('GET', 'http://host/');
    await say(memory, 'HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n');
    failureResultOf(asked, RedirectWithNoLocation);
  });

  for (const location of ['ftp://host/', 'javascript:alert(1)', 'http://', 'file:///etc/passwd']) {
    it(`does not go to ${location}`, async () => {
      const { memory, agent } = client();
      const asked = agent.request('GET', 'http://host/');
      await say(memory, moved(302, location));
      failureResultOf(asked, RedirectNotFollowed);
    });
  }

  it('follows so many', async () => {
    const { memory, agent } = client({ limit: 3 });
    const asked = agent.request('GET', 'http://host/0');
    for (let n = 1; n <= 3; n += 1) {
      expect(line(memory)).to.equal(`GET /${n - 1} HTTP/1.1`);
      await say(memory, moved(302, `/${n}`));
    }
    expect(asked.result).to.equal(undefined);
    await say(memory, moved(302, '/4'));
    failureResultOf(asked, InfiniteRedirection);
  });

  it('keeps the chain of responses', async () => {
    const { memory, agent } = client();
    const asked = agent.request('GET', 'http://host/0');
    await say(memory, moved(301, '/1'));
    await say(memory, moved(302, '/2'));
    memory.connection.say(ok());
    const response = successResultOf(asked);
    expect(response.previousResponse?.code).to.equal(302);
    expect(response.previousResponse?.previousResponse?.code).to.equal(301);
    expect(response.previousResponse?.previousResponse?.previousResponse).to.equal(null);
  });

  const secrets = {
    Authorization: 'Basic eA==',
    Cookie: 'a=b',
    'Proxy-Authorization': 'Basic eA==',
    'X-Key': 'secret',
    'X-Other': 'kept',
    Host: 'virtual',
  };

  for (const location of [
    'http://other/',
    'http://host:81/',
    'https://host/',
    'http://sub.host/',
  ]) {
    it(`does not take credentials from http://host to ${location}`, async () => {
      const { memory, agent } = client({ sensitiveHeaderNames: ['X-Key'] });
      agent.request('GET', 'http://host/', secrets);
      await say(memory, moved(302, location));
      const sent = memory.connection.heard();
      expect(sent).to.not.match(/^(Authorization|Cookie|Proxy-Authorization|X-Key|Host: virtual)/m);
      expect(sent).to.include('X-Other: kept\r\n');
    });
  }

  it('keeps credentials within an origin, and has not got them any more on the way back to it', async () => {
    const { memory, agent } = client();
    agent.request('GET', 'http://host/a', secrets);
    memory.connection.heard();
    await say(memory, moved(302, '/b'));
    expect(memory.connection.heard())
      .to.include('Authorization: ')
      .and.include('Host: virtual\r\n');
    await say(memory, moved(302, 'http://other/'));
    await say(memory, moved(302, 'http://host/c'));
    const back = memory.server.connection(0).heard();
    expect(back).to.include('GET /c ').and.not.include('Authorization');
    expect(back).to.include('Host: host\r\n');
  });

  it('does not go from https to http, unless it is told to', async () => {
    const strict = client();
    const asked = strict.agent.request('GET', 'https://host/');
    await say(strict.memory, moved(302, 'http://host/'));
    failureResultOf(asked, RedirectNotFollowed);
    const loose = client({ allowDowngrade: true });
    loose.agent.request('GET', 'https://host/');
    await say(loose.memory, moved(302, 'http://host/'));
    expect(loose.memory.server.connections).to.have.lengthOf(2);
  });

  it('counts the time of all redirects together', async () => {
    const { memory, agent } = client();
    const asked = agent.request('GET', 'http://host/', null, null, { timeout: 5 });
    memory.clock.advance(3);
    await say(memory, moved(302, '/b'));
    memory.clock.pump([1.9, 0.4]);
    failureResultOf(asked, RequestTimeoutError);
    expect(memory.connection.aborted).to.equal(true);
  });

  it('does not read a long page on the way', async () => {
    const { memory, agent } = client();
    agent.request('GET', 'http://host/a');
    await say(memory, 'HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 1000000\r\n\r\n');
    expect(memory.server.connections).to.have.lengthOf(2);
    const [first] = memory.server.connections;
    first?.say('x'.repeat(60_000));
    expect(first?.closing).to.equal(false);
    first?.say('x'.repeat(10_000));
    expect(first?.aborted).to.equal(true);
  });

  it('can be cancelled after a redirect', async () => {
    const { memory, agent } = client();
    const asked = agent.request('GET', 'http://host/');
    await say(memory, moved(302, 'http://other/'));
    asked.cancel();
    failureResultOf(asked);
    expect(memory.server.connection(1).aborted).to.equal(true);
  });

  it('fails for what is no URI at once, and without a limit that makes sense', async () => {
    failureResultOf(client().agent.request('GET', 'nonsense'));
    expect(() => client({ limit: -1 })).to.throw(RangeError);
    expect(new RedirectAgent(client().agent, 3)).to.be.instanceOf(RedirectAgent);
  });
});

describe('BrowserLikeRedirectAgent', () => {
  for (const [method, code, next] of [
    ['POST', 301, 'GET'],
    ['POST', 302, 'GET'],
    ['POST', 303, 'GET'],
    ['POST', 307, 'POST'],
    ['POST', 308, 'POST'],
    ['PUT', 301, 'PUT'],
    ['PUT', 303, 'GET'],
    ['DELETE', 302, 'DELETE'],
    ['HEAD', 303, 'HEAD'],
  ] as const) {
    it(`turns ${method} into ${next} for ${code}`, async () => {
      const { memory, agent } = browser();
      const body = method === 'POST' || method === 'PUT' ? 'body' : null;
      agent.request(method, 'http://host/a', { 'Content-Type': 'text/plain' }, body);
      memory.connection.heard();
      await say(memory, moved(code, '/b').replace(method === 'HEAD' ? 'gone' : '\0', ''));
      const sent = memory.connection.heard();
      expect(sent).to.match(new RegExp(`^${next} /b `));
      const keeps = body !== null && next === method;
      expect(sent.endsWith('body'), 'body').to.equal(keeps);
      expect(sent.includes('Content-Type'), 'type').to.equal(next === method);
    });
  }

  it('does not repeat a body that is gone', async () => {
    const { memory, agent } = browser();
    const asked = agent.request('POST', 'http://host/a', null, ['a']);
    await say(memory, moved(307, '/b'));
    failureResultOf(asked, RedirectNotFollowed);
  });
});
