/**
 * A service that answers with the time, and can be paused, told to reload, and asked for its count.
 *
 *     npx tsx twistd.ts --service docs/examples/windows-service.ts              # in a terminal, anywhere
 *     npx tsx twistd.ts --service docs/examples/windows-service.ts debug        # the same, as the service manager would run it
 *     npx tsx twistd.ts --service docs/examples/windows-service.ts install      # as a service of Windows, as administrator
 *
 * TIME_PORT says where it listens (1313 on 127.0.0.1).
 */
import {
  Application,
  type ControlEvent,
  type Controllable,
  Logger,
  Protocol,
  ServerFactory,
  Service,
  TCPServer,
} from '../../src/index.ts';

/** Controls of our own: numbers from 128 to 255. */
const SAY_COUNT = 128;

const log = new Logger('time');

class TimeProtocol extends Protocol<TimeFactory> {
  override connectionMade(): void {
    this.transport.write(this.factory.answer());
    this.transport.loseConnection();
  }
}

export class TimeFactory extends ServerFactory<TimeProtocol> {
  override protocol = TimeProtocol;
  paused = false;
  count = 0;

  answer(): string {
    this.count += 1;
    return this.paused ? 'Come back later\n' : `${new Date().toISOString()}\n`;
  }
}

/** What the service manager's controls do. Any service of an application may have these methods; none has to. */
export class TimeControls extends Service implements Controllable {
  readonly #factory: TimeFactory;

  constructor(factory: TimeFactory) {
    super();
    this.#factory = factory;
  }

  /** May return a promise or a Deferred; the manager is told that it is paused when that is done. */
  pauseService(): void {
    this.#factory.paused = true;
  }

  continueService(): void {
    this.#factory.paused = false;
  }

  /** What it wants to hear of besides its own controls. */
  readonly acceptedControls = ['param-change', 'session-change'] as const;

  controlReceived(event: ControlEvent): number {
    if (event.type === 'param-change') log.info('Reading the settings again');
    else if (event.type === 'session-change')
      log.info('Somebody: {change}', { change: event.change });
    else if (event.code === SAY_COUNT)
      log.info('Asked {count} times', { count: this.#factory.count });
    else return 120; // it is none of ours
    return 0;
  }
}

const factory = new TimeFactory();
export const application = Application('time');
new TCPServer(Number(process.env['TIME_PORT'] ?? 1313), factory, {
  interface: '127.0.0.1',
}).setServiceParent(application);
new TimeControls(factory).setServiceParent(application);
