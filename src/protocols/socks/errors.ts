/** What can go wrong between a SOCKS client and its proxy. */
import { ConnectError } from '../../reactor/index.ts';

/** Nothing was connected through a SOCKS proxy. Base of the kinds below. */
export class SOCKSError extends ConnectError {
  override readonly code: string = 'ERR_SOCKS';
}

/** The other side does not speak SOCKS, or speaks it wrongly. */
export class SOCKSProtocolError extends SOCKSError {
  override readonly code: string = 'ERR_SOCKS_PROTOCOL';
  /** What a SOCKS5 server has to answer to it, or undefined where no answer would be understood. */
  readonly reply: number | undefined;

  constructor(message: string, reply?: number) {
    super(message);
    this.reply = reply;
  }
}

/** The proxy wants a log-in that it was not offered, or refused the one it got. */
export class SOCKSAuthenticationError extends SOCKSError {
  override readonly code: string = 'ERR_SOCKS_AUTHENTICATION';
}

/** The proxy would not, or could not, connect. */
export class SOCKSRefusedError extends SOCKSError {
  override readonly code: string = 'ERR_SOCKS_REFUSED';
  /** The version that was spoken. */
  readonly version: 4 | 5;
  /** The proxy's number for why: of RFC 1928, 6, or 91 to 93 in version 4. */
  readonly reply: number;

  constructor(message: string, version: 4 | 5, reply: number) {
    super(message);
    this.version = version;
    this.reply = reply;
  }
}
