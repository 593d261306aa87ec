/** What an FTP server takes from a client, and how. Every limit is an option of `FTPFactory`. */
import { inspect } from 'node:util';
import type { ReactorTCP, ReactorTime, TLSContext } from '../../../reactor/index.ts';
import type { Eventually } from '../../cred/index.ts';
import type { FTPEvent } from './events.ts';

/** Where clients behind a translating router find the passive ports: one address, addresses by the networks clients come from, or a function of the client's address. */
export type PassiveAddress =
  | string
  | Readonly<Record<string, string>>
  | ((peerHost: string, localHost: string) => Eventually<string>);

/** Limits of a server. Times are in seconds, sizes in bytes; Infinity switches a limit off. */
export interface FTPLimits {
  /** Seconds without a command, while nothing is transferred, after which a session ends. Default 300. Twisted: `timeOut`. */
  readonly timeOut: number;
  /** Seconds that somebody has to log in. Default 120. */
  readonly loginTimeout: number;
  /** Seconds that a data connection has to be there, once it was asked for. Default 30. Twisted: `dtpTimeout`. */
  readonly dtpTimeout: number;
  /** Seconds without a byte after which a transfer is broken off. Default 300. */
  readonly stallTimeout: number;
  /** Seconds that a TLS handshake may take. Default 30. */
  readonly handshakeTimeout: number;
  /** Seconds that transfers may take once the server stops. Default 10. */
  readonly drainTimeout: number;
  /** Bytes of a command line. Default 4096. */
  readonly maxLineLength: number;
  /** Commands that wait for the one under way; then no more is read. Default 32. */
  readonly maxQueuedCommands: number;
  /** Sessions at a time. Default 512. */
  readonly maxSessions: number;
  /** Sessions at a time from one address. Default 32. */
  readonly maxSessionsPerPeer: number;
  /** Sessions at a time of one user. Default unlimited. */
  readonly maxSessionsPerUser: number;
  /** Failed logins after which a session ends. Default 3. */
  readonly maxLoginFailures: number;
  /** Seconds by which the answer to a failed login is late. Default 3. */
  readonly loginDelay: number;
  /** Failed logins from one address in `loginWindow` after which it is refused unseen. Default 30. */
  readonly maxPeerLoginFailures: number;
  /** Seconds for which failed logins of an address are remembered. Default 300. */
  readonly loginWindow: number;
  /** Bytes a second of one transfer, either way. Default unlimited. */
  readonly maxRate: number;
  /** Bytes a second of all transfers of one user. Default unlimited. */
  readonly maxUserRate: number;
  /** Bytes of a file that is uploaded. Default unlimited. */
  readonly maxFileSize: number;
  /** How many times longer an upload in MODE Z may become than it came, beyond its first MiB. Default 200; nothing that zlib makes is more than 1032. */
  readonly maxInflation: number;
  /** Names that a listing over the control connection (STAT) shows. Default 1000. */
  readonly maxStatNames: number;
}

/** The limits of an `FTPFactory` that is told no others. */
export const DEFAULT_FTP_LIMITS: FTPLimits = Object.freeze({
  timeOut: 300,
  loginTimeout: 120,
  dtpTimeout: 30,
  stallTimeout: 300,
  handshakeTimeout: 30,
  drainTimeout: 10,
  maxLineLength: 4096,
  maxQueuedCommands: 32,
  maxSessions: 512,
  maxSessionsPerPeer: 32,
  maxSessionsPerUser: Number.POSITIVE_INFINITY,
  maxLoginFailures: 3,
  loginDelay: 3,
  maxPeerLoginFailures: 30,
  loginWindow: 300,
  maxRate: Number.POSITIVE_INFINITY,
  maxUserRate: Number.POSITIVE_INFINITY,
  maxFileSize: Number.POSITIVE_INFINITY,
  maxInflation: 200,
  maxStatNames: 1000,
});

/** Options of `FTPFactory`: these, and every limit of `FTPLimits`. */
export interface FTPFactoryOptions extends Partial<FTPLimits> {
  /** What listens, connects and tells the time. Default: the process's reactor. */
  readonly reactor?: ReactorTCP & ReactorTime;
  /** The greeting. */
  readonly welcomeMessage?: string;
  /** Whether `userAnonymous` (and 'ftp') log in as nobody in particular. Default true, as in Twisted; the portal has the last word. */
  readonly allowAnonymous?: boolean;
  /** Default 'anonymous'. */
  readonly userAnonymous?: string;
  /** Ports that data connections are taken on. Default: any. */
  readonly passivePortRange?: Iterable<number>;
  /** The address that clients are told for passive transfers, behind a router that translates. Default: the one they have connected to. */
  readonly passiveAddress?: PassiveAddress;
  /** What AUTH TLS begins. Without it there is no TLS. */
  readonly tls?: TLSContext;
  /** Whether logging in takes TLS. Default false. */
  readonly requireTLS?: boolean;
  /** Whether transfers take TLS. Default: `requireTLS`. */
  readonly requireDataTLS?: boolean;
  /** Whether data connections have to resume a TLS session of this server. Default false. */
  readonly requireSessionReuse?: boolean;
  /** Whether data connections may be of another host than the control connection. Default false: that is how servers are made to attack others. */
  readonly allowForeignData?: boolean;
  /** Whether PORT and EPRT may name ports below 1024. Default false. */
  readonly allowLowPorts?: boolean;
  /** Whether clients may have the server connect to them at all. Default true. */
  readonly allowActive?: boolean;
  /** Whether there is MODE Z: data go compressed if a client asks for that. It costs much more time of the processor than anything else here. Default false. */
  readonly modeZ?: boolean;
  /** Names that HOST takes (RFC 7151). Default: any. */
  readonly hosts?: readonly string[];
  /** A file to which a line is added for each transfer, as wu-ftpd does. */
  readonly transferLog?: string | null;
  /** Called with all that happens. See `FTPFactory.events$` for an Observable. */
  readonly onEvent?: (event: FTPEvent) => void;
}

/** At 0 of these, nothing would ever happen. */
const ABOVE_ZERO: readonly string[] = ['maxRate', 'maxUserRate', 'maxQueuedCommands'];

/** @throws {RangeError} when a limit is no number of 0 or more, or is 0 where that makes no sense */
export function ftpLimits(options: Partial<FTPLimits>): FTPLimits {
  const limits: Record<string, number> = { ...DEFAULT_FTP_LIMITS };
  for (const name of Object.keys(limits)) {
    const value = options[name as keyof FTPLimits]; // those are the names of the defaults
    if (value === undefined) continue;
    const isTooLow = ABOVE_ZERO.includes(name) ? !(value > 0) : !(value >= 0);
    if (typeof value !== 'number' || isTooLow) {
      const range = ABOVE_ZERO.includes(name) ? 'above 0' : 'of 0 or more';
      throw new RangeError(`The option ${name} must be a number ${range}: got ${inspect(value)}`);
    }
    limits[name] = value;
  }
  return Object.freeze(limits as unknown as FTPLimits); // it began as one
}
