/**
 * Connections as Observables. An entry point of its own, `strand/protocols/rx`; nothing else of the room knows rxjs.
 *
 * Observables have no way to say "wait". Here the transport is made to wait instead: it is read only while somebody is subscribed, and `mapInTurn` pauses it while there is
 * as much in work as there may be. So a slow consumer slows its peer down, and no queue grows.
 */
import {
  from,
  Observable,
  type ObservableInput,
  type Observer,
  type OperatorFunction,
  type Subscriber,
  type Subscription,
} from 'rxjs';
import { type Deferred, maybeDeferred, reportFailure } from '../deferred/index.ts';
import {
  ConnectionDone,
  type Data,
  type EndpointFactory,
  type IProtocolFactory,
  type ListeningPort,
  type StreamClientEndpoint,
  type StreamServerEndpoint,
} from '../reactor/index.ts';
import { Fifo } from './asyncore/producers.ts';
import { bytesOf } from './data.ts';
import { checkLimits } from './option-checks.ts';
import { ServerFactory } from './protocol.ts';
import { Connection, ConnectionInUseError, type Pausable } from './rx-connection.ts';
import { DataReader, LineReader, type LinesOptions, type Reader } from './rx-readers.ts';

export { Connection, ConnectionInUseError, type Pausable } from './rx-connection.ts';
export { type LinesOptions, LineTooLongError, type Reader } from './rx-readers.ts';

/** What a reader makes of what comes, while it is subscribed to. */
function reading<T>(
  connection: Connection,
  make: (subscriber: Subscriber<T>) => Reader,
): Observable<T> {
  return new Observable<T>((subscriber) => {
    const reader = make(subscriber);
    if (connection.attach(reader)) subscriber.add(() => connection.detach(reader));
    else subscriber.error(new ConnectionInUseError());
  });
}

/**
 * The bytes that come on a connection, as they come: from when it is subscribed to until it is not. Completes when the peer ends, or the connection is closed in good
 * order; ends with the reason otherwise. One subscriber at a time, others get a `ConnectionInUseError`; the next one goes on where the last one left.
 */
export function data$(connection: Connection): Observable<Buffer> {
  return reading(connection, (subscriber) => new DataReader(connection, subscriber));
}

/**
 * The lines that come on a connection, without their ends; otherwise as `data$`. Once it is paused, by `mapInTurn` for one, no further line is given on, of those that
 * have come either. Ends with `LineTooLongError`, and the connection is aborted, when a line is too long.
 * @throws {TypeError} @throws {RangeError} for a delimiter that is none, or a `maxLength` that makes no sense
 */
export function lines$(connection: Connection, options: LinesOptions = {}): Observable<string> {
  if (bytesOf(options.delimiter ?? '\n', 'read lines').length === 0) {
    throw new RangeError('Cannot read lines: the delimiter is empty');
  }
  checkLimits(options, ['maxLength']);
  return reading(connection, (subscriber) => new LineReader(connection, subscriber, options));
}

/** Options of `mapInTurn`. */
export interface MapInTurnOptions {
  /** How many values may be in work at the same time. Default 1: one after the other, in order. */
  concurrency?: number;
  /** How many values may wait besides those before the producer is paused. Default 0. */
  highWater?: number;
}

/**
 * What `concatMap` does (with `concurrency`, `mergeMap`), but `producer` is paused while there is as much in work as there may be: the peer waits, not a queue. Other
 * operators may stand between. A connection is held open until the last value is done.
 * @throws {RangeError} for numbers that make no sense
 * @example
 * lines$(connection).pipe(mapInTurn(connection, async (line) => `${await lookUp(line)}\n`)).subscribe(writer(connection));
 */
export function mapInTurn<T, R>(
  producer: Pausable,
  project: (value: T, index: number) => ObservableInput<R>,
  options: MapInTurnOptions = {},
): OperatorFunction<T, R> {
  const { concurrency = 1, highWater = 0 } = options;
  if (!(concurrency >= 1) || !(highWater >= 0)) {
    throw new RangeError(`Cannot work on ${concurrency} at a time with ${highWater} waiting`);
  }
  return (source) =>
    new Observable<R>((subscriber) => {
      const waiting = new Fifo<T>();
      let running = 0;
      let index = 0;
      let hasEnded = false;
      let isPaused = false;
      let isPumping = false;
      let upstream: Subscription | undefined;
      const letGo = producer.holdOpen?.();

      const regulate = (): void => {
        const full = running >= concurrency && waiting.length >= highWater;
        if (full === isPaused || (full && hasEnded)) return;
        isPaused = full;
        if (full) producer.pauseProducing();
        else producer.resumeProducing();
      };
      const work = (value: T): void => {
        running += 1;
        let input: Observable<R>;
        try {
          input = from(project(value, index++));
        } catch (error) {
          subscriber.error(error);
          return;
        }
        subscriber.add(
          input.subscribe({
            next: (result) => subscriber.next(result),
            error: (error: unknown) => subscriber.error(error),
            complete: () => {
              running -= 1;
              pump();
            },
          }),
        );
      };
      /** A loop, so that work that is done at once does not pile up on the stack. */
      const pump = (): void => {
        if (isPumping) return;
        isPumping = true;
        while (running < concurrency && !waiting.isEmpty() && !subscriber.closed) {
          // The type of the values may have undefined in it, but there is one.
          work(waiting.pop() as T);
        }
        isPumping = false;
        if (subscriber.closed) return;
        if (hasEnded && running === 0 && waiting.isEmpty()) subscriber.complete();
        else regulate();
      };

      subscriber.add(() => {
        // First of all: what is given on from here would be lost.
        upstream?.unsubscribe();
        waiting.clear();
        if (isPaused) {
          isPaused = false;
          producer.resumeProducing();
        }
        letGo?.();
      });
      upstream = source.subscribe({
        next: (value) => {
          waiting.push(value);
          pump();
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          hasEnded = true;
          pump();
        },
      });
      subscriber.add(upstream);
    });
}

/**
 * Writes what it is given to a connection. Completion closes that, behind what was written; an error is reported, and aborts it. Until then the connection is held open.
 */
export function writer(connection: Connection): Observer<Data> {
  const letGo = connection.holdOpen();
  return {
    next: (data) => connection.write(data),
    error: (error: unknown) => {
      reportFailure(error, `Unhandled error in ${connection.logPrefix()}`);
      connection.abort();
      letGo();
    },
    complete: () => {
      connection.close();
      letGo();
    },
  };
}

/** Where to listen: an endpoint, or whatever listens with a factory, `(factory) => reactor.listenTCP(8000, factory)`. */
export type Listen =
  | StreamServerEndpoint
  | ((factory: IProtocolFactory) => ListeningPort | Deferred<ListeningPort>);

/** Options of `connections$`. */
export interface ConnectionsOptions {
  /** Told of the port once it listens. */
  listening?: (port: ListeningPort) => void;
  /** Whether connections that stand are left alone when it is unsubscribed from. Default false: they are closed, once what was written has left. */
  keep?: boolean;
}

class ConnectionFactory extends ServerFactory<Connection> {
  override noisy = false;
  readonly #build: () => Connection | null;

  constructor(build: () => Connection | null) {
    super();
    this.#build = build;
  }

  override buildProtocol(): Connection | null {
    return this.#build();
  }
}

/**
 * The connections that come in. Each subscription listens on its own, and stops when it is unsubscribed from. Ends with what keeps it from listening.
 * @example
 * connections$(new TCP4ServerEndpoint(reactor, 8000)).subscribe((connection) => {
 *   lines$(connection).pipe(mapInTurn(connection, answer)).subscribe(writer(connection));
 * });
 */
export function connections$(
  listen: Listen,
  options: ConnectionsOptions = {},
): Observable<Connection> {
  return new Observable<Connection>((subscriber) => {
    const standing = new Set<Connection>();
    const factory = new ConnectionFactory(() => {
      if (subscriber.closed) return null;
      return new Connection(
        (connection) => {
          standing.add(connection);
          subscriber.next(connection);
        },
        (connection) => standing.delete(connection),
      );
    });
    let port: ListeningPort | undefined;
    maybeDeferred(() =>
      typeof listen === 'function' ? listen(factory) : listen.listen(factory),
    ).addCallbacks(
      (listening: ListeningPort) => {
        port = listening;
        if (subscriber.closed) stop(listening);
        else options.listening?.(listening);
      },
      (failure) => subscriber.error(failure.value),
    );
    return () => {
      if (port !== undefined) stop(port);
      if (options.keep === true) return;
      for (const connection of standing) connection.close();
    };
  });
}

function stop(port: ListeningPort): void {
  port.stopListening().addErrback((failure) => {
    reportFailure(failure, 'Unhandled error in the end of a port');
  });
}

/**
 * A connection to wherever `endpoint` leads. Each subscription connects on its own; it gives the connection, and completes when that is closed in good order. Ends with
 * why it could not be made, or broke. Unsubscribing gives the attempt up, or closes the connection.
 */
export function connection$(endpoint: StreamClientEndpoint): Observable<Connection> {
  return new Observable<Connection>((subscriber) => {
    let made: Connection | undefined;
    const factory: EndpointFactory<Connection> = new ConnectionFactory(
      () =>
        new Connection(
          (connection) => {
            made = connection;
          },
          (_connection, reason) => {
            if (reason.check(ConnectionDone) === null) subscriber.error(reason.value);
            else subscriber.complete();
          },
        ),
    );
    const connecting = endpoint.connect(factory);
    connecting.addCallbacks(
      (connection) => subscriber.next(connection),
      (failure) => subscriber.error(failure.value),
    );
    return () => {
      connecting.cancel();
      made?.close();
    };
  });
}
