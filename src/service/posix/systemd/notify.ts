/** Telling systemd how a service is (sd_notify(3), sd_watchdog_enabled(3)). */
import { LoopingCall, type ReactorTime } from '../../../reactor/index.ts';
import { Logger } from '../../logging/logger.ts';
import { libc } from '../libc.ts';

const log = new Logger('systemd');

/** What a service tells. */
export interface Notifier {
  /** The start is over. */
  ready(status: string): void;
  /** The stop has begun. */
  stopping(): void;
  /** What it does, in words. */
  status(text: string): void;
  /** Ends what it does by itself. */
  close(): void;
}

/**
 * The notifier of a process that systemd has started; null for any other. What the process starts is not to speak for it, so the variables that tell are taken away.
 * While the event loop turns, the watchdog is told so at twice the rate that it asks for.
 * @param clock of the loop that the watchdog watches
 * @param send how a message is sent; default: as a datagram to the socket that systemd names
 */
export function serviceNotifier(
  clock: ReactorTime,
  environment: NodeJS.ProcessEnv = process.env,
  send: (path: string, message: string) => void = sendMessage,
): Notifier | null {
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC: interval, WATCHDOG_PID: watched } = environment;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[name];
  if (path === undefined || !/^[/@]/.test(path)) return null;
  const seconds = Number(interval ?? 0) / 1e6;
  let failed = false;
  /** That nobody hears it keeps nothing from being done. */
  const tell = (message: string): void => {
    try {
      send(path, message);
    } catch (error) {
      if (!failed) log.error('Cannot tell systemd: {reason}', { reason: error });
      failed = true;
    }
  };
  const watchdog = new LoopingCall(() => tell('WATCHDOG=1'));
  watchdog.clock = clock;
  if (seconds > 0 && (watched === undefined || Number(watched) === process.pid)) {
    void watchdog.start(seconds / 2);
  }
  const oneLine = (text: string): string => text.replace(/\s+/g, ' ');
  return {
    ready: (status) => tell(`READY=1\nSTATUS=${oneLine(status)}`),
    stopping: () => tell('STOPPING=1'),
    status: (text) => tell(`STATUS=${oneLine(text)}`),
    close: () => {
      if (watchdog.running) watchdog.stop();
    },
  };
}

function sendMessage(path: string, message: string): void {
  libc().sendDatagram(path, Buffer.from(message));
}
