/**
 * Standing between a connection and its protocol: the base of everything that limits, times, counts or changes what passes (Twisted: `twisted.protocols.policies`).
 *
 * A `ProtocolWrapper` is the protocol of the real transport and the transport of the real protocol. It has whatever either of them has besides what every transport and every
 * protocol has: `startTLS` when the transport has it, `readConnectionLost` when the protocol has it. So neither side can tell that there is something in between.
 */
import type { Failure } from '../../deferred/index.ts';
import {
  type Address,
  type Connector,
  type Data,
  FURTHER_METHODS,
  type IClientFactory,
  type IProtocol,
  type IProtocolFactory,
  type PullProducer,
  type PushProducer,
  passFurtherMethods,
  type Transport,
} from '../../reactor/index.ts';
import { ClientFactory } from '../protocol.ts';

/**
 * Prototypes that add to a class of wrappers what a kind of transport has besides `Transport`: one for each pair, made when they first meet. A connection pays for it with
 * one change of prototype, and not with a property for each member.
 */
const prototypes = new WeakMap<object, WeakMap<object, object>>();

function prototypeFor(wrapper: object, transport: Transport): object {
  const own: object = Object.getPrototypeOf(wrapper);
  const kind: object = Object.getPrototypeOf(transport);
  let known = prototypes.get(own);
  if (known === undefined) {
    known = new WeakMap();
    prototypes.set(own, known);
  }
  let prototype = known.get(kind);
  if (prototype === undefined) {
    prototype = Object.create(own, forwards(wrapper, transport)) as object;
    known.set(kind, prototype);
  }
  return prototype;
}

/** What hands on each member of `transport` that `wrapper` has not got itself. */
function forwards(wrapper: object, transport: Transport): PropertyDescriptorMap {
  const found: PropertyDescriptorMap = {};
  const skip = new Set<string>(FURTHER_METHODS);
  for (
    let level: object | null = transport;
    level !== null && level !== Object.prototype;
    level = Object.getPrototypeOf(level)
  ) {
    for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (name in wrapper || name in found || skip.has(name)) continue;
      found[name] = forward(name, typeof member.value === 'function');
    }
  }
  return found;
}

function forward(name: string, isMethod: boolean): PropertyDescriptor {
  const configurable = true;
  if (!isMethod) {
    return {
      configurable,
      get(this: ProtocolWrapper): unknown {
        return Reflect.get(this.transport, name);
      },
      set(this: ProtocolWrapper, value: unknown) {
        Reflect.set(this.transport, name, value);
      },
    };
  }
  return {
    configurable,
    writable: true,
    value(this: ProtocolWrapper, ...args: unknown[]): unknown {
      const { transport } = this;
      return (Reflect.get(transport, name) as (...args: unknown[]) => unknown).apply(
        transport,
        args,
      ); // it was a function when it was found
    },
  };
}

/** What a wrapper needs of its factory: to be told which connections stand. */
export interface WrapperOwner {
  /** A wrapper has its connection. */
  registerProtocol(protocol: ProtocolWrapper<WrapperOwner>): void;
  /** A wrapper has lost its connection. */
  unregisterProtocol(protocol: ProtocolWrapper<WrapperOwner>): void;
}

/**
 * Passes everything on, both ways. Subclass it and override what you want to hear of or to change; call `super` to pass it on.
 *
 * Twisted: `twisted.protocols.policies.ProtocolWrapper`.
 *
 * @example
 * class Counting extends ProtocolWrapper {
 *   bytes = 0;
 *   override dataReceived(data: Buffer): unknown {
 *     this.bytes += data.length;
 *     return super.dataReceived(data);
 *   }
 * }
 */
export class ProtocolWrapper<F extends WrapperOwner = WrappingFactory>
  implements IProtocol, Transport
{
  /** The factory that made it. */
  readonly factory: F;
  /** The protocol that it serves; null once the connection is lost. */
  wrappedProtocol: IProtocol | null;
  /** The real transport; there from `makeConnection` on. */
  transport!: Transport;

  constructor(factory: F, wrappedProtocol: IProtocol | null) {
    this.factory = factory;
    this.wrappedProtocol = wrappedProtocol;
    // What stands around this one may ask before there is a connection.
    if (wrappedProtocol !== null) passFurtherMethods(this, wrappedProtocol);
  }

  // ---------------------------------------------------------------------------------- as a protocol

  // What these return matters to the connection if it is a promise.

  makeConnection(transport: Transport): unknown {
    this.takeTransport(transport);
    return this.startWrapped();
  }

  /** The first half of `makeConnection`: takes on what the transport has. */
  protected takeTransport(transport: Transport): void {
    this.transport = transport;
    Object.setPrototypeOf(this, prototypeFor(this, transport));
    this.factory.registerProtocol(this);
  }

  /** The second half: takes on what the protocol has, and connects it. */
  protected startWrapped(): unknown {
    const wrapped = this.wrappedProtocol;
    if (wrapped === null) return undefined;
    this.takeFurtherMethods();
    return wrapped.makeConnection(this);
  }

  /** Takes on what the protocol has besides what every protocol has. */
  protected takeFurtherMethods(): void {
    const { wrappedProtocol, transport } = this;
    if (wrappedProtocol === null) return;
    passFurtherMethods(this, wrappedProtocol);
    // A wrapper around this one looked for them before they were here.
    if (transport instanceof ProtocolWrapper) transport.takeFurtherMethods();
  }

  dataReceived(data: Buffer): unknown {
    return this.wrappedProtocol?.dataReceived(data);
  }

  connectionLost(reason: Failure): unknown {
    const wrapped = this.wrappedProtocol;
    this.factory.unregisterProtocol(this);
    try {
      return wrapped?.connectionLost(reason);
    } finally {
      this.wrappedProtocol = null;
    }
  }

  logPrefix(): string {
    return wrappedName(this.wrappedProtocol, this);
  }

  // --------------------------------------------------------------------------------- as a transport

  get connected(): boolean {
    return this.transport.connected;
  }

  get disconnecting(): boolean {
    return this.transport.disconnecting;
  }

  write(data: Data): void {
    this.transport.write(data);
  }

  writeSequence(data: Iterable<Data>): void {
    this.transport.writeSequence(data);
  }

  loseConnection(): void {
    this.transport.loseConnection();
  }

  abortConnection(): void {
    this.transport.abortConnection();
  }

  loseWriteConnection(): void {
    this.transport.loseWriteConnection();
  }

  getHost(): Address {
    return this.transport.getHost();
  }

  getPeer(): Address {
    return this.transport.getPeer();
  }

  registerProducer(producer: PushProducer, streaming: true): void;
  registerProducer(producer: PullProducer, streaming: boolean): void;
  registerProducer(producer: PullProducer, streaming: boolean): void {
    this.transport.registerProducer(producer, streaming);
  }

  unregisterProducer(): void {
    this.transport.unregisterProducer();
  }

  pauseProducing(): void {
    this.transport.pauseProducing();
  }

  resumeProducing(): void {
    this.transport.resumeProducing();
  }

  stopProducing(): void {
    this.transport.stopProducing();
  }
}

/** How log lines name what is wrapped, and what wraps it: 'Echo (ThrottlingProtocol)'. */
function wrappedName(wrapped: { logPrefix?(): string } | null, wrapper: object): string {
  const own = wrapper.constructor.name;
  if (wrapped === null) return own;
  return `${wrapped.logPrefix?.() ?? wrapped.constructor.name} (${own})`;
}

/** A class of wrappers, as a factory makes them. */
export type WrapperClass = new (
  factory: WrappingFactory,
  wrappedProtocol: IProtocol | null,
) => ProtocolWrapper;

/** What a wrapping factory takes from `ClientFactory`: all but how protocols are made. */
interface WrappingFactoryBase extends IClientFactory {
  /** Whether starting and stopping is logged, at level info. */
  noisy: boolean;
  /** How many ports and connectors use this factory now. */
  numPorts: number;
  startFactory(): void;
  stopFactory(): void;
  logPrefix(): string;
}

const Base: new () => WrappingFactoryBase = ClientFactory;

/** Whether a factory has its ports say that they listen. */
export function isNoisy(factory: IProtocolFactory): boolean {
  return !('noisy' in factory) || factory.noisy !== false;
}

/** Starts or stops a factory around another without a word: its own start is not worth a line beside that of the factory in it. */
export function quietly(factory: { noisy: boolean }, act: () => void): void {
  const { noisy } = factory;
  factory.noisy = false;
  try {
    act();
  } finally {
    factory.noisy = noisy;
  }
}

/**
 * Wraps every protocol of another factory, for ports and for connectors. Set `protocol` to the class of wrappers, or override `buildProtocol`.
 *
 * Twisted: `twisted.protocols.policies.WrappingFactory`.
 *
 * @example
 * class CountingFactory extends WrappingFactory {
 *   override protocol = Counting;
 * }
 * reactor.listenTCP(8007, new CountingFactory(new EchoFactory()));
 */
export class WrappingFactory extends Base {
  /** What `buildProtocol` wraps protocols in. */
  protocol: WrapperClass = ProtocolWrapper;
  /** The factory of the real protocols. */
  readonly wrappedFactory: IProtocolFactory & Partial<IClientFactory>;
  /** The wrappers whose connections stand. */
  readonly protocols: Set<ProtocolWrapper> = new Set();

  constructor(wrappedFactory: IProtocolFactory) {
    super();
    this.wrappedFactory = wrappedFactory;
    // For the ports that it is used by, which say less for a factory that is not noisy.
    this.noisy = isNoisy(wrappedFactory);
  }

  override doStart(): void {
    this.wrappedFactory.doStart();
    quietly(this, () => super.doStart());
  }

  override doStop(): void {
    this.wrappedFactory.doStop();
    quietly(this, () => super.doStop());
  }

  override buildProtocol(addr: Address): ProtocolWrapper | null {
    const wrapped = this.wrappedFactory.buildProtocol(addr);
    return wrapped === null || wrapped === undefined ? null : new this.protocol(this, wrapped);
  }

  /** A wrapper has its connection. */
  registerProtocol(protocol: ProtocolWrapper): void {
    this.protocols.add(protocol);
  }

  /** A wrapper has lost its connection. */
  unregisterProtocol(protocol: ProtocolWrapper): void {
    this.protocols.delete(protocol);
  }

  /** Closes every connection that stands, in good order. */
  disconnectAll(): void {
    for (const protocol of [...this.protocols]) protocol.loseConnection();
  }

  override startedConnecting(connector: Connector): void {
    this.wrappedFactory.startedConnecting?.(connector);
  }

  override clientConnectionFailed(connector: Connector, reason: Failure): void {
    this.wrappedFactory.clientConnectionFailed?.(connector, reason);
  }

  override clientConnectionLost(connector: Connector, reason: Failure): void {
    this.wrappedFactory.clientConnectionLost?.(connector, reason);
  }

  override logPrefix(): string {
    return wrappedName(this.wrappedFactory, this);
  }
}
