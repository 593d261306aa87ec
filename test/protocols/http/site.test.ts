import { expect } from 'chai';
import { Deferred } from '../../../src/deferred/index.ts';
import {
  errorPage,
  forbidden,
  getChildForRequest,
  HTTPError,
  HTTPFactory,
  type IResource,
  type Lookup,
  NOT_DONE_YET,
  NoResource,
  notFound,
  Request,
  Resource,
  Site,
  UnsupportedMethod,
} from '../../../src/protocols/http/index.ts';
import { MemoryReactorClock } from '../../../src/reactor/index.ts';
import { Clock } from '../support.ts';
import { answersIn, Connection, get, leaf, type Parsed, post } from './serving-memory.ts';

function answerTo(resource: IResource | Site, text: string): Parsed {
  const [answer] = answersIn(
    new Connection(resource).receive(text).said(),
    text.startsWith('HEAD') ? [0] : [],
  );
  if (answer === undefined) throw new Error('There is no answer');
  return answer;
}

/** Says where it is. */
class Place extends Resource {
  override render_GET(request: Request): string {
    return `${JSON.stringify(request.prepath)} ${JSON.stringify(request.postpath)}`;
  }
}

class Leaf extends Place {
  override isLeaf = true;
}

describe('Resource', () => {
  const root = new Place();
  const sub = new Place();
  root.putChild('', new Place());
  root.putChild('sub', sub);
  sub.putChild('leaf', new Leaf());
  sub.putChild('a b', new Leaf());
  sub.putChild('', new Place());

  it('hands on to children by the segments of the path, as far as a leaf', () => {
    const at = (path: string): string => answerTo(root, get(path)).body;
    expect(at('/')).to.equal('[""] []');
    expect(at('/sub')).to.equal('["sub"] []');
    expect(at('/sub/')).to.equal('["sub",""] []');
    expect(at('/sub/leaf')).to.equal('["sub","leaf"] []');
    expect(at('/sub/leaf/x/y/?z')).to.equal('["sub","leaf"] ["x","y",""]');
    expect(at('/sub/a%20b/c%2Fd')).to.equal('["sub","a b"] ["c/d"]');
  });

  it('answers 404 below what it does not know, without saying what was asked for', () => {
    for (const path of ['/nope', '/sub/<script>', '/sub/leaves', '/SUB', '//', '/sub/leaf%2Fx']) {
      const answer = answerTo(root, get(path.replaceAll('<', '%3C')));
      expect(answer.code, path).to.equal(404);
      expect(answer.body).to.not.include('script').and.not.include('nope');
    }
  });

  it('getChild() makes children that are known only when they are asked for', () => {
    class Numbers extends Resource {
      override getChild(name: string): Lookup {
        return /^\d+$/.test(name) ? leaf(() => `number ${name}`) : new NoResource();
      }
    }
    expect(answerTo(new Numbers(), get('/17')).body).to.equal('number 17');
    expect(answerTo(new Numbers(), get('/x')).code).to.equal(404);
  });

  it('getChild() may promise a child, or a Deferred one', async () => {
    const deferred = new Deferred<IResource>();
    class Later extends Resource {
      override getChild(name: string): Lookup {
        return name === 'a' ? Promise.resolve(new Place()) : deferred;
      }
    }
    for (const text of [get('/a'), get('/b')]) {
      const connection = new Connection(new Later()).receive(text);
      expect(connection.said()).to.equal('');
      if (!deferred.called) deferred.callback(new Place());
      await new Promise(setImmediate);
      expect(answersIn(connection.said())[0]?.code).to.equal(200);
    }
    const failing = new Connection(
      Object.assign(new Resource(), { getChild: () => Promise.reject(new HTTPError(404)) }),
    ).receive(get('/x'));
    await new Promise(setImmediate);
    expect(answersIn(failing.said())[0]?.code).to.equal(404);
  });

  it('getChild() may promise the child that a body is for', async () => {
    class Later extends Resource {
      override getChild(): Lookup {
        return Promise.resolve(leaf((request) => request.content));
      }
    }
    const connection = new Connection(new Later()).receive(post('/x', 'the body') + get('/y'));
    for (let turn = 0; turn < 4; turn += 1) await new Promise(setImmediate);
    expect(answersIn(connection.said()).map(({ body }) => body)).to.deep.equal(['the body', '']);
  });

  it('answers methods it has no render_ method for with 405 and Allow, unknown ones with 501', () => {
    const refused = answerTo(new Leaf(), post('/', ''));
    expect(refused.code).to.equal(405);
    expect(refused.headers['allow']).to.equal('GET, HEAD, OPTIONS');
    expect(answerTo(new Leaf(), get('/').replace('GET', 'BREW')).code).to.equal(501);
    expect(answerTo(new Leaf(), get('/').replace('GET', 'TRACE')).code).to.equal(405);
    expect(() => new Leaf().render({ method: 'PUT' } as Request)).to.throw(UnsupportedMethod);
  });

  it('names in Allow what one resource has of its own, and no other', () => {
    const plain = (): Resource => Object.assign(new Resource(), { isLeaf: true });
    const allowOf = (resource: Resource): string | undefined =>
      answerTo(resource, get('/').replace('GET', 'TRACE')).headers['allow'];
    expect(allowOf(plain())).to.equal('OPTIONS');
    const own = Object.assign(plain(), { render_GET: () => 'x', render_PUT: () => 'x' });
    expect(allowOf(own)).to.equal('GET, PUT, HEAD, OPTIONS');
    expect(allowOf(plain())).to.equal('OPTIONS');
  });

  it('takes allowedMethods for Allow where it is set', () => {
    const resource = Object.assign(new Leaf(), { allowedMethods: ['GET', 'BREW'] });
    expect(answerTo(resource, post('/', '')).headers['allow']).to.equal('GET, BREW');
  });

  it('answers any method that it has a render_ method for', () => {
    class Pot extends Resource {
      override isLeaf = true;
      render_BREW(): string {
        return 'coffee';
      }
      override render_OPTIONS(): string {
        return 'mine';
      }
    }
    expect(answerTo(new Pot(), get('/').replace('GET', 'BREW')).body).to.equal('coffee');
    expect(answerTo(new Pot(), get('/').replace('GET', 'OPTIONS')).body).to.equal('mine');
    // A method is never looked for among what is no render_ method.
    expect(answerTo(new Pot(), get('/').replace('GET', 'constructor')).code).to.equal(501);
  });

  it('answers OPTIONS with Allow', () => {
    const answer = answerTo(new Leaf(), get('/').replace('GET', 'OPTIONS'));
    expect([answer.code, answer.headers['allow']]).to.deep.equal([204, 'GET, HEAD, OPTIONS']);
  });

  it('putChild() refuses a name that no segment has', () => {
    expect(() => root.putChild('a/b', new Leaf())).to.throw(TypeError, 'a/b');
  });

  it('getChildForRequest() follows what a resource left of the path', () => {
    let found: Lookup | undefined;
    const inner = new Leaf();
    const outer = new Resource();
    outer.putChild('in', inner);
    answerTo(
      leaf((request) => {
        request.postpath = ['in', 'x'];
        found = getChildForRequest(outer, request);
        return request.postpath.join();
      }),
      get('/'),
    );
    expect(found).to.equal(inner);
  });

  it('pages say what they are told, escaped', () => {
    expect(answerTo(notFound('<b>', 'a & b'), get('/')).body)
      .to.include('404 - &lt;b&gt;')
      .and.include('a &amp; b');
    expect(answerTo(forbidden(), get('/any/where')).code).to.equal(403);
    const teapot = answerTo(errorPage(418, 'Teapot', 'short and stout'), post('/', ''));
    expect([teapot.code, teapot.headers['content-type']]).to.deep.equal([
      418,
      'text/html; charset=utf-8',
    ]);
  });
});

describe('Site', () => {
  it('answers OPTIONS * itself', () => {
    const answer = answerTo(new Leaf(), 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(answer.code).to.equal(200);
    expect(answer.body).to.equal('');
    expect(answer.headers['allow']).to.include('GET');
  });

  it('is no proxy: CONNECT is refused', () => {
    expect(answerTo(new Leaf(), 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n').code).to.equal(405);
  });

  it('has options for Server and for the type of answers that have none', () => {
    const clock = new Clock();
    const plain = new Site(new Leaf(), { reactor: clock, server: null, defaultContentType: '' });
    expect(answerTo(plain, get('/')).headers).to.not.have.any.keys('server', 'content-type');
    const mine = new Site(new Leaf(), {
      reactor: clock,
      server: 'Mine/1',
      defaultContentType: 'text/plain',
    });
    expect(answerTo(mine, get('/')).headers).to.include({
      server: 'Mine/1',
      'content-type': 'text/plain',
    });
  });

  it('brings the date up to date each second', () => {
    const clock = new Clock();
    const connection = new Connection(new Leaf(), {}, clock);
    const date = (): number =>
      Date.parse(answersIn(connection.receive(get('/')).said())[0]?.headers['date'] ?? '');
    const first = date();
    clock.advance(0.9);
    expect(date()).to.equal(first);
    clock.advance(0.1);
    expect(date()).to.equal(first + 1000);
  });

  it('waits at the stop of its reactor until requests under way are answered', () => {
    const reactor = new MemoryReactorClock();
    const later: Request[] = [];
    const site = new Site(
      leaf((request) => {
        later.push(request);
        return NOT_DONE_YET;
      }),
      { reactor },
    );
    site.noisy = false;
    site.doStart();
    const connection = new Connection(site).receive(get('/'));
    let over = false;
    reactor.addSystemEventTrigger('during', 'shutdown', () => {
      over = true;
    });
    reactor.fireSystemEvent('shutdown');
    expect(over).to.equal(false);
    later[0]?.finish();
    connection.lose();
    expect(over).to.equal(true);
    site.doStop();
  });

  it('makes requests of the class it is given', () => {
    class Mine extends Request {
      override process(): void {
        this.write(`mine: ${this.uri}`);
        this.finish();
      }
    }
    const factory = new HTTPFactory({ reactor: new Clock(), requestFactory: Mine });
    const connection = new Connection(factory).receive(get('/x') + post('/y', 'z'));
    expect(answersIn(connection.said()).map(({ body }) => body)).to.deep.equal([
      'mine: /x',
      'mine: /y',
    ]);
  });
});
