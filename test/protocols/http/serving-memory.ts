/** A channel on a transport in memory, with a clock that stands still: every byte and every second is the test's. */

import { Failure } from '../../../src/deferred/index.ts';
import {
  type HTTPChannel,
  HTTPFactory,
  type IResource,
  type Rendered,
  type Request,
  Resource,
  Site,
  type SiteOptions,
} from '../../../src/protocols/http/index.ts';
import { ConnectionLost, StringTransport } from '../../../src/reactor/index.ts';
import { Clock } from '../support.ts';

/** A moment in 2026, for dates. */
export const NOW = 1_795_000_000;

/** What every answer begins with, after its status line. */
export const COMMON = `Server: Strand\r\nDate: ${new Date(NOW * 1000).toUTCString()}\r\n`;

/** A leaf that answers everything with what `render` returns. */
export function leaf(
  render: (request: Request) => Rendered | Promise<unknown>,
  more: Partial<IResource> = {},
): IResource {
  return Object.assign(new Resource(), { isLeaf: true, render, ...more }) as unknown as IResource; // tests try promises of anything
}

/** One connection to a site. */
export class Connection {
  readonly clock: Clock;
  readonly site: HTTPFactory;
  readonly transport: StringTransport;
  readonly channel: HTTPChannel;

  constructor(
    resource: IResource | HTTPFactory,
    options: SiteOptions = {},
    clock: Clock = new Clock(),
  ) {
    this.clock = clock;
    this.site =
      resource instanceof HTTPFactory
        ? resource
        : new Site(resource, {
            reactor: this.clock,
            wallTime: () => NOW + clock.seconds(),
            ...options,
          });
    this.transport = new StringTransport();
    const channel = this.site.buildProtocol(this.transport.getPeer());
    if (channel === null) throw new Error('The site refused the connection');
    this.channel = channel;
    channel.makeConnection(this.transport);
  }

  /** Has the channel receive `text`, as Latin-1. */
  receive(text: string): this {
    this.channel.dataReceived(Buffer.from(text, 'latin1'));
    return this;
  }

  /** What was written since the last call, as Latin-1. */
  said(): string {
    const text = this.transport.value().toString('latin1');
    this.transport.clear();
    return text;
  }

  /** The connection breaks. */
  lose(reason: Error = new ConnectionLost()): void {
    this.transport.connected = false;
    this.channel.connectionLost(new Failure(reason));
  }

  /** Whether the channel has closed the connection, or its side of it. */
  get ending(): boolean {
    return this.transport.disconnecting || this.transport.writeDisconnecting;
  }
}

export interface Parsed {
  readonly code: number;
  readonly head: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** The answers in `text`, by their own framing; throws where that does not add up. `heads` has the places of answers to HEAD. */
export function answersIn(text: string, heads: readonly number[] = []): Parsed[] {
  const answers: Parsed[] = [];
  let rest = text;
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) throw new Error(`No head in ${JSON.stringify(rest)}`);
    const head = rest.slice(0, end);
    rest = rest.slice(end + 4);
    const [status = '', ...lines] = head.split('\r\n');
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const colon = line.indexOf(': ');
      const name = line.slice(0, colon).toLowerCase();
      headers[name] =
        name in headers ? `${headers[name]}, ${line.slice(colon + 2)}` : line.slice(colon + 2);
    }
    const code = Number(/^HTTP\/1\.1 (\d{3}) /.exec(status)?.[1]);
    let body = '';
    const bodiless = code < 200 || code === 204 || code === 304 || heads.includes(answers.length);
    if (!bodiless && headers['transfer-encoding'] === 'chunked') {
      for (;;) {
        const line = rest.indexOf('\r\n');
        const size = Number.parseInt(rest.slice(0, line), 16);
        if (Number.isNaN(size)) throw new Error(`No chunk in ${JSON.stringify(rest)}`);
        if (size === 0) {
          const trailers = rest.indexOf('\r\n\r\n', line);
          rest = rest.slice(trailers + 4);
          break;
        }
        body += rest.slice(line + 2, line + 2 + size);
        rest = rest.slice(line + 4 + size);
      }
    } else if (!bodiless && headers['content-length'] !== undefined) {
      const length = Number(headers['content-length']);
      if (rest.length < length)
        throw new Error(`${length} bytes were promised: ${JSON.stringify(rest)}`);
      body = rest.slice(0, length);
      rest = rest.slice(length);
    } else if (!bodiless) {
      body = rest;
      rest = '';
    }
    answers.push({ code, head, headers, body });
  }
  return answers;
}

/** A GET of HTTP/1.1. */
export function get(path: string, ...lines: string[]): string {
  return [`GET ${path} HTTP/1.1`, 'Host: test', ...lines, '', ''].join('\r\n');
}

/** A request with a body. */
export function post(path: string, body: string, ...lines: string[]): string {
  return `${[`POST ${path} HTTP/1.1`, 'Host: test', `Content-Length: ${body.length}`, ...lines, '', ''].join('\r\n')}${body}`;
}
