/** Who hears how a hosted application stands: systemd, an admin endpoint, the supervisor of a worker. */
import type { ListeningPort, ReactorTime } from '../../reactor/index.ts';
import { Reporter } from '../admin/report.ts';
import { type Notifier, serviceNotifier } from '../posix/systemd/notify.ts';
import type { LoadedApplication } from './load.ts';
import type { WorkerLink } from './workers/link.ts';
import type { WorkerSupervisor } from './workers/supervisor.ts';

/** What is hosted, and for whom. */
export interface Watched {
  readonly application: LoadedApplication;
  readonly reactor: ReactorTime;
  /** Where the admin endpoint listens; null for none. A worker has none, and tells its supervisor, whose endpoint it is. */
  readonly admin: string | null;
  readonly link: WorkerLink | null;
  readonly supervisor: WorkerSupervisor | null;
}

export class Watch {
  readonly #name: string;
  readonly #reporter: Reporter;
  readonly #notifier: Notifier | null;
  #port: ListeningPort | undefined;
  #close: (() => void) | undefined;

  private constructor({ application, reactor, link }: Watched) {
    this.#name = application.name;
    const worker = link?.number ?? null;
    this.#reporter = new Reporter({ service: application.service, reactor, worker });
    this.#notifier = serviceNotifier(reactor);
  }

  /** Begins to tell. @throws {StartError} through the promise, when the admin endpoint cannot listen */
  static async begin(watched: Watched): Promise<Watch> {
    const watch = new Watch(watched);
    if (watched.admin !== null) await watch.#tellOfNumbers(watched.admin, watched);
    return watch;
  }

  started(): void {
    this.#reporter.phase = 'ready';
    this.#notifier?.ready(`${this.#name} runs`);
  }

  stopping(): void {
    this.#reporter.phase = 'stopping';
    this.#notifier?.stopping();
  }

  /** Ends it. Never rejects. */
  async finish(): Promise<void> {
    this.#notifier?.close();
    await this.#port?.stopListening();
    this.#close?.();
  }

  async #tellOfNumbers(where: string, { reactor, link, supervisor }: Watched): Promise<void> {
    // Here, since few ask for it.
    const [{ startAdmin }, { RuntimeCollector }] = await Promise.all([
      import('../admin/admin.ts'),
      import('../admin/prometheus.ts'),
    ]);
    const collector = new RuntimeCollector();
    this.#close = () => collector.close();
    const own = async () => ({
      report: this.#reporter.report(),
      runtime: await collector.metrics(),
    });
    if (link !== null) {
      link.tellWhenAsked(own);
      return;
    }
    this.#port = await startAdmin({
      ...{ name: this.#name, where, reactor },
      processes: async () => {
        // They first: what the supervisor has to say depends on who answers.
        const workers = (await supervisor?.reports()) ?? [];
        return [await own(), ...workers];
      },
    });
  }
}
