import { Deferred, Failure, inlineCallbacks, wait } from '../../../deferred/index.ts';
import {
  ConnectionClosed,
  type DelayedCall,
  type IProtocol,
  IPv6Address,
  tlsContextFactory,
} from '../../../reactor/index.ts';
import { makeSubject, type Observable, type Subject } from '../rx.ts';
import { hostOf, portText } from '../server/addresses.ts';
import { FTPClientBasic } from './control.ts';
import { dataHost, parseEPSV, parsePASV } from './data-address.ts';
import { DataLink, type LinkTLS, secured } from './data-link.ts';
import { connectLink, listenForLink, type Opening, resuming } from './data-opening.ts';
import { CommandFailed, DataConnectionFailed } from './errors.ts';
import type { FTPClientOptions } from './options.ts';
import type { Reply } from './replies.ts';

/** A transfer as a whole: what to say, and where the bytes go. */
interface Transfer {
  readonly command: string;
  /** Bytes to leave out at the beginning, by REST. */
  readonly offset: number;
  /** What gets what comes; null for uploads. */
  readonly target: IProtocol | null;
  /** Called once data may pass. */
  readonly started?: (link: DataLink) => void;
  /** 'A': lines end with CRLF on the way. Default 'I': bytes as they are. */
  readonly type?: TransferType;
}

/** How bytes go over the wire (RFC 959, 3.1.1). */
export type TransferType = 'A' | 'I';

/** Where a transfer is. */
export interface FTPProgress {
  /** How far it is. */
  readonly state: 'begun' | 'moving' | 'done' | 'failed';
  /** What is transferred. */
  readonly kind: 'download' | 'upload' | 'listing';
  /** As it was sent to the server. */
  readonly path: string;
  /** Bytes that have come or gone; of those that go compressed, as many as they are otherwise. */
  readonly bytes: number;
}

const KINDS: Readonly<Record<string, FTPProgress['kind']>> = {
  RETR: 'download',
  STOR: 'upload',
  APPE: 'upload',
};

/** Log-in, TLS and data connections: what every command on files builds on. */
export class FTPClientSession extends FTPClientBasic {
  /** Whether the client makes the data connections. Twisted's name. */
  passive: boolean;
  readonly #hostname: string | undefined;
  /** Whether data go over TLS. */
  #protectsData = false;
  /** Whether data go compressed. */
  #compresses = false;
  /** Whether the server has refused EPSV. */
  #lacksEPSV = false;
  /** What TYPE the server was told last: by whoever logs in, that files are as they are. */
  #type: TransferType = 'I';
  #transferring: DataLink | null = null;
  #progress: Subject<FTPProgress> | undefined;
  /** Whether a REST may be in force that no transfer has used. */
  #restLeft = false;
  #features: ReadonlyMap<string, string> | null = null;

  constructor(options: FTPClientOptions = {}) {
    super(options);
    this.passive = Boolean(options.passive ?? true);
    this.#hostname = options.hostname;
  }

  // ------------------------------------------------------------------------------------------- log-in

  /**
   * Logs in; with `security` 'explicit', after AUTH TLS. Fires with the lines of the server's welcome, once it sends files as they are (TYPE I).
   * Fails with {@link CommandFailed} if the server does not let the user in, or refuses TLS; another attempt may follow.
   * @param password null for none: the server has to do without
   */
  login(username: string, password: string | null): Deferred<string[]> {
    return this.enqueue(() => this.#login(username, password));
  }

  /** Logs in; if that fails the connection is ended, and everything that waits fails for that reason. Twisted: `queueLogin`. */
  queueLogin(username: string, password: string | null): void {
    this.login(username, password).addErrback((failure) => this.fail(failure.value));
  }

  readonly #login = inlineCallbacks(function* (
    this: FTPClientSession,
    username: string,
    password: string | null,
  ) {
    const { security, protectData } = this.settings;
    if (security === 'explicit' && !secured(this.transport).TLS) {
      yield* wait(this.exchange('AUTH TLS', { expect: [234] }));
      // What has come in clear behind that reply is dropped by the receiver of lines.
      this.#startTLS();
    }
    let welcome = yield* wait(this.exchange(`USER ${username}`, { expect: [230, 232, 331] }));
    if (welcome.code === 331 && password !== null) {
      const expect = [202, 230, 232];
      welcome = yield* wait(this.exchange(`PASS ${password}`, { secret: true, expect }));
    }
    if (security !== 'none' && protectData) {
      yield* wait(this.exchange('PBSZ 0'));
      yield* wait(this.exchange('PROT P'));
      this.#protectsData = true;
    }
    yield* wait(this.exchange('TYPE I'));
    this.#type = 'I';
    this.#features = null;
    this.#compresses = false;
    if (this.settings.modeZ) yield* wait(this.#compress());
    return [...welcome.lines];
  });

  /** A server that cannot, or will not after all, is taken as it is. */
  readonly #compress = inlineCallbacks(function* (this: FTPClientSession) {
    const features = yield* wait(this.#askFeatures());
    if (!/^z\b/i.test(features.get('MODE') ?? '')) return;
    try {
      yield* wait(this.exchange('MODE Z'));
      this.#compresses = true;
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
    }
  });

  #startTLS(): void {
    const { tls, timeout } = this.settings;
    const hostname = this.#hostname;
    secured(this.transport).startTLS(tls, {
      isClient: true,
      handshakeTimeout: timeout,
      ...(hostname === undefined ? {} : { hostname }),
    });
  }

  /** What the server says it can do besides the basics (RFC 2389): names in capitals, with what follows them. Asked once. */
  features(): Deferred<ReadonlyMap<string, string>> {
    return this.enqueue(() => this.#askFeatures());
  }

  readonly #askFeatures = inlineCallbacks(function* (this: FTPClientSession) {
    if (this.#features !== null) return this.#features;
    const features = new Map<string, string>();
    try {
      const { lines } = yield* wait(this.exchange('FEAT'));
      for (const line of lines.slice(1, -1)) {
        const [, name = '', rest = ''] = /^\s*(\S+)\s*(.*)$/.exec(line) ?? [];
        if (name !== '') features.set(name.toUpperCase(), rest);
      }
      if (features.has('UTF8') && this.settings.encoding === 'utf8') {
        // Some send another encoding until they are asked for this one.
        yield* wait(this.exchange('OPTS UTF8 ON'));
      }
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
    }
    this.#features = features;
    return features as ReadonlyMap<string, string>;
  });

  // ---------------------------------------------------------------------------------------- transfers

  /** Runs a transfer when it is its turn. Fires with the last reply, once that is there and the data connection has ended, in whatever order. */
  protected transfer(transfer: Transfer): Deferred<string[]> {
    return this.enqueue(() => this.#run(transfer));
  }

  readonly #run = inlineCallbacks(function* (this: FTPClientSession, transfer: Transfer) {
    const { command, offset, target, started, type = 'I' } = transfer;
    const tell = (state: FTPProgress['state']): void => this.#tell(state, command, link.bytes);
    const moved = (bytes: number): void => {
      this.touch();
      if (bytes > 0) tell('moving');
    };
    const link: DataLink = new DataLink(this.#linkTLS(), target, moved, this.#compresses);
    let opening: Opening | null = null;
    let reminder: DelayedCall | null = null;
    const remind = (seconds: number): void => {
      reminder = this.settings.reactor.callLater(seconds, () => {
        this.sendStray();
        remind(seconds);
      });
    };
    try {
      this.#transferring = link;
      tell('begun');
      if (this.#type !== type) {
        yield* wait(this.exchange(`TYPE ${type}`));
        this.#type = type;
      }
      opening = yield* wait(this.#open(link));
      if (offset > 0 || this.#restLeft) {
        this.#restLeft = true;
        yield* wait(this.exchange(`REST ${offset}`, { expect: [350] }));
      }
      this.waitFor(() => link.waitsForPeer);
      const [begun, ended] = [new Deferred<void>(), new Deferred<void>()];
      const preliminary = (): void => {
        if (!begun.called) begun.callback();
      };
      const settled: { outcome: Reply | Failure | null } = { outcome: null };
      this.exchange(command, { preliminary }).addBoth((outcome) => {
        settled.outcome = outcome;
        preliminary();
        // A server that has said no will not connect any more.
        if (outcome instanceof Failure) link.settle(errorOf(outcome));
        ended.callback();
      });
      this.#restLeft = false;
      yield* wait(begun);
      yield* wait(link.whenMade());
      if (settled.outcome instanceof Failure) throw errorOf(settled.outcome);
      if (this.settings.keepAlive !== null) remind(this.settings.keepAlive);
      link.begin();
      started?.(link);
      yield* wait(ended);
      const lines = linesOf(settled.outcome, link);
      yield* wait(link.closed);
      this.#checkLink(link, target === null);
      this.#transferring = null;
      tell('done');
      return lines;
    } finally {
      if (this.#transferring !== null) tell('failed');
      this.#transferring = null;
      (reminder as DelayedCall | null)?.cancel();
      opening?.close();
      link.abort();
    }
  });

  /**
   * Breaks off the transfer under way (ABOR): its own Deferred fails. Fires with the lines of the server's answer, whatever that is: some say 225, some 226. Those who do not hear
   * it during a transfer are made to by the end of the data connection.
   */
  abort(): Deferred<string[]> {
    const link = this.#transferring;
    if (link === null || !this.isWaiting) {
      return this.enqueue(() => this.exchange('ABOR').addCallback(({ lines }) => [...lines]));
    }
    const result = this.exchangeBehind('ABOR').addCallbacks(
      ({ lines }) => [...lines],
      (failure: Failure) => {
        const refused = failure.check(CommandFailed) === null ? null : failure.value;
        if (refused instanceof CommandFailed) return [...refused.lines];
        return failure;
      },
    );
    link.settle(new DataConnectionFailed('Transfer was aborted'));
    link.abort();
    return result as Deferred<string[]>; // a Failure that is returned goes on as one
  }

  /** What becomes of transfers, listings too, from the subscription on. Completes with the connection. */
  get progress$(): Observable<FTPProgress> {
    this.#progress ??= makeSubject<FTPProgress>();
    if (this.lostBecause !== null) this.#progress.complete();
    return this.#progress;
  }

  #tell(state: FTPProgress['state'], command: string, bytes: number): void {
    if (this.#progress === undefined) return;
    const at = command.indexOf(' ');
    const [verb, path] = at < 0 ? [command, ''] : [command.slice(0, at), command.slice(at + 1)];
    this.#progress.next({ state, kind: KINDS[verb] ?? 'listing', path, bytes });
  }

  protected override ended(_reason: Error): void {
    this.#progress?.complete();
  }

  #checkLink(link: DataLink, isUpload: boolean): void {
    const { problem } = link;
    if (problem !== null && !(problem instanceof ConnectionClosed)) throw problem;
    if (isUpload && !link.finished) {
      throw new DataConnectionFailed(
        'Data connection was closed by the server before everything was sent',
      );
    }
    // Of an upload the server has read the end; what it does with the rest of TLS does not matter.
    if (problem === null || (isUpload && this.#protectsData)) return;
    throw new DataConnectionFailed(`Data connection broke: ${problem.message}`, { cause: problem });
  }

  #linkTLS(): LinkTLS | null {
    if (!this.#protectsData) return null;
    const { tls, timeout, requireCloseNotify } = this.settings;
    return {
      context: resuming(tlsContextFactory(tls), secured(this.transport).getSession()),
      hostname: this.#hostname,
      handshakeTimeout: timeout,
      requireCloseNotify,
    };
  }

  readonly #open = inlineCallbacks(function* (this: FTPClientSession, link: DataLink) {
    const { reactor, timeout } = this.settings;
    if (!this.passive) return yield* wait(this.#listen(link));
    const [host, port] = yield* wait(this.#askForPort());
    // The attempt has a time limit of its own.
    this.waitFor(() => false);
    const opening = connectLink(reactor, link, host, port, timeout);
    try {
      yield* wait(link.whenMade());
    } catch (error) {
      opening.close();
      throw error;
    }
    this.waitFor(null);
    return opening as Opening;
  });

  readonly #askForPort = inlineCallbacks(function* (this: FTPClientSession) {
    const peer = this.transport.getPeer();
    const server = hostOf(peer);
    const isIPv6 = peer instanceof IPv6Address && server.includes(':');
    if (!this.#lacksEPSV || isIPv6) {
      try {
        const { lines } = yield* wait(this.exchange('EPSV', { expect: [229] }));
        return [server, parseEPSV(lines.at(-1) ?? '')] as [string, number];
      } catch (error) {
        const isRefused = error instanceof CommandFailed && error.replyCode >= 500;
        // PASV has no room for an IPv6 address.
        if (!isRefused || isIPv6) throw error;
        this.#lacksEPSV = true;
      }
    }
    const { lines } = yield* wait(this.exchange('PASV', { expect: [227] }));
    const [named, port] = parsePASV(lines.at(-1) ?? '');
    const host = dataHost(named, server, this.settings.foreignDataAddress);
    return [host, port] as [string, number];
  });

  readonly #listen = inlineCallbacks(function* (this: FTPClientSession, link: DataLink) {
    const localHost = hostOf(this.transport.getHost());
    const peerHost = hostOf(this.transport.getPeer());
    const opening = listenForLink(this.settings.reactor, link, localHost, peerHost);
    try {
      const isIPv6 = localHost.includes(':');
      const plain = localHost.replace(/%.*$/, '');
      yield* wait(
        this.exchange(
          isIPv6 ? `EPRT |2|${plain}|${opening.port}|` : `PORT ${portText(plain, opening.port)}`,
        ),
      );
    } catch (error) {
      opening.close();
      throw error;
    }
    return opening as Opening;
  });
}

function errorOf({ value }: Failure): Error {
  return value instanceof Error ? value : new Error(String(value));
}

/** What the server has said last. What went wrong in the receiver is why it has complained, and comes first. */
function linesOf(outcome: Reply | Failure | null, link: DataLink): string[] {
  const { problem } = link;
  if (problem !== null && !(problem instanceof ConnectionClosed)) throw problem;
  if (outcome instanceof Failure) throw outcome.value;
  return [...(outcome?.lines ?? [])];
}
