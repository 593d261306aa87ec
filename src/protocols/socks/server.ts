/** The server's side of SOCKS: one client's connection from its greeting to the end of what it is joined with. */
import {
  type Deferred,
  type DeferredTimer,
  Failure,
  gatherResults,
  reportFailure,
  succeed,
  TimeoutError,
} from '../../deferred/index.ts';
import {
  type Address,
  CannotListenError,
  ConnectError,
  ConnectionRefusedError,
  TimeoutError as ConnectTimeoutError,
  DNSLookupError,
  NoRouteError,
  TCPTimedOutError,
} from '../../reactor/index.ts';
import { LoginFailed } from '../cred/errors.ts';
import { Protocol } from '../protocol.ts';
import { Relay, type RelayOptions } from '../relay.ts';
import { SOCKSProtocolError, SOCKSRefusedError } from './errors.ts';
import type { SOCKSServerFactory, SOCKSSession, SOCKSTarget } from './factory.ts';
import {
  encodeAnswer,
  encodeAnswer4,
  encodeLoginResult,
  encodeMethodChoice,
  reply4,
  type SOCKSAddress,
  type SOCKSClientMessage,
  type SOCKSCommand,
  type SOCKSGreeting,
  type SOCKSLogin,
  SOCKSMethod,
  SOCKSReply,
  type SOCKSRequest,
} from './messages.ts';
import { addressesOf, awaitConnection, connectToFirst, type FarProtocol } from './opening.ts';
import { SOCKSServerParser } from './parser.ts';
import { UDPAssociation } from './udp.ts';

/** What a client may send before it has had its answer, in bytes: it is not read then, so this is a chunk that was under way. */
const MOST_KEPT = 1 << 18;

/** What a client is waiting for, or has. */
type State = 'handshake' | 'opening' | 'joined' | 'associated' | 'over';

/** The reply for what kept a connection from being made. */
function replyFor(failure: Failure): number {
  const error = failure.value;
  if (error instanceof SOCKSRefusedError) return error.reply;
  if (error instanceof ConnectionRefusedError) return SOCKSReply.CONNECTION_REFUSED;
  if (error instanceof NoRouteError) {
    const isNet = error.osError?.code?.startsWith('ENET') === true;
    return isNet ? SOCKSReply.NETWORK_UNREACHABLE : SOCKSReply.HOST_UNREACHABLE;
  }
  const lost = [DNSLookupError, TCPTimedOutError, ConnectTimeoutError, TimeoutError];
  if (lost.some((Kind) => error instanceof Kind)) return SOCKSReply.HOST_UNREACHABLE;
  return SOCKSReply.GENERAL_FAILURE;
}

function addressOf(address: Address): SOCKSAddress {
  return 'host' in address ? address : { host: '0.0.0.0', port: 0 };
}

/** One client of a SOCKS server. Made by a `SOCKSServerFactory`. */
export class SOCKSServer extends Protocol<SOCKSServerFactory> {
  readonly #parser = new SOCKSServerParser();
  #state: State = 'handshake';
  #timer: DeferredTimer | undefined;
  #session: SOCKSSession | undefined;
  #loggingIn = false;
  /** What leads to the other connection. */
  #opening: Deferred<unknown> | undefined;
  #request: SOCKSRequest | undefined;
  #relay: Relay | undefined;
  #association: UDPAssociation | undefined;
  /** The client has said all it has to say, before it was joined. */
  #ended = false;

  /** What was asked for; undefined before that. */
  get request(): SOCKSRequest | undefined {
    return this.#request;
  }

  /** What the client logged in as; null if it did not. */
  get user(): unknown {
    return this.#session?.user ?? null;
  }

  override connectionMade(): void {
    const { factory } = this;
    factory.protocols.add(this);
    const { handshakeTimeout = 10 } = factory.options;
    if (handshakeTimeout === null) return;
    this.#timer = factory.reactor.callLater(handshakeTimeout, () => {
      this.#timer = undefined;
      this.#refuse(`no complete request in ${handshakeTimeout} s`);
      this.transport.abortConnection();
    });
  }

  override dataReceived(data: Buffer): void {
    if (this.#relay !== undefined) {
      this.#relay.first.dataReceived(data);
      return;
    }
    // Behind a request for datagrams, nothing is to come.
    if (this.#state === 'over' || this.#state === 'associated') return;
    this.#parser.receive(data);
    this.#read();
    if (this.#relay === undefined && this.#parser.kept > MOST_KEPT)
      this.transport.abortConnection();
  }

  #read(): void {
    while (this.#state === 'handshake' && !this.#loggingIn) {
      let message: SOCKSClientMessage | undefined;
      try {
        message = this.#parser.next();
      } catch (error) {
        if (!(error instanceof SOCKSProtocolError)) throw error;
        if (error.reply !== undefined) this.transport.write(encodeAnswer(error.reply));
        this.#refuse(error.message);
        return;
      }
      if (message === undefined) return;
      if (message.type === 'greeting') this.#greet(message);
      else if (message.type === 'login') this.#logIn(message);
      else this.#serve(message);
    }
  }

  #greet({ methods }: SOCKSGreeting): void {
    const { factory } = this;
    const { NONE, PASSWORD, UNACCEPTABLE } = SOCKSMethod;
    const method = factory.needsLogin ? PASSWORD : NONE;
    if (!this.#speaks(5) || !methods.includes(method)) {
      this.transport.write(encodeMethodChoice(UNACCEPTABLE));
      this.#refuse(this.#speaks(5) ? 'it offers no way to log in that is taken' : 'version 5');
      return;
    }
    this.transport.write(encodeMethodChoice(method));
    this.#parser.expect(method === PASSWORD ? 'login' : 'request');
  }

  #speaks(version: 4 | 5): boolean {
    return this.factory.options.versions?.includes(version) ?? true;
  }

  #logIn({ username, password }: SOCKSLogin): void {
    this.transport.pauseProducing();
    this.#loggingIn = true;
    // Not given up with the connection: who is logged in has to be logged out.
    this.factory.logIn(username, password, this.transport.getPeer()).addCallbacks(
      (session) => {
        this.#loggingIn = false;
        if (this.#state === 'over') {
          this.#logOut(session);
          return;
        }
        this.#session = session;
        this.transport.write(encodeLoginResult(true));
        this.#parser.expect('request');
        this.#read();
        if (this.#state === 'handshake') this.transport.resumeProducing();
      },
      (failure) => {
        this.#loggingIn = false;
        if (failure.check(LoginFailed) === null) {
          reportFailure(failure, `Unhandled error in the log-in of ${this.logPrefix()}`);
        }
        if (this.#state === 'over') return;
        const { factory } = this;
        this.#cancelTimer();
        this.#timer = factory.reactor.callLater(factory.options.failedLoginDelay ?? 3, () => {
          this.#timer = undefined;
          this.transport.write(encodeLoginResult(false));
          this.#refuse(`user ${JSON.stringify(username)} could not log in`);
        });
      },
    );
  }

  // -------------------------------------------------------------------------------- what is asked for

  /** Why a request cannot be served, whatever its target, and the reply for it. */
  #objection({ command, version }: SOCKSRequest): { reply: number; why: string } | undefined {
    const { commands = ['connect'] } = this.factory.options;
    if (!this.#speaks(version)) {
      return { reply: SOCKSReply.GENERAL_FAILURE, why: `version ${version} is not spoken` };
    }
    if (version === 4 && this.factory.needsLogin) {
      return { reply: SOCKSReply.NOT_ALLOWED, why: 'version 4 knows no log-in' };
    }
    if (typeof command === 'string' && commands.includes(command)) return undefined;
    return { reply: SOCKSReply.COMMAND_NOT_SUPPORTED, why: 'the command is not offered' };
  }

  #serve(request: SOCKSRequest): void {
    this.#request = request;
    this.#cancelTimer();
    const objection = this.#objection(request);
    if (objection !== undefined) this.#answerNo(request, objection.reply, objection.why);
    else if (request.command === 'udp') this.#associate(request);
    else this.#open(request, request.command === 'bind' ? 'bind' : 'connect');
  }

  #open(request: SOCKSRequest, command: 'connect' | 'bind'): void {
    const { reactor, options } = this.factory;
    this.#state = 'opening';
    this.transport.pauseProducing();
    const opening = this.#permitted(request, command)
      .addTimeout(options.connectTimeout ?? 30, reactor)
      .addCallback((hosts) =>
        command === 'bind' ? this.#bind(request, hosts) : this.#connect(request, hosts),
      );
    this.#opening = opening;
    opening.addErrback((failure) => {
      if (this.#state === 'over') return;
      const error = failure.value;
      const foreseen = [ConnectError, CannotListenError, DNSLookupError, TimeoutError];
      if (!foreseen.some((Kind) => error instanceof Kind)) {
        reportFailure(failure, `Unhandled error in ${this.logPrefix()}`);
      }
      this.#answerNo(request, replyFor(failure), failure.getErrorMessage());
    });
  }

  /** The addresses of what is asked for that may be connected to. Fails if there are none. */
  #permitted(wanted: SOCKSRequest, command: SOCKSCommand): Deferred<string[]> {
    const { factory, transport } = this;
    const { host, port, userId } = wanted;
    const own = transport.getHost();
    const client = transport.getPeer();
    const { user } = this;
    return addressesOf(factory.reactor.nameResolver, host, port).addCallback((addresses) => {
      const verdicts = addresses.map((address) => {
        const target: SOCKSTarget = { command, host, address, port, client, user, userId };
        return factory.permits(target, own);
      });
      return gatherResults(verdicts, { consumeErrors: true }).addCallback((allowed) => {
        const left = addresses.filter((_, i) => allowed[i] === true);
        if (left.length > 0) return left;
        const message = `Not allowed to connect to '${host}' port ${port}`;
        throw new SOCKSRefusedError(message, wanted.version, SOCKSReply.NOT_ALLOWED);
      });
    });
  }

  #connect(request: SOCKSRequest, hosts: readonly string[]): Deferred<unknown> {
    const { factory } = this;
    const { connectTimeout = 30 } = factory.options;
    const options = { timeout: connectTimeout };
    return connectToFirst(factory.reactor, hosts, request.port, options).addCallback((far) =>
      this.#join(request, far, far.transport.getHost()),
    );
  }

  #bind(request: SOCKSRequest, hosts: readonly string[]): Deferred<unknown> {
    const { reactor, options } = this.factory;
    const { port, connection } = awaitConnection(reactor, hosts, this.transport);
    this.#answer(request, SOCKSReply.SUCCEEDED, port.getHost());
    return connection
      .addTimeout(options.bindTimeout ?? 120, reactor)
      .addCallback((far) => this.#join(request, far, far.transport.getPeer()));
  }

  #join(request: SOCKSRequest, far: FarProtocol, told: Address): void {
    if (this.#state === 'over') {
      far.transport.abortConnection();
      return;
    }
    this.#state = 'joined';
    this.#answer(request, SOCKSReply.SUCCEEDED, told);
    const { idleTimeout, closeTimeout } = this.factory.options;
    const options: RelayOptions = {
      clock: this.factory.reactor,
      ...(idleTimeout === undefined ? {} : { idleTimeout }),
      ...(closeTimeout === undefined ? {} : { closeTimeout }),
      closed: ({ first, second }) =>
        this.#say('info', `done, ${first.bytes} bytes sent and ${second.bytes} received`),
    };
    const relay = new Relay(this.transport, far.transport, options);
    this.#relay = relay;
    far.end = relay.second;
    const early = this.#parser.takeRest();
    if (early.length > 0) relay.first.dataReceived(early);
    if (this.#ended) relay.first.readConnectionLost();
  }

  #associate(request: SOCKSRequest): void {
    const { factory, transport } = this;
    try {
      this.#association = new UDPAssociation(request, {
        reactor: factory.reactor,
        transport,
        idleTimeout: factory.options.idleTimeout,
        permitted: (wanted) => this.#permitted(wanted, 'udp'),
      });
    } catch (error) {
      const failure = new Failure(error);
      this.#answerNo(request, SOCKSReply.GENERAL_FAILURE, failure.getErrorMessage());
      return;
    }
    this.#state = 'associated';
    this.#answer(request, SOCKSReply.SUCCEEDED, this.#association.getHost());
  }

  // ---------------------------------------------------------------------------------------- answers

  #answer({ version }: SOCKSRequest, reply: number, address?: Address): void {
    const told = address === undefined ? undefined : addressOf(address);
    this.transport.write(
      version === 4 ? encodeAnswer4(reply4(reply), told) : encodeAnswer(reply, told),
    );
  }

  #answerNo(request: SOCKSRequest, reply: number, why: string): void {
    this.#answer(request, reply);
    this.#refuse(why);
  }

  #refuse(why: string): void {
    this.#say('warn', why);
    this.#state = 'over';
    this.#cancelTimer();
    this.transport.loseConnection();
  }

  #say(level: 'info' | 'warn', what: string): void {
    const { command, host, port } = this.#request ?? {};
    const wanted = command === undefined ? 'request' : `${command} '${host}' port ${port}`;
    const peer = this.transport.getPeer();
    this.factory.log(level, `${level === 'warn' ? 'Refused ' : ''}${wanted} of ${peer}: ${what}`);
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #logOut(session: SOCKSSession): void {
    const report = (error: unknown): void =>
      reportFailure(error, `Unhandled error in the log-out of ${this.logPrefix()}`);
    try {
      const result: unknown = session.logout();
      succeed(result).addErrback(report);
    } catch (error) {
      report(error);
    }
  }

  // -------------------------------------------------------------------------------------------- ends

  /** The peer will send no more. */
  readConnectionLost(): void {
    if (this.#relay !== undefined) this.#relay.first.readConnectionLost();
    else if (this.#state === 'opening') this.#ended = true;
    else this.transport.loseConnection();
  }

  /** Nothing more can be sent. */
  writeConnectionLost(): void {
    this.#relay?.first.writeConnectionLost();
  }

  override connectionLost(reason: Failure): void {
    this.#state = 'over';
    this.factory.protocols.delete(this);
    this.#cancelTimer();
    this.#association?.stop();
    this.#relay?.first.connectionLost(reason);
    this.#opening?.cancel();
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined) this.#logOut(session);
  }
}
