/** How a WebSocket connection is kept, and how much it takes. Every limit is an option of `WebSocketResource` and of `connectWebSocket`. */
import { inspect } from 'node:util';
import { getDefaultClock } from '../../deferred/index.ts';
import type { ReactorTime } from '../../reactor/index.ts';
import { Deadlines } from '../http/channel-deadlines.ts';

/** Compression of messages (RFC 7692). */
export interface CompressionOptions {
  /** Bytes below which a message is sent as it is. Default 1024. */
  readonly threshold?: number;
  /** How hard to try, 1 to 9. Default 3, which costs half the time of 6. */
  readonly level?: number;
  /**
   * Whether each message may refer to those before it, which makes similar small ones shorter. Default false: each end then keeps the last 32 KiB of both directions for each
   * connection, and compressing a small message costs as much as one of 32 KiB. What the peer asks for less, it gets.
   */
  readonly contextTakeover?: boolean;
  /** How far back a message refers, as a power of two, 9 to 15. Default 15: 32 KiB. */
  readonly windowBits?: number;
}

/** Options of both ends. Times are in seconds, sizes in bytes; null for a time switches it off, Infinity for a size. */
export interface WebSocketOptions {
  /** Whose time it goes by; by default that of the reactor. */
  readonly reactor?: ReactorTime;
  /** Bytes of a message that is received, before and after it is decompressed. Default 1 MiB; beyond: closed with 1009. */
  readonly maxMessageLength?: number;
  /** Bytes of the payload of a frame that is received. Default: what a message may have. */
  readonly maxFrameLength?: number;
  /** Frames of a message that is received. Default 16,384; beyond: closed with 1008. */
  readonly maxFragments?: number;
  /** Bytes that wait for a peer that reads too slowly, beyond the 64 KiB or so that the transport holds. Default 4 MiB; beyond, the connection is broken off. */
  readonly maxBuffered?: number;
  /** Seconds without a byte from the peer after which it is sent a Ping. Default 30. */
  readonly pingInterval?: number | null;
  /** Seconds after a Ping by which the peer has to have sent something. Default 20; beyond, the connection is broken off. */
  readonly pongTimeout?: number | null;
  /** Seconds without a message from the peer after which the connection is closed. Default: never. */
  readonly idleTimeout?: number | null;
  /** Seconds for the goodbye: the peer's Close, and then the end of the connection. Default 10; beyond, it is broken off. */
  readonly closeTimeout?: number | null;
  /** Whether messages may be compressed, and how. Default false: for small messages it costs far more time than it saves. */
  readonly compression?: boolean | CompressionOptions;
}

export interface CompressionSettings {
  readonly threshold: number;
  readonly level: number;
  readonly contextTakeover: boolean;
  readonly windowBits: number;
}

/** Options, checked, and what all connections with them share. */
export interface WebSocketSettings {
  readonly clock: ReactorTime;
  readonly deadlines: Deadlines;
  readonly maxMessageLength: number;
  readonly maxFrameLength: number;
  readonly maxFragments: number;
  readonly maxBuffered: number;
  readonly pingInterval: number;
  readonly pongTimeout: number;
  readonly idleTimeout: number;
  readonly closeTimeout: number;
  readonly compression: CompressionSettings | null;
}

const NEVER = Number.POSITIVE_INFINITY;

function checked(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && value >= least && value <= most) return value;
  const range = most === NEVER ? `of ${least} or more` : `from ${least} to ${most}`;
  throw new RangeError(`The option ${name} must be a number ${range}: got ${inspect(value)}`);
}

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(checked(name, value, least, most))) return value;
  throw new RangeError(`The option ${name} must be a whole number: got ${value}`);
}

function size(name: string, value: number | undefined, usual: number, least = 1): number {
  return value === undefined ? usual : checked(name, value, least, NEVER);
}

function time(name: string, value: number | null | undefined, usual: number): number {
  if (value === null) return NEVER;
  return value === undefined ? usual : checked(name, value, Number.MIN_VALUE, NEVER);
}

function compressionSettings(
  compression: boolean | CompressionOptions,
): CompressionSettings | null {
  if (compression === false) return null;
  const options = compression === true ? {} : compression;
  const { threshold = 1024, level = 3, windowBits = 15, contextTakeover = false } = options;
  return {
    threshold: checked('threshold', threshold, 0, NEVER),
    level: whole('level', level, 1, 9),
    windowBits: whole('windowBits', windowBits, 9, 15),
    contextTakeover,
  };
}

/** @throws {RangeError} for an option that makes no sense */
export function webSocketSettings(options: WebSocketOptions): WebSocketSettings {
  const clock = options.reactor ?? (getDefaultClock() as ReactorTime); // the default is a reactor
  const maxMessageLength = size('maxMessageLength', options.maxMessageLength, 1_048_576);
  return {
    clock,
    deadlines: new Deadlines(clock),
    maxMessageLength,
    maxFrameLength: size('maxFrameLength', options.maxFrameLength, maxMessageLength),
    maxFragments: size('maxFragments', options.maxFragments, 16_384),
    maxBuffered: size('maxBuffered', options.maxBuffered, 4_194_304, 0),
    pingInterval: time('pingInterval', options.pingInterval, 30),
    pongTimeout: time('pongTimeout', options.pongTimeout, 20),
    idleTimeout: time('idleTimeout', options.idleTimeout, NEVER),
    closeTimeout: time('closeTimeout', options.closeTimeout, 10),
    compression: compressionSettings(options.compression ?? false),
  };
}
