/** Both ends in memory, on a clock that stands still: a server's connection through a site, and a client's. */
import { createHash } from 'node:crypto';
import type { Failure } from '../../../src/deferred/index.ts';
import { Failure as FailureClass } from '../../../src/deferred/index.ts';
import { type Request, Resource } from '../../../src/protocols/http/index.ts';
import {
  FrameParser,
  WebSocketClientFactory,
  type WebSocketClientOptions,
  WebSocketFactory,
  WebSocketProtocol,
  WebSocketResource,
  type WebSocketResourceOptions,
} from '../../../src/protocols/websocket/index.ts';
import { ConnectionDone, StringTransport } from '../../../src/reactor/index.ts';
import { Connection } from '../http/serving-memory.ts';
import { Clock } from '../support.ts';
import { type Said, USUAL } from './support.ts';

export const SAMPLE_KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

/** A request that asks for a WebSocket; `fields` go in place of the usual ones, null leaves one out. */
export function upgrade(
  fields: Readonly<Record<string, string | null>> = {},
  { method = 'GET', version = '1.1', body = '' } = {},
): string {
  const usual: Record<string, string | null> = {
    Host: 'example.org',
    Upgrade: 'websocket',
    Connection: 'keep-alive, Upgrade',
    'Sec-WebSocket-Key': SAMPLE_KEY,
    'Sec-WebSocket-Version': '13',
    ...fields,
  };
  const lines = Object.entries(usual).flatMap(([name, value]) =>
    value === null ? [] : value.split('\n').map((one) => `${name}: ${one}\r\n`),
  );
  return `${method} /chat HTTP/${version}\r\n${lines.join('')}\r\n${body}`;
}

export function proofOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** Keeps what it hears. */
export class Recorder extends WebSocketProtocol {
  readonly heard: string[] = [];
  onMessage: (data: Buffer, isBinary: boolean) => unknown = () => undefined;
  onMade: () => unknown = () => undefined;
  lost: Failure | undefined;

  override connectionMade(): unknown {
    this.heard.push('made');
    return this.onMade();
  }

  override messageReceived(data: Buffer, isBinary: boolean): unknown {
    this.heard.push(isBinary ? `bytes ${data.toString('hex')}` : data.toString());
    return this.onMessage(data, isBinary);
  }

  override pongReceived(data: Buffer): void {
    this.heard.push(`pong ${data}`);
  }

  override connectionLost(reason: Failure): void {
    this.heard.push('lost');
    this.lost = reason;
  }
}

/** What frames in `bytes` say. */
export function saidIn(bytes: Buffer, masked: boolean, compression = false): Said[] {
  const said: Said[] = [];
  const parser = new FrameParser(
    {
      onMessage: (data, isBinary, compressed) => {
        said.push(
          compressed
            ? `compressed ${data.toString('hex')}`
            : isBinary
              ? `bytes ${data.toString('hex')}`
              : `text ${data}`,
        );
      },
      onPing: (data) => said.push(`ping ${data}`.trimEnd()),
      onPong: (data) => said.push(`pong ${data}`),
      onClose: (code, reason) => said.push(`close ${code} ${reason}`.trimEnd()),
      onError: (error) => said.push(error.message),
    },
    { ...USUAL, maxMessageLength: 1e8, maxFrameLength: 1e8, masked, compression },
  );
  parser.push(Buffer.from(bytes));
  return said;
}

/** One end: its protocol, the transport beneath, and how to feed it. */
export interface End {
  readonly clock: Clock;
  readonly protocol: Recorder;
  readonly transport: StringTransport;
  receive(...frames: Buffer[]): void;
  /** The peer ends its side. */
  end(): void;
  lose(reason?: Error): void;
  /** What was sent since the last call. */
  said(): Said[];
}

/** A server's end, the handshake done. */
export function serverEnd(
  options: WebSocketResourceOptions = {},
  fields: Readonly<Record<string, string | null>> = {},
  prepare: (protocol: Recorder) => void = () => {},
): End & { readonly answer: string; readonly factory: WebSocketFactory<Recorder> } {
  const clock = new Clock();
  const factory = new WebSocketFactory<Recorder, Request>();
  const protocol = new Recorder();
  factory.buildProtocol = () => {
    protocol.factory = factory as unknown as WebSocketFactory; // of whatever it is a factory
    prepare(protocol);
    return protocol;
  };
  const root = new Resource();
  root.putChild('chat', new WebSocketResource(factory, { reactor: clock, ...options }));
  const connection = new Connection(root, {}, clock);
  const { transport, channel } = connection;
  connection.receive(upgrade(fields));
  const all = transport.value();
  const headEnd = all.indexOf('\r\n\r\n') + 4;
  const answer = all.subarray(0, headEnd).toString('latin1');
  let rest = all.subarray(headEnd);
  transport.clear();
  return {
    answer,
    factory: factory as WebSocketFactory<Recorder>,
    clock,
    protocol,
    transport,
    receive: (...frames) => {
      channel.dataReceived(Buffer.concat(frames));
    },
    end: () => channel.readConnectionLost(),
    lose: (reason = new ConnectionDone()) => {
      transport.connected = false;
      channel.connectionLost(new FailureClass(reason));
    },
    said: () => {
      const bytes = Buffer.concat([rest, transport.value()]);
      rest = Buffer.alloc(0);
      transport.clear();
      return saidIn(bytes, false, /deflate/.test(answer));
    },
  };
}

/** A client's end; the handshake is done unless `answer` is given, or null for none. */
export function clientEnd(
  options: WebSocketClientOptions = {},
  answer?: string | null,
): End & {
  readonly request: string;
  readonly key: string;
  readonly failures: unknown[];
  answer(text: string): void;
} {
  const clock = new Clock();
  const protocol = new Recorder();
  const failures: unknown[] = [];
  class TheFactory extends WebSocketClientFactory<Recorder> {
    override handshakeFailed(error: unknown): void {
      failures.push(error);
    }
  }
  const factory = new TheFactory(
    'ws://example.org:8080/chat?room=1',
    { buildProtocol: () => protocol },
    { reactor: clock, ...options },
  );
  const transport = new StringTransport();
  const channel = factory.buildProtocol(transport.getPeer());
  if (channel === null) throw new Error('No protocol');
  channel.makeConnection(transport);
  const request = transport.value().toString('latin1');
  const key = /Sec-WebSocket-Key: (.*)\r/.exec(request)?.[1] ?? '';
  transport.clear();
  const usual = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${proofOf(key)}\r\n\r\n`;
  const give = (text: string): void => {
    channel.dataReceived(Buffer.from(text.replace('PROOF', proofOf(key)), 'latin1'));
  };
  if (answer !== null) give(answer ?? usual);
  return {
    request,
    key,
    failures,
    answer: give,
    clock,
    protocol,
    transport,
    receive: (...frames) => channel.dataReceived(Buffer.concat(frames)),
    end: () => channel.readConnectionLost(),
    lose: (reason = new ConnectionDone()) => {
      transport.connected = false;
      channel.connectionLost(new FailureClass(reason));
    },
    said: () => {
      const bytes = transport.value();
      transport.clear();
      return saidIn(bytes, true, options.compression !== undefined);
    },
  };
}
