/** What sends clients elsewhere, or looks elsewhere for them: redirects, virtual hosts, rewriting. */
import { expect } from 'chai';
import { Deferred } from '../../../../src/deferred/index.ts';
import {
  alias,
  ChildRedirector,
  Data,
  DeferredResource,
  type IResource,
  NameVirtualHost,
  ParentRedirect,
  Redirect,
  type Request,
  Resource,
  RewriterResource,
  redirectTo,
  tildeToUsers,
} from '../../../../src/protocols/http/index.ts';
import { type Answer, Serving } from '../serving.ts';

/** Says where it was asked. */
class Where extends Resource {
  override isLeaf = true;

  override render_GET(request: Request): string {
    return `${request.prepath.join('/')}|${request.postpath.join('/')}`;
  }
}

class To extends Resource {
  override isLeaf = true;

  override render_GET(request: Request): string {
    return redirectTo(request.args['to']?.[0] ?? '', request);
  }
}

describe('Elsewhere', () => {
  const open: Serving[] = [];

  afterEach(async () => {
    for (const serving of open.splice(0)) await serving.close();
  });

  function serve(resource: IResource): Serving {
    const serving = new Serving(resource);
    open.push(serving);
    return serving;
  }

  describe('redirectTo()', () => {
    const go = (to: string): Promise<Answer> =>
      serve(new To()).ask(`/?to=${encodeURIComponent(to)}`);

    it('answers 302 with a page that leads there', async () => {
      const { status, headers, text } = await go('https://example.org/a?b=1&c=2');
      expect(status).to.equal(302);
      expect(headers.location).to.equal('https://example.org/a?b=1&c=2');
      expect(headers['content-type']).to.equal('text/html; charset=utf-8');
      expect(text).to.include('<a href="https://example.org/a?b=1&amp;c=2">');
    });

    it('escapes the URL in the page', async () => {
      const { text } = await go(`/"><script>alert('1')</script>`);
      expect(text).to.not.include('<script>').and.not.include('/">');
      expect(text).to.include('&lt;script&gt;alert(&#39;1&#39;)');
    });

    it('makes no link to a script', async () => {
      const { text } = await go(' JavaScript:alert(1)');
      expect(text).to.include('JavaScript:alert(1)').and.not.include('<a ');
    });

    it('cannot be made to write other header fields', async () => {
      const { setUnhandledFailureHandler } = await import('../../../../src/deferred/index.ts');
      const before = setUnhandledFailureHandler(() => {});
      try {
        const { status, headers } = await go('/a\r\nSet-Cookie: b=c');
        expect(status).to.equal(500);
        expect(headers).to.not.have.property('set-cookie');
        expect(headers).to.not.have.property('location');
      } finally {
        setUnhandledFailureHandler(before);
      }
    });
  });

  it('Redirect sends all, with its code, whatever the method', async () => {
    const serving = serve(new Redirect('/new', 308));
    for (const method of ['GET', 'POST']) {
      const { status, headers } = await serving.ask('/x', { method });
      expect([status, headers.location]).to.deep.equal([308, '/new']);
    }
    expect((await serve(new Redirect('/new')).ask('/')).status).to.equal(302);
  });

  it('ChildRedirector sends what is below to the same below the other', async () => {
    const root = new Resource();
    root.putChild('old', new ChildRedirector('http://x.example/new'));
    const serving = serve(root);
    const locationOf = async (path: string): Promise<string | undefined> =>
      (await serving.ask(path)).headers.location;
    expect(await locationOf('/old')).to.equal('http://x.example/new');
    expect(await locationOf('/old/a/b%20c')).to.equal('http://x.example/new/a/b%20c');
    expect(await locationOf('/old/%2f%3f/')).to.equal('http://x.example/new/%2F%3F/');
    expect(() => new ChildRedirector('new')).to.throw(TypeError, '"new"');
  });

  it('ParentRedirect sends to the folder', async () => {
    const serving = serve(new ParentRedirect());
    const resolved = async (path: string): Promise<string> =>
      new URL((await serving.ask(path)).headers.location ?? '', `http://x${path}`).pathname;
    expect(await resolved('/a/b')).to.equal('/a/');
    expect(await resolved('/a/b/')).to.equal('/a/');
  });

  it('DeferredResource answers when its resource is there', async () => {
    const later = new Deferred<IResource>();
    const root = new Resource();
    root.putChild('later', new DeferredResource(later));
    const parent = new Resource();
    parent.putChild('child', new Where());
    const serving = serve(root);
    const answer = serving.ask('/later/child/x');
    later.callback(parent);
    expect((await answer).text).to.equal('later/child|x');
  });

  describe('NameVirtualHost', () => {
    function hosts(): NameVirtualHost {
      const virtual = new NameVirtualHost();
      virtual.addHost('A.example', new Where());
      virtual.addHost(
        '*.b.example',
        Object.assign(new Data('wild', 'text/plain'), { isLeaf: true }),
      );
      virtual.addHost(
        'x.b.example',
        Object.assign(new Data('exact', 'text/plain'), { isLeaf: true }),
      );
      const tree = new Resource();
      tree.putChild('leaf', new Where());
      virtual.addHost('tree.example', tree);
      virtual.addHost(
        '[::1]'.slice(1, -1),
        Object.assign(new Data('six', 'text/plain'), { isLeaf: true }),
      );
      return virtual;
    }

    it('goes by the name, without regard to case, port, and the dot at the end', async () => {
      const serving = serve(hosts());
      const ask = async (host: string, path = '/p/q'): Promise<string> =>
        (await serving.ask(path, { headers: { Host: host } })).text;
      for (const host of ['a.example', 'A.EXAMPLE', 'a.example:8080', 'a.example.']) {
        expect(await ask(host), host).to.equal('|p/q');
      }
      expect(await ask('y.b.example')).to.equal('wild');
      expect(await ask('z.y.b.example')).to.equal('wild');
      expect(await ask('x.b.example')).to.equal('exact');
      expect(await ask('tree.example', '/leaf/x')).to.equal('leaf|x');
      expect(await ask('[::1]:80')).to.equal('six');
    });

    it('does not find others, and does not repeat their names', async () => {
      const serving = serve(hosts());
      for (const host of ['other.example', 'b.example', 'xa.example', 'evil-script.example']) {
        const { status, text } = await serving.ask('/', { headers: { Host: host } });
        expect(status, host).to.equal(404);
        expect(text).to.not.include(host);
      }
    });

    it('has a default, and forgets hosts', async () => {
      const virtual = hosts();
      virtual.default = new Where();
      virtual.removeHost('x.b.example');
      virtual.removeHost('never.example');
      const serving = serve(virtual);
      expect((await serving.ask('/p', { headers: { Host: 'other' } })).text).to.equal('|p');
      expect((await serving.ask('/', { headers: { Host: 'x.b.example' } })).text).to.equal('wild');
    });

    it('refuses what is no name', () => {
      for (const name of ['', 'a b', 'http://a', 'a*b', 'a:80']) {
        expect(() => new NameVirtualHost().addHost(name, new Where()), name).to.throw(TypeError);
      }
    });
  });

  describe('RewriterResource', () => {
    it('has requests pass its rules before the resource sees them', async () => {
      const root = new Resource();
      root.putChild('new', new Where());
      root.putChild('users', new Where());
      const serving = serve(new RewriterResource(root, alias('/old/place', '/new'), tildeToUsers));
      const ask = async (path: string): Promise<string> => (await serving.ask(path)).text;
      expect(await ask('/old/place/a/b')).to.equal('new|a/b');
      expect(await ask('/new/c')).to.equal('new|c');
      expect(await ask('/~bob/x')).to.equal('users|bob/x');
      expect((await serving.ask('/old/other')).status).to.equal(404);
      expect((await serving.ask('/old')).status).to.equal(404);
    });

    it('may be around a leaf, and below something', async () => {
      const root = new Resource();
      root.putChild('here', new RewriterResource(new Where(), alias('a', 'b/c')));
      const serving = serve(root);
      expect((await serving.ask('/here/a/x')).text).to.equal('here|b/c/x');
      expect((await serving.ask('/here/z')).text).to.equal('here|z');
    });
  });
});
