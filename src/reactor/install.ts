/**
 * The process's reactor. It is made when this module loads, which costs nothing before its first use; `installReactor` replaces it as long as nobody
 * has used it. `reactor` is a live binding: importers see the one that is installed.
 */
import { setDefaultClock } from '../deferred/index.ts';
import { NoSuchReactor, ReactorAlreadyInstalledError } from './errors.ts';
import { LibuvReactor } from './libuv/reactor.ts';

const REACTORS: ReadonlyMap<string, () => LibuvReactor> = new Map([
  ['default', () => new LibuvReactor()],
  ['libuv', () => new LibuvReactor()],
]);

/** The reactor that everything uses which is not given another. */
export let reactor: LibuvReactor = new LibuvReactor();

let installed = false;

setDefaultClock(() => reactor);

/** Names that `installReactor` takes; 'default' is the one that is best here. */
export function reactorNames(): string[] {
  return [...REACTORS.keys()];
}

/**
 * Makes the reactor called `name` the process's reactor.
 * @throws {NoSuchReactor}
 * @throws {ReactorAlreadyInstalledError} when one was installed before, or the reactor has been used
 */
export function installReactor(name: string): LibuvReactor {
  const make = REACTORS.get(name);
  if (make === undefined) {
    throw new NoSuchReactor(
      `Cannot install reactor ${JSON.stringify(name)}: known are ${reactorNames().join(', ')}`,
    );
  }
  if (installed || reactor.used) {
    throw new ReactorAlreadyInstalledError(
      `Cannot install reactor ${JSON.stringify(name)}: ${installed ? 'one was installed before' : 'the reactor is in use'}`,
    );
  }
  installed = true;
  reactor = make();
  return reactor;
}
