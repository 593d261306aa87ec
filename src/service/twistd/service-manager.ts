/** Where twistd's commands (install, start, ...) meet the platform's service manager: Windows' own, or systemd. */
import { UsageError } from '../errors.ts';
import { givenSystemdOptions, type SystemdCliOptions } from '../posix/systemd/options.ts';
import type { VerbRequest } from '../windows/cli-context.ts';
import type { HostOptions, ServiceCliOptions } from '../windows/cli-options.ts';
import type { Streams } from './main.ts';
import type { RunOptions } from './options.ts';
import { askedFor, type Target } from './target.ts';

/** A command, and the application that it is about. */
export interface ServiceCommand {
  readonly request: VerbRequest;
  readonly run: RunOptions;
  readonly systemd: SystemdCliOptions;
  /** Long names of the options about the process that were given. */
  readonly processOptions: readonly string[];
}

/** A process that a service manager has started, to be a service. */
export interface ServiceProcess {
  /** What the manager calls it. */
  readonly name: string;
  readonly service: ServiceCliOptions;
  readonly run: RunOptions;
  /** What was said of the host; the rest has the defaults of services. */
  readonly host: HostOptions;
}

/** A platform's service manager, as twistd needs it. */
export interface PlatformServiceManager {
  /**
   * Does what a command asks for, and tells of it.
   * @returns the exit code
   * @throws {UsageError} through the promise
   */
  perform(command: ServiceCommand, streams: Streams): Promise<number>;
  /** Runs the application as the service that this process was started for, where that takes more than running it. Gives the exit code. Never rejects. */
  run?(service: ServiceProcess): Promise<number>;
}

/** The service manager of a platform; null for one that is not supported yet. */
export async function serviceManagerOf(
  platform: NodeJS.Platform = process.platform,
): Promise<PlatformServiceManager | null> {
  if (platform === 'win32') return await windowsManager();
  return platform === 'linux' ? await systemdManager() : null;
}

/**
 * Does what a command asks for. Gives the exit code.
 * @throws {UsageError} through the promise, also when this platform's manager is not supported yet
 */
export async function manageService(
  command: ServiceCommand,
  streams: Streams,
  platform: NodeJS.Platform = process.platform,
): Promise<number> {
  const { verb } = command.request;
  // Debugging takes no manager, so that it works anywhere.
  const manager = verb === 'debug' ? await windowsManager() : await serviceManagerOf(platform);
  if (manager === null) {
    throw new UsageError(
      `Command ${JSON.stringify(verb)} is there on Windows and with systemd, not on '${platform}': without one, ${quoted(command.run.target)} runs in the foreground`,
    );
  }
  return await manager.perform(command, streams);
}

/** Runs the service that this process was started for. Gives the exit code. @throws {UsageError} through the promise, where there is no such thing */
export async function runService(
  service: ServiceProcess,
  platform: NodeJS.Platform = process.platform,
): Promise<number> {
  const manager = await serviceManagerOf(platform);
  if (manager?.run === undefined) {
    throw new UsageError(
      `Option --run-service is for Windows' service manager, which '${platform}' has not`,
    );
  }
  return await manager.run(service);
}

async function windowsManager(): Promise<PlatformServiceManager> {
  const { manageOnWindows, runServiceOnWindows } = await import('../windows/cli-twistd.ts');
  return {
    perform: async (command, streams) => {
      const [option] = [...givenSystemdOptions(command.systemd), ...command.processOptions];
      if (option === undefined) return await manageOnWindows(command, streams);
      const { verb } = command.request;
      throw new UsageError(
        `Option ${option} does not go with command ${JSON.stringify(verb)} here`,
      );
    },
    run: runServiceOnWindows,
  };
}

async function systemdManager(): Promise<PlatformServiceManager> {
  const { manageOnSystemd } = await import('../posix/systemd/verbs.ts');
  return { perform: manageOnSystemd };
}

function quoted(target: Target): string {
  return JSON.stringify(askedFor(target));
}
