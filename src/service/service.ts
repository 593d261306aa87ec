/** The service tree: things that can be started and stopped, and collections of them (Twisted: `twisted.application.service`). */
import {
  type Deferred,
  DeferredList,
  Failure,
  maybeDeferred,
  reportFailure,
} from '../deferred/index.ts';
import {
  DuplicateServiceName,
  NoSuchService,
  ServiceCycle,
  ServiceHasNoParent,
  ServiceHasParent,
} from './errors.ts';

/** What a method returns that is done at once, or that says with a Deferred or promise when it is. */
// biome-ignore lint/suspicious/noConfusingVoidType: returning nothing is one of the choices, and `undefined` would forbid it
export type MaybeDeferred = void | Deferred<unknown> | PromiseLike<unknown>;

/** Something that can be started and stopped (Twisted: `IService`). */
export interface IService {
  /** What its parent finds it by; null for none. */
  readonly name: string | null;
  /** True from `startService` to `stopService`. */
  readonly running: boolean;
  /** Set by the collection and by `setServiceParent`, nobody else. */
  parent: IServiceCollection | null;
  /** Gives it a name, before it has a parent. */
  setName(name: string): void;
  /** Moves it into a collection. A running one starts it. */
  setServiceParent(parent: IServiceCollection): void;
  /** Takes it out of its collection. Fires when it has stopped. */
  disownServiceParent(): Deferred<unknown>;
  /** What needs the rights the process was started with, such as binding a low port. Comes before `startService`. */
  privilegedStartService(): MaybeDeferred;
  /** Starts it. What it returns may take its time. */
  startService(): MaybeDeferred;
  /** Stops it. Its parent waits for what it returns. */
  stopService(): MaybeDeferred;
}

/** Services that start and stop together (Twisted: `IServiceCollection`). */
export interface IServiceCollection extends Iterable<IService> {
  /** The child of that name. */
  getServiceNamed(name: string): IService;
  /** Adds a child. Called by `setServiceParent`. */
  addService(service: IService): void;
  /** Takes a child out. Fires when it has stopped. Called by `disownServiceParent`. */
  removeService(service: IService): Deferred<unknown>;
}

/** What the stop of a collection gives: for each child that was told to stop, last one first, whether it did and with what. */
export type StopResults = Array<[true, unknown] | [false, Failure]>;

/**
 * A part of an application with a beginning and an end. Override `startService` and `stopService`, and call `super`; either may
 * return a Deferred or a promise.
 *
 * Twisted: `twisted.application.service.Service`.
 */
export class Service implements IService {
  /** What its parent finds it by; null for none. */
  name: string | null = null;
  /** True from `startService` to `stopService`. */
  running = false;
  parent: IServiceCollection | null = null;

  /** @throws {ServiceHasParent} when it is in a collection, which may have filed it under its old name. */
  setName(name: string): void {
    if (this.parent !== null) {
      throw new ServiceHasParent(
        `Cannot name service ${describeService(this)} ${JSON.stringify(name)}: it has a parent`,
      );
    }
    this.name = name;
  }

  /**
   * Moves it into `parent`, out of the collection it was in. A running parent starts it.
   * @throws {DuplicateServiceName} @throws {ServiceCycle} and then it is in no collection; what its start throws, and then it is in `parent`
   */
  setServiceParent(parent: IServiceCollection): void {
    if (this.parent !== null) this.disownServiceParent();
    this.parent = parent;
    try {
      parent.addService(this);
    } catch (error) {
      if (![...parent].includes(this)) this.parent = null;
      throw error;
    }
  }

  /**
   * Takes it out of its collection. Fires when it has stopped: at once if the collection does not run.
   * @throws {ServiceHasNoParent}
   */
  disownServiceParent(): Deferred<unknown> {
    const { parent } = this;
    if (parent === null) {
      throw new ServiceHasNoParent(
        `Cannot take service ${describeService(this)} from its parent: it has none`,
      );
    }
    const stopped = parent.removeService(this);
    this.parent = null;
    return stopped;
  }

  privilegedStartService(): MaybeDeferred {}

  startService(): MaybeDeferred {
    this.running = true;
  }

  stopService(): MaybeDeferred {
    this.running = false;
  }

  /** Its name, or else its class's: what it is called in the log. */
  toString(): string {
    return this.name ?? this.constructor.name;
  }
}

/**
 * A service made of services. They start in the order they were added; where one returns a Deferred or promise, the next waits for it.
 * They are told to stop in reverse order, all in one go, and each may take its time.
 *
 * Twisted: `twisted.application.service.MultiService`.
 */
export class MultiService extends Service implements IServiceCollection {
  readonly #services: IService[] = [];
  /** Those that a start has reached, so that the stop after a start that failed half-way leaves the others alone. */
  readonly #begun = new Set<IService>();
  /** Those whose `startService` was called since ours was. */
  readonly #started = new Set<IService>();
  /** Those that were told to stop and have not finished. */
  readonly #stopping = new Set<IService>();
  /** Counts stops, by which a start that is under way sees that it was overtaken. */
  #stops = 0;

  override privilegedStartService(): MaybeDeferred {
    super.privilegedStartService();
    return this.#inOrder((service) => {
      this.#begun.add(service);
      return service.privilegedStartService();
    });
  }

  /**
   * Starts the children. Returns nothing when all of them started at once.
   * @throws what a child throws; with a child that returns a Deferred or promise, the Deferred fails with it. Those before it stay started.
   */
  override startService(): MaybeDeferred {
    super.startService();
    this.#started.clear();
    return this.#inOrder((service) => {
      if (this.#started.has(service)) return; // added, and thereby started, while an earlier one took its time
      this.#begun.add(service);
      this.#started.add(service);
      return service.startService();
    });
  }

  /**
   * Tells every child to stop, the last one first. Fires when all are done, never fails: a child that does is reported, and has `[false, failure]` in the result.
   */
  override stopService(): Deferred<StopResults> {
    super.stopService();
    this.#stops += 1;
    const partly = this.#begun.size > 0;
    const children = [...this.#services]
      .reverse()
      .filter((child) => !partly || this.#begun.has(child) || child.running);
    this.#begun.clear();
    this.#started.clear();
    const stops = children.map((child) => this.#stop(child));
    return new DeferredList(stops, { consumeErrors: true });
  }

  /** @throws {NoSuchService} */
  getServiceNamed(name: string): IService {
    const service = this.#services.find((child) => child.name === name);
    if (service === undefined) {
      throw new NoSuchService(`Cannot find service ${JSON.stringify(name)} in ${this}`);
    }
    return service;
  }

  /**
   * Takes `service` in, and starts it if this one runs; an asynchronous start that fails is reported. Usually called through `setServiceParent`.
   * @throws {DuplicateServiceName} @throws {ServiceHasParent} @throws {ServiceCycle} what its start throws
   */
  addService(service: IService): void {
    this.#checkNew(service);
    service.parent = this;
    this.#services.push(service);
    if (!this.running) return;
    this.#begun.add(service);
    this.#started.add(service);
    const start = inOrder(
      [() => service.privilegedStartService(), () => service.startService()],
      (step) => step(),
    );
    start?.addErrback((failure) => {
      reportFailure(failure, `Service ${describeService(service)} failed to start`);
    });
  }

  /**
   * Lets `service` go, and stops it if this one runs. Fires when it has stopped, and fails if that did.
   * @throws {NoSuchService}
   */
  removeService(service: IService): Deferred<unknown> {
    const index = this.#services.indexOf(service);
    if (index < 0) {
      throw new NoSuchService(`Cannot remove service ${describeService(service)}: not in ${this}`);
    }
    this.#services.splice(index, 1);
    this.#begun.delete(service);
    this.#started.delete(service);
    if (service.parent === this) service.parent = null;
    return maybeDeferred(() => (this.running ? service.stopService() : undefined));
  }

  [Symbol.iterator](): Iterator<IService> {
    return this.#services.values();
  }

  /** The children that were told to stop and have not finished. */
  get stopping(): readonly IService[] {
    return [...this.#stopping];
  }

  #checkNew(service: IService): void {
    const { name } = service;
    if (name !== null && this.#services.some((child) => child.name === name)) {
      throw new DuplicateServiceName(
        `Cannot add service ${JSON.stringify(name)} to ${this}: it has one of that name`,
      );
    }
    if (this.#services.includes(service) || (service.parent !== null && service.parent !== this)) {
      throw new ServiceHasParent(
        `Cannot add service ${describeService(service)} to ${this}: it is in a collection already`,
      );
    }
    for (let above: unknown = this; above instanceof MultiService; above = above.parent) {
      if (above === service) {
        throw new ServiceCycle(
          `Cannot add service ${describeService(service)} to ${this}: it is above it`,
        );
      }
    }
  }

  #inOrder(step: (service: IService) => MaybeDeferred): Deferred<unknown> | undefined {
    const stops = this.#stops;
    return inOrder([...this.#services], (service) => {
      // Overtaken by a stop, or by the removal of this child, while an earlier one took its time.
      if (this.#stops !== stops || !this.#services.includes(service)) return;
      return step(service);
    });
  }

  #stop(child: IService): Deferred<unknown> {
    const done = maybeDeferred(() => child.stopService());
    this.#stopping.add(child);
    return done.addBoth((result: unknown) => {
      this.#stopping.delete(child);
      if (result instanceof Failure) {
        reportFailure(result, `Service ${describeService(child)} failed to stop`);
      }
      return result;
    });
  }
}

/** What a service is called in messages. */
export function describeService(service: IService): string {
  if (service instanceof Service) return service.toString();
  return service.name ?? service.constructor.name;
}

/** The paths of the services that hold up the stop of `service`: 'chat/pool' is the child 'pool' of the child 'chat'. */
export function unfinishedStops(service: IService): string[] {
  if (!(service instanceof MultiService)) return [];
  return service.stopping.flatMap((child) => {
    const label = describeAmong(child, [...service]);
    const below = unfinishedStops(child);
    return below.length === 0 ? [label] : below.map((path) => `${label}/${path}`);
  });
}

/** Tells apart those that are called the same: 'TCPServer#2'. */
function describeAmong(service: IService, siblings: readonly IService[]): string {
  const label = describeService(service);
  const same = siblings.filter((sibling) => describeService(sibling) === label);
  return same.length < 2 ? label : `${label}#${same.indexOf(service) + 1}`;
}

/** Calls `step` on each item, each after the one before is done. Returns undefined when none had to be waited for. */
function inOrder<T>(
  items: readonly T[],
  step: (item: T) => MaybeDeferred,
  from = 0,
): Deferred<unknown> | undefined {
  for (const [index, item] of items.entries()) {
    if (index < from) continue;
    const outcome = step(item);
    if (typeof outcome !== 'object' || typeof outcome?.then !== 'function') continue;
    const waiting: Deferred<unknown> = maybeDeferred(() => outcome);
    const { result } = waiting;
    if (result instanceof Failure) {
      waiting.addErrback(() => undefined); // it is not lost but thrown
      result.raiseException();
    }
    if (waiting.called && waiting.paused === 0) continue;
    return waiting.addCallback(() => inOrder(items, step, index + 1));
  }
  return undefined;
}
