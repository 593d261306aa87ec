import { expect } from 'chai';
import { Deferred, Failure, setUnhandledFailureHandler } from '../../src/deferred/index.ts';
import { assertNoResult, failureResultOf, successResultOf } from '../../src/reactor/index.ts';
import { type MaybeDeferred, MultiService, Service } from '../../src/service/index.ts';
import { unfinishedStops } from '../../src/service/service.ts';

/** Writes down what is asked of it. */
class Recorder extends Service {
  readonly calls: string[];
  readonly label: string;
  starts: () => MaybeDeferred = () => undefined;
  stops: () => MaybeDeferred = () => undefined;

  constructor(label: string, calls: string[] = []) {
    super();
    this.label = label;
    this.calls = calls;
  }

  override privilegedStartService(): MaybeDeferred {
    this.calls.push(`privileged ${this.label}`);
  }

  override startService(): MaybeDeferred {
    super.startService();
    this.calls.push(`start ${this.label}`);
    return this.starts();
  }

  override stopService(): MaybeDeferred {
    super.stopService();
    this.calls.push(`stop ${this.label}`);
    return this.stops();
  }
}

function tree(...labels: string[]): { root: MultiService; calls: string[]; services: Recorder[] } {
  const root = new MultiService();
  const calls: string[] = [];
  const services = labels.map((label) => new Recorder(label, calls));
  for (const service of services) service.setServiceParent(root);
  return { root, calls, services };
}

describe('Service', () => {
  it('runs from startService to stopService', () => {
    const service = new Service();
    expect(service.running).to.equal(false);
    service.startService();
    expect(service.running).to.equal(true);
    service.stopService();
    expect(service.running).to.equal(false);
  });

  it('may return null from its start, as programs in JavaScript do', () => {
    const { root, calls, services } = tree('a', 'b');
    for (const service of services) service.starts = () => null as never;
    expect(root.startService()).to.equal(undefined);
    expect(calls).to.deep.equal(['start a', 'start b']);
  });

  it('setName() names it, and throws once it has a parent', () => {
    const service = new Service();
    service.setName('one');
    service.setServiceParent(new MultiService());
    expect(() => service.setName('two'))
      .to.throw(/Cannot name service one "two"/)
      .with.property('code', 'ERR_SERVICE_HAS_PARENT');
    expect(service.name).to.equal('one');
  });

  it('setServiceParent() moves it from one parent to the other', () => {
    const [from, to] = [new MultiService(), new MultiService()];
    const service = new Service();
    service.setServiceParent(from);
    service.setServiceParent(to);
    expect([...from]).to.deep.equal([]);
    expect([...to]).to.deep.equal([service]);
    expect(service.parent).to.equal(to);
  });

  it('setServiceParent() stops it when it leaves a running parent', () => {
    const { root, calls, services } = tree('a');
    root.startService();
    services[0]?.setServiceParent(new MultiService());
    expect(calls).to.deep.equal(['start a', 'stop a']);
  });

  it('setServiceParent() leaves it without a parent when it is refused', () => {
    const root = new MultiService();
    const first = new Service();
    first.setName('same');
    first.setServiceParent(root);
    const second = new Service();
    second.setName('same');
    expect(() => second.setServiceParent(root))
      .to.throw()
      .with.property('code', 'ERR_DUPLICATE_SERVICE_NAME');
    expect(second.parent).to.equal(null);
    expect([...root]).to.deep.equal([first]);
  });

  it('disownServiceParent() fires when it has stopped', () => {
    const { root, services } = tree('a');
    const stopped = new Deferred<void>();
    const [service] = services;
    if (service === undefined) throw new Error('no service');
    service.stops = () => stopped;
    root.startService();
    const gone = service.disownServiceParent();
    expect(service.parent).to.equal(null);
    assertNoResult(gone);
    stopped.callback();
    successResultOf(gone);
  });

  it('disownServiceParent() throws without a parent', () => {
    expect(() => new Service().disownServiceParent())
      .to.throw()
      .with.property('code', 'ERR_SERVICE_HAS_NO_PARENT');
  });
});

describe('MultiService', () => {
  it('starts children in order and stops them in reverse order', () => {
    const { root, calls } = tree('a', 'b', 'c');
    root.privilegedStartService();
    root.startService();
    root.stopService();
    expect(calls).to.deep.equal([
      'privileged a',
      'privileged b',
      'privileged c',
      'start a',
      'start b',
      'start c',
      'stop c',
      'stop b',
      'stop a',
    ]);
  });

  it('startService() returns nothing when every child started at once', () => {
    const { root } = tree('a', 'b');
    expect(root.startService()).to.equal(undefined);
  });

  it('waits for a child that takes its time before it starts the next', async () => {
    const { root, calls, services } = tree('a', 'b', 'c');
    const ready = new Deferred<void>();
    const [a, b] = services;
    if (a === undefined || b === undefined) throw new Error('no services');
    a.starts = () => ready;
    b.starts = async () => {};
    const started = root.startService();
    expect(calls).to.deep.equal(['start a']);
    ready.callback();
    expect(calls).to.deep.equal(['start a', 'start b']);
    await started;
    expect(calls).to.deep.equal(['start a', 'start b', 'start c']);
  });

  it('does not start a child that is taken out while an earlier one takes its time', () => {
    const { root, calls, services } = tree('a', 'b', 'c');
    const ready = new Deferred<void>();
    const [a, b] = services;
    if (a === undefined || b === undefined) throw new Error('no services');
    a.starts = () => ready;
    void root.startService();
    void root.removeService(b);
    expect(b.parent).to.equal(null);
    calls.length = 0;
    ready.callback();
    expect(calls).to.deep.equal(['start c']);
    expect(b.running).to.equal(false);
  });

  it('keeps a child whose start throws as it is added to a running one', () => {
    const { root } = tree();
    root.startService();
    const bad = new Recorder('bad');
    bad.starts = () => {
      throw new Error('no start');
    };
    expect(() => bad.setServiceParent(root)).to.throw('no start');
    expect([bad.parent, [...root]]).to.deep.equal([root, [bad]]);
    successResultOf(bad.disownServiceParent());
    expect([bad.parent, [...root]]).to.deep.equal([null, []]);
  });

  it('startService() goes on at once after a Deferred that has fired', () => {
    const { root, calls, services } = tree('a', 'b');
    const ready = new Deferred<void>();
    ready.callback();
    for (const service of services) service.starts = () => ready;
    expect(root.startService()).to.equal(undefined);
    expect(calls).to.deep.equal(['start a', 'start b']);
  });

  it('startService() throws what a child throws and starts no further ones', () => {
    const { root, calls, services } = tree('a', 'b', 'c');
    const [, b] = services;
    if (b === undefined) throw new Error('no service');
    b.starts = () => {
      throw new Error('no b');
    };
    expect(() => root.startService()).to.throw('no b');
    expect(calls).to.deep.equal(['start a', 'start b']);
  });

  it('stopService() after a start that failed half-way stops what the start has reached', () => {
    const { root, calls, services } = tree('a', 'b', 'c');
    const [, b] = services;
    if (b === undefined) throw new Error('no service');
    b.starts = () => {
      throw new Error('no b');
    };
    expect(() => root.startService()).to.throw('no b');
    calls.length = 0;
    root.stopService();
    expect(calls).to.deep.equal(['stop b', 'stop a']);
  });

  it('startService() fails with what a child fails with later', () => {
    const { root, calls, services } = tree('a', 'b');
    const ready = new Deferred<void>();
    const [a] = services;
    if (a === undefined) throw new Error('no service');
    a.starts = () => ready;
    const started = root.startService();
    ready.errback(new Error('no a'));
    // The child's start was not over, so a Deferred it is.
    expect(failureResultOf(started as Deferred<unknown>).getErrorMessage()).to.equal('no a');
    expect(calls).to.deep.equal(['start a']);
  });

  it('a start that is overtaken by a stop goes no further', () => {
    const { root, calls, services } = tree('a', 'b');
    const ready = new Deferred<void>();
    const [a] = services;
    if (a === undefined) throw new Error('no service');
    a.starts = () => ready;
    root.startService();
    root.stopService();
    ready.callback();
    expect(calls).to.deep.equal(['start a', 'stop a']);
  });

  it('tells every child to stop at once and fires when the last one has', () => {
    const { root, calls, services } = tree('a', 'b');
    const [a, b] = services;
    const [aStopped, bStopped] = [new Deferred<string>(), new Deferred<string>()];
    if (a === undefined || b === undefined) throw new Error('no services');
    a.stops = () => aStopped;
    b.stops = () => bStopped;
    root.startService();
    calls.length = 0;
    const stopped = root.stopService();
    expect(calls).to.deep.equal(['stop b', 'stop a']);
    bStopped.callback('b');
    assertNoResult(stopped);
    aStopped.callback('a');
    expect(successResultOf(stopped)).to.deep.equal([
      [true, 'b'],
      [true, 'a'],
    ]);
  });

  it('a child that fails to stop is reported and does not keep the others from stopping', () => {
    const reports: string[] = [];
    const before = setUnhandledFailureHandler((failure, { origin }) => {
      reports.push(`${origin}: ${failure.getErrorMessage()}`);
    });
    try {
      const { root, calls, services } = tree('a', 'b');
      const [, b] = services;
      if (b === undefined) throw new Error('no service');
      b.setName = () => {};
      b.stops = () => {
        throw new Error('stuck');
      };
      root.startService();
      const results = successResultOf(root.stopService());
      expect(calls).to.include.members(['stop b', 'stop a']);
      expect(results[0]?.[0]).to.equal(false);
      expect(results[0]?.[1]).to.be.instanceOf(Failure);
      expect(results[1]).to.deep.equal([true, undefined]);
      expect(reports).to.deep.equal(['Service Recorder failed to stop: stuck']);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('starts a child that is added while it runs, privileged first', () => {
    const { root, calls } = tree();
    root.startService();
    new Recorder('late', calls).setServiceParent(root);
    expect(calls).to.deep.equal(['privileged late', 'start late']);
  });

  it('does not start a child that is added while it does not run', () => {
    const { root, calls } = tree();
    new Recorder('early', calls).setServiceParent(root);
    expect(calls).to.deep.equal([]);
  });

  it('starts a child once that is added while an earlier one takes its time', () => {
    const { root, calls, services } = tree('a', 'b');
    const ready = new Deferred<void>();
    const [a, b] = services;
    if (a === undefined || b === undefined) throw new Error('no services');
    a.starts = () => ready;
    root.startService();
    b.disownServiceParent();
    b.setServiceParent(root);
    ready.callback();
    expect(calls.filter((call) => call === 'start b')).to.have.length(1);
  });

  it('reports the failure of a late child that starts asynchronously', async () => {
    const reports: string[] = [];
    const before = setUnhandledFailureHandler((failure, { origin }) => {
      reports.push(`${origin}: ${failure.getErrorMessage()}`);
    });
    try {
      const { root } = tree();
      root.startService();
      const late = new Recorder('late');
      const ready = new Deferred<void>();
      late.starts = () => ready;
      late.setName('late');
      late.setServiceParent(root);
      ready.errback(new Error('too late'));
      expect(reports).to.deep.equal(['Service late failed to start: too late']);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('getServiceNamed() finds a child by its name and throws for an unknown one', () => {
    const { root } = tree();
    const child = new Service();
    child.setName('child');
    child.setServiceParent(root);
    expect(root.getServiceNamed('child')).to.equal(child);
    expect(() => root.getServiceNamed('other'))
      .to.throw(/"other"/)
      .with.property('code', 'ERR_NO_SUCH_SERVICE');
  });

  it('frees the name of a child that was removed', () => {
    const { root } = tree();
    const [first, second] = [new Service(), new Service()];
    first.setName('same');
    second.setName('same');
    first.setServiceParent(root);
    first.disownServiceParent();
    second.setServiceParent(root);
    expect(root.getServiceNamed('same')).to.equal(second);
  });

  it('removeService() throws for a service that is not in it', () => {
    expect(() => new MultiService().removeService(new Service()))
      .to.throw()
      .with.property('code', 'ERR_NO_SUCH_SERVICE');
  });

  it('removeService() does not stop the child when it does not run itself', () => {
    const { root, calls, services } = tree('a');
    const [a] = services;
    if (a === undefined) throw new Error('no service');
    successResultOf(root.removeService(a));
    expect(calls).to.deep.equal([]);
  });

  it('refuses to be its own descendant', () => {
    const [outer, inner] = [new MultiService(), new MultiService()];
    inner.setServiceParent(outer);
    expect(() => outer.setServiceParent(inner))
      .to.throw()
      .with.property('code', 'ERR_SERVICE_CYCLE');
    expect(() => outer.setServiceParent(outer))
      .to.throw()
      .with.property('code', 'ERR_SERVICE_CYCLE');
    expect(outer.parent).to.equal(null);
  });

  it('addService() refuses a service that is in another collection', () => {
    const { services } = tree('a');
    const [a] = services;
    if (a === undefined) throw new Error('no service');
    expect(() => new MultiService().addService(a))
      .to.throw()
      .with.property('code', 'ERR_SERVICE_HAS_PARENT');
  });

  it('starts again after a stop', () => {
    const { root, calls } = tree('a');
    root.startService();
    root.stopService();
    root.startService();
    expect(calls).to.deep.equal(['start a', 'stop a', 'start a']);
  });
});

describe('unfinishedStops', () => {
  it('names what hangs by its path, and tells namesakes apart', () => {
    const root = new MultiService();
    const inner = new MultiService();
    inner.setName('inner');
    inner.setServiceParent(root);
    const deep = new Recorder('deep');
    deep.setName('pool');
    deep.stops = () => new Deferred<void>();
    deep.setServiceParent(inner);
    const [first, second] = [new Recorder('1'), new Recorder('2')];
    second.stops = () => new Deferred<void>();
    first.setServiceParent(root);
    second.setServiceParent(root);
    root.startService();
    root.stopService();
    expect(unfinishedStops(root)).to.have.members(['inner/pool', 'Recorder#2']);
  });

  it('names nothing once everything has stopped', () => {
    const { root, services } = tree('a');
    const stopped = new Deferred<void>();
    const [a] = services;
    if (a === undefined) throw new Error('no service');
    a.stops = () => stopped;
    root.startService();
    root.stopService();
    expect(unfinishedStops(root)).to.deep.equal(['Recorder']);
    stopped.callback();
    expect(unfinishedStops(root)).to.deep.equal([]);
  });
});
