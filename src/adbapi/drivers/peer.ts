/** Packages that only some programs need: they are not ours to install, and are loaded when a driver first needs them. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DriverMissing } from '../errors.ts';

/**
 * Imports an optional package: as this package sees it, or else as the program does.
 * Fails with `DriverMissing`, saying what to install, when it is in neither place; with the package's own error when it is there but does not load.
 * @param name what to import: 'pg'
 * @param driver whose wish it is: 'postgres'
 * @param install what to install, with the version wanted: 'pg@8'
 */
export async function importPeer(name: string, driver: string, install = name): Promise<unknown> {
  try {
    return await import(locate(name));
  } catch (error) {
    if (!isMissing(error, name)) throw error;
    throw new DriverMissing(
      `Cannot load driver '${driver}': it needs the package '${name}', which is not installed: npm install ${install}`,
      { cause: error },
    );
  }
}

function locate(name: string): string {
  try {
    return import.meta.resolve(name);
  } catch {
    // Not beside us: a linked package, for one, sees nothing of the program it is used in.
    const program = createRequire(join(process.cwd(), 'program.js'));
    return pathToFileURL(program.resolve(name)).href;
  }
}

function isMissing(error: unknown, name: string): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false;
  const missing = error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND';
  // A package that is there may itself miss another one: that is not for us to explain.
  return missing && error.message.includes(`'${name}'`);
}
