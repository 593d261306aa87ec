import { expect } from 'chai';
import { map } from 'rxjs';
import { setUnhandledFailureHandler } from '../../src/deferred/index.ts';
import {
  ConnectionCompleter,
  MemoryReactorClock,
  setLogObserver,
  TCP4ClientEndpoint,
} from '../../src/reactor/index.ts';
import { ClientService, type ClientServiceOptions } from '../../src/service/index.ts';
import { type ClientServiceStatus, status$ } from '../../src/service/rx.ts';
import { Recorder, RecordingFactory } from '../support/recorder.ts';

function told(status: ClientServiceStatus<Recorder>): unknown {
  if (status.state === 'waiting')
    return `waiting ${status.delay} s for ${status.attempt}: ${status.reason?.type?.name}`;
  return status.state;
}

describe('status$() of a ClientService', () => {
  let reactor: MemoryReactorClock;
  let completer: ConnectionCompleter;
  let before: ReturnType<typeof setLogObserver>;

  beforeEach(() => {
    before = setLogObserver(() => {});
    reactor = new MemoryReactorClock();
    completer = new ConnectionCompleter(reactor);
    reactor.listenTCP(80, new RecordingFactory());
  });

  afterEach(() => {
    setLogObserver(before);
  });

  function service(options: ClientServiceOptions<Recorder> = {}): ClientService<Recorder> {
    const factory = { buildProtocol: () => new Recorder(), doStart() {}, doStop() {} };
    const endpoint = new TCP4ClientEndpoint(reactor, '192.0.2.1', 80);
    return new ClientService(endpoint, factory, {
      clock: reactor,
      retryPolicy: (n) => n,
      ...options,
    });
  }

  it('tells how it fares, from what it is now on, with reasons', async () => {
    const client = service();
    const log: unknown[] = [];
    const subscription = status$(client)
      .pipe(map(told))
      .subscribe((status) => log.push(status));
    expect(log).to.deep.equal(['stopped']);
    client.startService();
    completer.failOnce();
    reactor.advance(1);
    const pump = completer.succeedOnce();
    const late: unknown[] = [];
    status$(client).subscribe((status) => late.push(status));
    const [status] = late as Array<ClientServiceStatus<Recorder>>; // what status$ gives
    if (status?.state !== 'connected') throw new Error('Expected a connection');
    status.protocol.transport.loseConnection();
    pump?.flush();
    reactor.advance(1);
    const again = completer.succeedOnce();
    const stopping = client.stopService();
    again?.flush();
    await stopping;
    expect(log).to.deep.equal([
      'stopped',
      'connecting',
      'waiting 1 s for 1: ConnectionRefusedError',
      'connecting',
      'connected',
      'waiting 1 s for 1: ConnectionDone',
      'connecting',
      'connected',
      'disconnecting',
      'stopped',
    ]);
    subscription.unsubscribe();
    client.startService();
    expect(log).to.have.length(10);
    client.stopService();
  });

  it('does not end with the service, and lets a watcher stop it', () => {
    const client = service();
    const log: unknown[] = [];
    const subscription = status$(client).subscribe({
      next: (status) => {
        log.push(status.state);
        if (status.state === 'waiting') client.stopService();
      },
      complete: () => log.push('complete'),
      error: () => log.push('error'),
    });
    client.startService();
    completer.failOnce();
    client.startService();
    expect(log).to.deep.equal(['stopped', 'connecting', 'waiting', 'stopped', 'connecting']);
    client.stopService();
    subscription.unsubscribe();
  });

  it('watchStatus() reports what a watcher throws, and goes on', () => {
    const reported: unknown[] = [];
    setUnhandledFailureHandler((failure) => reported.push(failure.value));
    try {
      const client = service();
      const log: string[] = [];
      client.watchStatus(() => {
        throw new Error('Oh');
      });
      const leave = client.watchStatus(({ state }) => log.push(state));
      client.startService();
      leave();
      client.stopService();
      expect(log).to.deep.equal(['connecting']);
      expect(String(reported[0])).to.equal('Error: Oh');
    } finally {
      setUnhandledFailureHandler(null);
    }
  });
});
