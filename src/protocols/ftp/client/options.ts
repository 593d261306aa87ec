/** What an FTP client can be told. */
import type { ReactorTCP, ReactorTime, TLSContext } from '../../../reactor/index.ts';
import type { ForeignDataAddressRule } from './data-address.ts';

/** Options of an `FTPClient`, all of them optional. */
export interface FTPClientOptions {
  /** Whether the client makes the data connections (Twisted's `passive`). False: the server connects to the client, which few networks let it. Default true. */
  readonly passive?: boolean | number;
  /** What connects, listens and tells the time. Default: the process's reactor. */
  readonly reactor?: ReactorTCP & ReactorTime;
  /** 'explicit': log in only after AUTH TLS (RFC 4217). 'implicit': the connection was made with TLS, as on port 990. Default 'none'. A server that refuses is not logged in to. */
  readonly security?: 'none' | 'explicit' | 'implicit';
  /** Whom to trust, and what to show. Default: the system's authorities. */
  readonly tls?: TLSContext;
  /** Whom the server's certificate has to name: needed if the client was connected by other means than `connectFTP`. */
  readonly hostname?: string;
  /** Whether data go over TLS as well, if commands do (PROT P). Default true. */
  readonly protectData?: boolean;
  /** Whether a TLS data connection that ends without close_notify counts as cut off, whatever the server says over the control connection. Default true. */
  readonly requireCloseNotify?: boolean;
  /** Whether data go compressed (MODE Z), if the server can do that. Worth it for text over slow lines. Default false. */
  readonly modeZ?: boolean;
  /** Seconds that the server may take for a reply, or for the next bytes of a transfer. Default 30. */
  readonly timeout?: number;
  /** Seconds of a transfer after which a NOOP is sent, again and again, lest routers on the way forget the connection for commands; null never. Default 60. */
  readonly keepAlive?: number | null;
  /** What to do when the server names another host for data than itself. Default 'refuse'. */
  readonly foreignDataAddress?: ForeignDataAddressRule;
  /** How names are sent and read. Default 'utf8' (RFC 2640); 'latin1' keeps every byte of names in older encodings. */
  readonly encoding?: 'utf8' | 'latin1';
  /** Bytes that a reply may have. Default 65,536. */
  readonly maxReply?: number;
  /** Bytes that a listing may have, of those that the client reads itself. Default 40 MiB. */
  readonly maxListing?: number;
}

/** What `FTPClient` does unless its options say otherwise. */
export const DEFAULT_FTP_CLIENT_OPTIONS = {
  security: 'none',
  tls: {},
  protectData: true,
  requireCloseNotify: true,
  modeZ: false,
  timeout: 30,
  keepAlive: 60,
  foreignDataAddress: 'refuse',
  encoding: 'utf8',
  maxReply: 65_536,
  maxListing: 40 * 1024 * 1024,
} as const satisfies FTPClientOptions;

/** Options with nothing missing. */
export type FTPClientSettings = Required<Omit<FTPClientOptions, 'hostname' | 'passive'>>;

/** @throws {TypeError} for values that make no sense */
export function checkOptions(options: FTPClientOptions): void {
  const { security = 'none', timeout = 1, keepAlive = 1, maxReply = 1, maxListing = 1 } = options;
  if (!['none', 'explicit', 'implicit'].includes(security)) {
    throw new TypeError(
      `Bad security ${JSON.stringify(security)}: expected 'none', 'explicit' or 'implicit'`,
    );
  }
  for (const [name, value] of Object.entries({ timeout, keepAlive, maxReply, maxListing })) {
    if (value !== null && !(value > 0 && Number.isFinite(value))) {
      throw new TypeError(`Bad ${name} ${JSON.stringify(value)}: expected a number above 0`);
    }
  }
  const { foreignDataAddress = 'refuse', encoding = 'utf8' } = options;
  if (!['refuse', 'ignore', 'allow'].includes(foreignDataAddress)) {
    throw new TypeError(
      `Bad foreignDataAddress ${JSON.stringify(foreignDataAddress)}: expected 'refuse', 'ignore' or 'allow'`,
    );
  }
  if (encoding !== 'utf8' && encoding !== 'latin1') {
    throw new TypeError(`Bad encoding ${JSON.stringify(encoding)}: expected 'utf8' or 'latin1'`);
  }
}
