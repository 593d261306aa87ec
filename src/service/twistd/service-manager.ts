/** Where twistd's commands (install, start, ...) meet the platform's service manager. Windows' is there; the others come with theirs. */
import { UsageError } from '../errors.ts';
import type { VerbRequest } from '../windows/cli-context.ts';
import type { HostOptions, ServiceCliOptions } from '../windows/cli-options.ts';
import type { Streams } from './main.ts';
import { askedFor, type RunOptions, type Target } from './options.ts';

/** A command, and the application that it is about. */
export interface ServiceCommand {
  readonly request: VerbRequest;
  readonly run: RunOptions;
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
  /** Runs the application as the service that this process was started for. Gives the exit code. Never rejects. */
  run(service: ServiceProcess): Promise<number>;
}

/** The service manager of a platform; null for one that is not supported yet. */
export async function serviceManagerOf(
  platform: NodeJS.Platform = process.platform,
): Promise<PlatformServiceManager | null> {
  if (platform !== 'win32') return null;
  return await windowsManager();
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
  const manager =
    (await serviceManagerOf(platform)) ?? (verb === 'debug' ? await windowsManager() : null);
  if (manager === null) {
    throw new UsageError(
      `Command ${JSON.stringify(verb)} is not supported yet on '${platform}', only on Windows: without one, ${quoted(command.run.target)} runs in the foreground`,
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
  if (manager === null) {
    throw new UsageError(
      `Option --run-service is for Windows' service manager, which '${platform}' has not`,
    );
  }
  return await manager.run(service);
}

async function windowsManager(): Promise<PlatformServiceManager> {
  const { manageOnWindows, runServiceOnWindows } = await import('../windows/cli-twistd.ts');
  return { perform: manageOnWindows, run: runServiceOnWindows };
}

function quoted(target: Target): string {
  return JSON.stringify(askedFor(target));
}
