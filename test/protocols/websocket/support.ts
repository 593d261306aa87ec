/** Frames made by hand, and what comes of them. */
import { FrameParser, type FrameParserOptions } from '../../../src/protocols/websocket/index.ts';

export interface Frame {
  readonly opcode: number;
  readonly payload?: Buffer | string;
  readonly fin?: boolean;
  /** The three reserved bits, as they stand in the first byte. */
  readonly reserved?: number;
  readonly key?: Buffer | null;
  /** How many bytes the length takes: 0 for the shortest. */
  readonly lengthBytes?: 0 | 2 | 8;
  /** What is announced, if not what is there. */
  readonly announced?: bigint;
}

export const KEY: Buffer = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

/** A frame, masked unless `key` is null, however wrong it may be. */
export function frame(parts: Frame): Buffer {
  const { opcode, payload = '', fin = true, reserved = 0, key = KEY, lengthBytes = 0 } = parts;
  const body = Buffer.from(payload as string, 'utf8');
  const announced = parts.announced ?? BigInt(body.length);
  const bytes = [(fin ? 0x80 : 0) | reserved | opcode];
  const masked = key === null ? 0 : 0x80;
  const short = lengthBytes === 0 && announced < 126n;
  if (short) bytes.push(masked | Number(announced));
  else {
    const long = lengthBytes === 8 || (lengthBytes === 0 && announced > 0xffffn);
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(announced);
    bytes.push(masked | (long ? 127 : 126), ...length.subarray(long ? 0 : 6));
  }
  if (key === null) return Buffer.concat([Buffer.from(bytes), body]);
  const hidden = body.map((byte, at) => byte ^ (key[at % 4] ?? 0));
  return Buffer.concat([Buffer.from(bytes), key, hidden]);
}

export const text = (payload: string, fin = true): Buffer => frame({ opcode: 1, payload, fin });

export function close(code?: number, reason = ''): Buffer {
  if (code === undefined) return frame({ opcode: 8 });
  const payload = Buffer.concat([Buffer.alloc(2), Buffer.from(reason)]);
  payload.writeUInt16BE(code);
  return frame({ opcode: 8, payload });
}

/** What a parser said: 'text hello', 'binary 00ff', 'ping', 'close 1000 bye', 'error 1002'. */
export type Said = string;

export const USUAL: FrameParserOptions = {
  masked: true,
  compression: false,
  maxMessageLength: 1_000_000,
  maxFrameLength: 1_000_000,
  maxFragments: 1000,
};

/** Has a parser read `pieces`, each in memory of its own. */
export function parsePieces(
  pieces: readonly Buffer[],
  options: Partial<FrameParserOptions> = {},
): Said[] {
  const said: Said[] = [];
  const parser = new FrameParser(
    {
      onMessage: (data, isBinary, compressed) => {
        const kind = compressed ? 'compressed' : isBinary ? 'binary' : 'text';
        said.push(`${kind} ${kind === 'text' ? data.toString() : data.toString('hex')}`);
      },
      onPing: (data) => said.push(`ping ${data}`),
      onPong: (data) => said.push(`pong ${data}`),
      onClose: (code, reason) => said.push(`close ${code} ${reason}`),
      onError: (error) => said.push(`error ${error.closeCode}`),
    },
    { ...USUAL, ...options },
  );
  for (const piece of pieces) parser.push(Buffer.from(piece));
  return said;
}
