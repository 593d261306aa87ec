/** twistd's commands on Windows: an application, found as twistd finds it, as a service. */
import { basename, dirname, extname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installReactor } from '../../reactor/index.ts';
import { findModule, loadApplication } from '../twistd/load.ts';
import type { Streams } from '../twistd/main.ts';
import type { RunOptions } from '../twistd/options.ts';
import type { ServiceCommand, ServiceProcess } from '../twistd/service-manager.ts';
import { askedFor, type Target } from '../twistd/target.ts';
import { type Installable, type ServiceProgram, twistdScript } from './cli-install.ts';
import { debugInstalledService, runInstalledService } from './cli-run.ts';
import { type ServiceSystem, thisSystem } from './cli-system.ts';
import { performVerb } from './cli-verbs.ts';

/** Does what a command asks for. Gives the exit code. @throws {UsageError} through the promise */
export async function manageOnWindows(
  command: ServiceCommand,
  streams: Streams,
  system: ServiceSystem = thisSystem(streams),
): Promise<number> {
  return await performVerb(command.request, installableOf(command, streams, system), system);
}

/** Runs the service that this process was started for. Gives the exit code. Never rejects. */
export function runServiceOnWindows({ name, service, run, host }: ServiceProcess): Promise<number> {
  return runInstalledService(
    {
      ...{ name, host },
      directory: resolve(run.rundir),
      preshutdown: service.preshutdown !== undefined,
      eventSource: service.eventSource,
    },
    (args) => load(run, [...run.args, ...args]),
  );
}

/**
 * What the service of an application is called: after the file, or the folder whose index it is. Found without looking, so that one can be stopped whose application is gone.
 * @param from the folder that relative paths start at
 */
export function serviceNameOf(target: Target, from: string): string {
  const asked = askedFor(target);
  const path = asked.startsWith('file:') ? fileURLToPath(asked) : resolve(from, asked);
  const name = /^\.[cm]?[jt]s$/.test(extname(path))
    ? basename(path, extname(path))
    : basename(path);
  return name === 'index' ? basename(dirname(path)) : name;
}

function installableOf(
  { request, run }: ServiceCommand,
  streams: Streams,
  { nodeVersion }: ServiceSystem,
): Installable {
  const directory = resolve(run.rundir);
  const from = process.cwd();
  const name = request.options.name ?? serviceNameOf(run.target, directory);
  return {
    name,
    program: (): ServiceProgram => {
      const file = findModule(run.target, [directory, from]);
      return {
        script: twistdScript(nodeVersion),
        files: [file],
        flags: { [run.target.kind === 'name' ? '--service' : '--python']: file },
        args: run.args,
        directory,
      };
    },
    debug: (args, host) =>
      debugInstalledService(
        { name, host, directory },
        args,
        (all) => load(run, all, from),
        streams,
      ),
  };
}

/** @param from a folder that paths may start at, besides the one it works in */
function load(
  run: RunOptions,
  args: readonly string[],
  from: string = process.cwd(),
): ReturnType<typeof loadApplication> {
  if (run.reactor !== 'default') installReactor(run.reactor);
  return loadApplication(run.target, { from: [process.cwd(), from], args });
}
