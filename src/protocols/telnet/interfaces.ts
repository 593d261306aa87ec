/** What a protocol over telnet is, and what it talks to (Twisted: `ITelnetProtocol`, `ITelnetTransport`). Nothing here runs but one name. */
import type { Deferred } from '../../deferred/index.ts';
import type { Data, IProtocol, Transport } from '../../reactor/index.ts';
import type { OptionSide } from './options.ts';

/** A protocol that decides on options. An option is the number of it: `ECHO`, `NAWS`, ... */
export interface ITelnetProtocol extends IProtocol {
  /** A command came that nobody is there for: IP, AYT, ... */
  unhandledCommand(command: number): void;
  /** A subnegotiation came that nobody is there for. The buffer is yours. */
  unhandledSubnegotiation(option: number, data: Buffer): void;
  /** The peer asks that we do it: whether we will. Called as well when the peer agrees to what we offered. */
  enableLocal(option: number): boolean;
  /** The peer offers to do it: whether it may. Called as well when the peer agrees to what we asked for. */
  enableRemote(option: number): boolean;
  /** We must not do it any more. */
  disableLocal(option: number): void;
  /** The peer does not do it any more. */
  disableRemote(option: number): void;
}

/** What a realm is asked for by who logs in over telnet: an avatar that is such a protocol. */
export const ITelnetProtocol = 'ITelnetProtocol' as const;

/** Takes the data of a subnegotiation, without its option. The buffer is yours. */
export type Subnegotiation = (data: Buffer) => void;

/** A transport that speaks telnet: what is written is escaped, and LF becomes CR LF. */
export interface ITelnetTransport extends Transport {
  /** What takes the subnegotiation of an option. */
  readonly negotiationMap: Map<number, Subnegotiation>;
  /** What takes a command. */
  readonly commandMap: Map<number, () => void>;
  /** Asks the peer to do it. Fires with true when it does; fails with `OptionRefused`, `AlreadyEnabled`, `AlreadyNegotiating`, or why the connection was lost. */
  do(option: number): Deferred<true>;
  /** Asks the peer to stop it. Fires with true when it has; fails with `AlreadyDisabled`, `AlreadyNegotiating`, or why the connection was lost. */
  dont(option: number): Deferred<true>;
  /** Offers to do it. Fires with true when the peer agrees; fails as `do`. */
  will(option: number): Deferred<true>;
  /** Stops it. Fires with true when the peer knows; fails as `dont`. */
  wont(option: number): Deferred<true>;
  /** Whether an option is on. */
  isEnabled(side: OptionSide, option: number): boolean;
  /** Sends a subnegotiation. */
  requestNegotiation(about: number, data: Data): void;
}
