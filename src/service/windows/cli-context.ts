/** What the commands work with. */
import type { CommandConsole } from './cli-console.ts';
import type { Installable } from './cli-install.ts';
import type { HostOptions, ServiceCliOptions, ServiceVerb } from './cli-options.ts';
import type { ServiceSystem } from './cli-system.ts';
import type { StopServiceOptions } from './functions.ts';

/** A command, as it was given. */
export interface VerbRequest {
  readonly verb: ServiceVerb;
  /** What stands behind the verb: the code of `control`. */
  readonly operands: readonly string[];
  /** For the service: what comes after `--`. */
  readonly args: readonly string[];
  readonly options: ServiceCliOptions;
  readonly host: HostOptions;
}

/** What a verb works with. */
export interface CommandContext extends VerbRequest {
  readonly target: Installable;
  readonly system: ServiceSystem;
  readonly console: CommandConsole;
  /** For the functions. */
  readonly how: StopServiceOptions;
}

/** How it is called that a verb is at it, for errors. */
export const DOING: Readonly<Record<ServiceVerb, string>> = {
  install: 'installing service',
  update: 'changing service configuration',
  remove: 'removing service',
  start: 'starting service',
  stop: 'stopping service',
  restart: 'restarting service',
  pause: 'pausing service',
  continue: 'continuing service',
  status: 'querying service',
  control: 'sending control to service',
  debug: 'debugging service',
  logs: 'reading the log of service',
  doctor: 'examining service',
};
