/** Looking at a running application over HTTP: is it alive, is it ready, what does it do. On loopback, and for reading only. */
import { isIP } from 'node:net';
import { Deferred } from '../../deferred/index.ts';
import {
  ErrorPage,
  type Rendered,
  type Request,
  Resource,
  ServerSentEvents,
  Site,
} from '../../protocols/http/index.ts';
import {
  type Address,
  type ListeningPort,
  type ReactorTime,
  serverFromString,
} from '../../reactor/index.ts';
import { StartError } from '../errors.ts';
import { Logger } from '../logging/logger.ts';
import { ADMIN_PAGE, ADMIN_SCRIPT, ADMIN_STYLE } from './page.ts';
import { PROMETHEUS_TYPE, type ProcessMetrics, prometheusText } from './prometheus.ts';

const log = new Logger('admin');

/** Seconds between two pictures that the page gets. */
const PICTURE = 1;

/** What an admin endpoint needs. */
export interface AdminOptions {
  /** What the application is called. */
  readonly name: string;
  /** Where to listen: a port on loopback, or an endpoint's description. */
  readonly where: string;
  readonly reactor: ReactorTime;
  /** All processes, as they stand. */
  readonly processes: () => Promise<readonly ProcessMetrics[]>;
}

/** The endpoint's description: a mere number is a port on loopback. */
export function adminEndpoint(where: string): string {
  return /^\d+$/.test(where) ? `tcp:${where}:interface=127.0.0.1` : where;
}

/**
 * Serves `/livez`, `/readyz`, `/metrics`, `/status` and a page.
 * @returns fires with the port
 */
export async function startAdmin(options: AdminOptions): Promise<ListeningPort> {
  const { where, reactor } = options;
  const site = new Site(adminTree(options), { reactor: clockOf(reactor) });
  site.noisy = false;
  let port: ListeningPort;
  try {
    // Which of the reactor's ways to listen it takes is the description's.
    port = await serverFromString(
      reactor as Parameters<typeof serverFromString>[0],
      adminEndpoint(where),
    ).listen(site);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartError(`Cannot serve the admin endpoint at ${JSON.stringify(where)}: ${reason}`, {
      cause,
    });
  }
  const address = port.getHost();
  if (!isPrivate(address)) {
    log.warn(
      'The admin endpoint at {address} can be reached from other machines, and asks nobody who they are',
      { address: String(address) },
    );
  }
  log.info('Admin endpoint at {address}', { address: String(address) });
  return port;
}

/** The reactor's time and nothing else: told of the reactor's stop, the site would refuse who asks whether the application is ready, and pages that are open would hold the stop up. */
function clockOf(reactor: ReactorTime): ReactorTime {
  return {
    seconds: () => reactor.seconds(),
    callLater: (delay, f, ...args) => reactor.callLater(delay, f, ...args),
    getDelayedCalls: () => reactor.getDelayedCalls(),
  };
}

/** Whether only this machine gets there. */
export function isPrivate(address: Address): boolean {
  if (!('host' in address)) return true; // a UNIX socket
  return /^127\.|^::1$|^::ffff:127\./i.test(address.host);
}

/** The resources. */
export function adminTree({ name, reactor, processes }: AdminOptions): Resource {
  const root = new OwnHostOnly();
  const put = (path: string, type: string, render: (request: Request) => Rendered): void => {
    root.putChild(path, new Rendering(type, render));
  };
  put('', 'text/html; charset=utf-8', () => ADMIN_PAGE);
  put('admin.js', 'text/javascript; charset=utf-8', () => ADMIN_SCRIPT);
  put('admin.css', 'text/css; charset=utf-8', () => ADMIN_STYLE);
  put('livez', 'text/plain; charset=utf-8', () => 'ok\n');
  put('readyz', 'text/plain; charset=utf-8', async (request) => {
    const reasons = (await processes()).flatMap(({ report }) => report.reasons);
    if (reasons.length === 0) return 'ok\n';
    request.setResponseCode(503);
    return `${reasons.join('\n')}\n`;
  });
  put('metrics', PROMETHEUS_TYPE, async () => await prometheusText(await processes()));
  const picture = async (): Promise<string> => {
    const all = (await processes()).map(({ report }) => report);
    return JSON.stringify({ name, time: reactor.seconds(), processes: all });
  };
  put('status', 'application/json', async () => `${await picture()}\n`);
  root.putChild('events', new ServerSentEvents(() => pictures(reactor, picture)));
  return root;
}

/** A picture each second, for as long as somebody takes them. */
async function* pictures(
  reactor: ReactorTime,
  picture: () => Promise<string>,
): AsyncGenerator<string> {
  for (;;) {
    yield await picture();
    const next = new Deferred<void>();
    const call = reactor.callLater(PICTURE, () => next.callback());
    try {
      await next;
    } finally {
      if (call.active()) call.cancel();
    }
  }
}

/** Answers with what a function makes, which is for now only, and only for this page's own scripts. */
class Rendering extends Resource {
  override readonly isLeaf = true;
  readonly #type: string;
  readonly #render: (request: Request) => Rendered;

  constructor(type: string, render: (request: Request) => Rendered) {
    super();
    this.#type = type;
    this.#render = render;
  }

  override render_GET(request: Request): Rendered {
    request.setHeader('content-type', this.#type);
    request.setHeader('cache-control', 'no-store');
    request.setHeader('x-content-type-options', 'nosniff');
    request.setHeader(
      'content-security-policy',
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; frame-ancestors 'none'",
    );
    return this.#render(request);
  }
}

/**
 * Answers only who asks for it by an address, or as localhost. A page of a stranger's that is open in a browser on this machine can have its own name mean 127.0.0.1, and would then read
 * what is here as its own (DNS rebinding).
 */
class OwnHostOnly extends Resource {
  override getChildWithDefault(
    path: string,
    request: Request,
  ): ReturnType<Resource['getChildWithDefault']> {
    const host = (request.getHeader('host') ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
    if (host === '' || host === 'localhost' || isIP(host) !== 0) {
      return super.getChildWithDefault(path, request);
    }
    return new ErrorPage(403, 'Forbidden', 'Ask for it by its address.');
  }
}
