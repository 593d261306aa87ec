/**
 * What a client's connection is before its first request and after its last: made, secured, given to another protocol, lost.
 */
import { Deferred, type Failure } from '../../../deferred/index.ts';
import {
  type IHalfCloseableProtocol,
  type IHandshakeListener,
  type IProtocol,
  logEvent,
  type ReactorTime,
  type TLSTransport,
} from '../../../reactor/index.ts';
import { Protocol } from '../../protocol.ts';
import type { Deadlines, Watched } from '../channel-deadlines.ts';
import type { ParserSettings } from '../parser-limits.ts';
import { RequestNotSent } from './errors.ts';
import type { HTTPPoolLimits } from './limits.ts';

/** What a connection needs to know of whoever keeps it. */
export interface ConnectionSetting {
  readonly clock: ReactorTime;
  readonly limits: HTTPPoolLimits;
  readonly parserSettings: ParserSettings;
  readonly deadlines: Deadlines;
}

export type ConnectionState = 'connecting' | 'idle' | 'busy' | 'closing' | 'tunnel' | 'lost';

export abstract class ConnectionBase
  extends Protocol
  implements IHalfCloseableProtocol, IHandshakeListener, Watched
{
  /** Which connections it can stand in for. */
  readonly key: string;
  protected readonly setting: ConnectionSetting;
  protected state: ConnectionState = 'connecting';
  /** Why the connection was lost. */
  protected loss: Failure | undefined = undefined;
  /** The protocol that the connection belongs to now. */
  protected next: IProtocol | undefined = undefined;
  #ready: Deferred<this> | undefined;

  constructor(setting: ConnectionSetting, key: string) {
    super();
    this.setting = setting;
    this.key = key;
  }

  abstract get deadline(): number;
  abstract overdue(now: number): void;

  override connectionMade(): void {
    this.setting.deadlines.add(this);
    const { TLS } = this.transport as Partial<TLSTransport>; // asked whether it has that
    if (TLS !== true) this.#becomeReady();
  }

  handshakeCompleted(): void {
    if (this.state !== 'connecting') {
      (this.next as Partial<IHandshakeListener> | undefined)?.handshakeCompleted?.(); // asked whether it has it
      return;
    }
    const { negotiatedProtocol } = this.transport as TLSTransport; // or there would have been no handshake
    if (negotiatedProtocol === null || negotiatedProtocol.startsWith('http/1.')) {
      this.#becomeReady();
    } else {
      this.refuseConnection(`The server wants to speak ${negotiatedProtocol}`);
    }
  }

  #becomeReady(): void {
    this.state = 'idle';
    const ready = this.#ready;
    this.#ready = undefined;
    ready?.callback(this);
  }

  protected notReady(error: unknown): void {
    this.state = 'closing';
    const ready = this.#ready;
    this.#ready = undefined;
    ready?.errback(error);
  }

  /** No request is sent over it. */
  protected refuseConnection(why: string): void {
    this.notReady(new RequestNotSent(why));
    this.transport.abortConnection();
  }

  /** Fires with this once a request can be sent: at once, or after the handshake. Cancelling closes the connection. */
  whenReady(): Deferred<this> {
    const ready = new Deferred<this>(() => {
      this.#ready = undefined;
      this.state = 'closing';
      this.transport.abortConnection();
    });
    if (this.state === 'idle') ready.callback(this);
    else if (this.state === 'connecting') this.#ready = ready;
    else ready.errback(this.loss ?? new RequestNotSent('The connection was lost'));
    return ready;
  }

  /** Whether it can take a request. */
  get usable(): boolean {
    return this.state === 'idle' && this.transport.connected && !this.transport.disconnecting;
  }

  /** Nothing that was being sent is sent any further. */
  protected abstract stopSending(): void;

  readConnectionLost(): void {
    const next = this.next as Partial<IHalfCloseableProtocol> | undefined; // asked whether it has them
    if (next?.readConnectionLost && next.writeConnectionLost) {
      next.readConnectionLost();
      return;
    }
    // A server that has ended its side says nothing to what we might still send.
    this.stopSending();
    this.transport.loseConnection();
  }

  writeConnectionLost(): void {
    (this.next as Partial<IHalfCloseableProtocol> | undefined)?.writeConnectionLost?.(); // asked whether it has it
  }

  override logPrefix(): string {
    return this.next?.logPrefix?.() ?? super.logPrefix();
  }

  protected say(what: string): void {
    const message = `The server ${this.key} ${what}`;
    logEvent({ level: 'debug', system: this.logPrefix(), message });
  }
}
