import { expect } from 'chai';
import { type Request, Session, Site } from '../../../src/protocols/http/index.ts';
import { StringTransport, setLogObserver } from '../../../src/reactor/index.ts';
import { Clock } from '../support.ts';
import { answersIn, Connection, get, leaf } from './serving-memory.ts';

/** Counts the visits of a session. */
const visits = leaf((request: Request) => {
  const session = request.getSession();
  const count = (session.get<number>('visits') ?? 0) + 1;
  session.set('visits', count);
  return `${count}`;
});

function cookieOf(setCookie: string | undefined): string {
  return setCookie?.split(';', 1)[0] ?? '';
}

describe('Session', () => {
  it('is found again by its cookie', () => {
    const connection = new Connection(visits);
    const [first] = answersIn(connection.receive(get('/')).said());
    const set = first?.headers['set-cookie'];
    expect(set).to.match(/^TWISTED_SESSION=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Lax$/);
    const [second] = answersIn(connection.receive(get('/', `Cookie: ${cookieOf(set)}`)).said());
    expect(second?.body).to.equal('2');
    expect(second?.headers).to.not.have.property('set-cookie');
    expect(connection.site.sessions.size).to.equal(1);
  });

  it('is a new one for a cookie that nobody gave out', () => {
    const connection = new Connection(visits);
    const [answer] = answersIn(connection.receive(get('/', 'Cookie: TWISTED_SESSION=mine')).said());
    expect(answer?.body).to.equal('1');
    expect(cookieOf(answer?.headers['set-cookie'])).to.not.equal('TWISTED_SESSION=mine');
  });

  it('is another one under TLS, with a cookie of its own that is secure', () => {
    const connection = new Connection(visits);
    const { transport } = connection;
    const [clear] = answersIn(connection.receive(get('/')).said());
    Object.assign(transport, { TLS: true });
    const [secure] = answersIn(
      connection.receive(get('/', `Cookie: ${cookieOf(clear?.headers['set-cookie'])}`)).said(),
    );
    expect(secure?.body).to.equal('1');
    expect(secure?.headers['set-cookie']).to.match(/^TWISTED_SECURE_SESSION=.*; Secure/);
  });

  it('ends when it was not used for sessionTimeout seconds', () => {
    const connection = new Connection(visits, { timeout: null });
    const { clock, site } = connection;
    const [first] = answersIn(connection.receive(get('/')).said());
    const cookie = `Cookie: ${cookieOf(first?.headers['set-cookie'])}`;
    clock.advance(899);
    expect(answersIn(connection.receive(get('/', cookie)).said())[0]?.body).to.equal('2');
    clock.advance(899);
    expect(site.sessions.size).to.equal(1);
    clock.advance(1);
    expect(site.sessions.size).to.equal(0);
    expect(answersIn(connection.receive(get('/', cookie)).said())[0]?.body).to.equal('1');
  });

  it('takes its time from the class that the site names', () => {
    class Short extends Session {
      static override sessionTimeout = 5;
    }
    const connection = new Connection(visits, { timeout: null });
    connection.site.sessionFactory = Short;
    connection.receive(get('/'));
    connection.clock.advance(5);
    expect(connection.site.sessions.size).to.equal(0);
  });

  it('expire() ends it, tells who asked, and nobody twice', () => {
    const connection = new Connection(visits);
    const heard: string[] = [];
    let session: Session | undefined;
    new Connection(
      leaf((request) => {
        session = request.getSession();
        expect(request.getSession()).to.equal(session);
        return '';
      }),
      {},
      connection.clock,
    ).receive(get('/'));
    const observer = setLogObserver(({ level }) => heard.push(level));
    session?.notifyOnExpire(() => {
      throw new Error('a careless listener');
    });
    session?.notifyOnExpire(() => heard.push('over'));
    session?.expire();
    session?.expire();
    session?.touch();
    setLogObserver(observer);
    expect(heard).to.deep.equal(['error', 'over']);
    expect(session?.expired).to.equal(true);
  });

  it('makes place for another, of maxSessions that which was longest unused', () => {
    const connection = new Connection(visits, { maxSessions: 2 });
    const cookies = [0, 1].map(() =>
      cookieOf(answersIn(connection.receive(get('/')).said())[0]?.headers['set-cookie']),
    );
    connection.receive(get('/', `Cookie: ${cookies[0]}`)).said();
    connection.receive(get('/')).said();
    expect(connection.site.sessions.size).to.equal(2);
    const visit = (cookie: string | undefined): string | undefined =>
      answersIn(connection.receive(get('/', `Cookie: ${cookie}`)).said())[0]?.body;
    expect(visit(cookies[0])).to.equal('3');
    expect(visit(cookies[1])).to.equal('1');
  });

  it('ends with its site', () => {
    const clock = new Clock();
    const site = new Site(visits, { reactor: clock });
    site.noisy = false;
    site.doStart();
    const connection = new Connection(site, {}, clock).receive(get('/'));
    expect(connection.transport).to.be.instanceOf(StringTransport);
    connection.lose();
    site.doStop();
    expect(site.sessions.size).to.equal(0);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });
});
