/** A client whose connections are in memory: every byte and every second is the test's. */
import { Deferred, Failure, fail, succeed } from '../../../src/deferred/index.ts';
import {
  Agent,
  type AgentEndpointFactory,
  HTTPConnectionPool,
  type HTTPPoolOptions,
  type Response,
} from '../../../src/protocols/http/client/index.ts';
import {
  ConnectionDone,
  ConnectionLost,
  type EndpointFactory,
  type IProtocol,
  IPv4Address,
  type NameConnector,
  type StreamClientEndpoint,
  StringTransport,
} from '../../../src/reactor/index.ts';
import { Clock, failureResultOf, successResultOf } from '../support.ts';

export { Clock, failureResultOf, successResultOf };

/** The server's end of a connection, without a server. */
export class MemoryConnection {
  readonly transport: StringTransport = new StringTransport();
  readonly protocol: IProtocol;

  constructor(protocol: IProtocol) {
    this.protocol = protocol;
    protocol.makeConnection(this.transport);
  }

  /** What was sent since the last call, as Latin-1. */
  heard(): string {
    const text = this.transport.value().toString('latin1');
    this.transport.clear();
    return text;
  }

  /** Has the client receive `text`, as Latin-1. */
  say(text: string): this {
    this.protocol.dataReceived(Buffer.from(text, 'latin1'));
    return this;
  }

  /** The connection ends in good order, or by an error. */
  lose(error: Error = new ConnectionDone()): void {
    this.transport.connected = false;
    this.protocol.connectionLost(new Failure(error));
  }

  /** It breaks. */
  break(): void {
    this.lose(new ConnectionLost('broken'));
  }

  get aborted(): boolean {
    return this.transport.disconnected;
  }

  get closing(): boolean {
    return this.transport.disconnecting;
  }

  get paused(): boolean {
    return this.transport.producerState === 'paused';
  }
}

/** Where all requests go. */
export class MemoryServer implements StreamClientEndpoint, AgentEndpointFactory {
  readonly connections: MemoryConnection[] = [];
  /** Attempts that were not answered yet. */
  readonly attempts: Array<() => void> = [];
  /** Whether attempts wait for the test. */
  holds = false;
  /** What attempts fail with. */
  error: Error | undefined;
  cancelled = 0;

  endpointForURI(): StreamClientEndpoint {
    return this;
  }

  connect<P extends IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    const { error } = this;
    if (error !== undefined) return fail(error);
    const connect = (): P => {
      const protocol = factory.buildProtocol(new IPv4Address('TCP', '192.0.2.1', 80));
      if (protocol === null || protocol === undefined) throw new Error('There is no protocol');
      this.connections.push(new MemoryConnection(protocol));
      return protocol;
    };
    if (!this.holds) return succeed(connect()) as Deferred<P>; // a protocol is no promise
    const deferred = new Deferred<P>(() => {
      this.cancelled += 1;
    });
    this.attempts.push(() => deferred.callback(connect() as never)); // as above
    return deferred;
  }

  /** The connection that was made last, or the one at `index`. */
  connection(index: number = this.connections.length - 1): MemoryConnection {
    const connection = this.connections[index];
    if (connection === undefined) throw new Error(`There is no connection ${index}`);
    return connection;
  }
}

/** A client and the server that it asks. */
export class Memory {
  readonly clock: Clock = new Clock();
  readonly server: MemoryServer = new MemoryServer();
  readonly pool: HTTPConnectionPool;
  readonly agent: Agent;

  constructor(options: HTTPPoolOptions | boolean = true) {
    this.pool = new HTTPConnectionPool(this.clock, options);
    // Nothing but its endpoints is asked for connections.
    const reactor = this.clock as unknown as NameConnector;
    this.agent = Agent.usingEndpointFactory(reactor, this.server, this.pool);
  }

  /** Asks for `path` of http://host. */
  get(path = '/'): Deferred<Response> {
    return this.agent.request('GET', `http://host${path}`);
  }

  get connection(): MemoryConnection {
    return this.server.connection();
  }

  /** Asks, and has `text` answered. */
  answer(text: string, method = 'GET'): Response {
    const asked = this.agent.request(method, 'http://host/');
    this.connection.say(text);
    return successResultOf(asked);
  }
}

/** A whole response. */
export function ok(body = '', ...lines: string[]): string {
  return ['HTTP/1.1 200 OK', `Content-Length: ${body.length}`, ...lines, '', body].join('\r\n');
}

/** A promise of the error that `deferred` fails with. */
export function errorOf(deferred: PromiseLike<unknown>): Promise<Error> {
  return new Promise((resolve, reject) => {
    deferred.then(
      (value) => reject(new Error(`It did not fail: ${String(value)}`)),
      (error: Error) => resolve(error),
    );
  });
}
