/** Finding a driver: by name, as an object, or as a module that makes one. */
import { createRequire } from 'node:module';
import { isAbsolute, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import type { Driver, DriverFactory, DriverOptions } from '../driver.ts';
import { UnknownDriver } from '../errors.ts';

/** What a pool takes as its driver: a name, a driver, or a function that makes one. */
export type DriverSpec = string | Driver | DriverFactory;

/** Drivers of this package, each loaded when it is first needed: the name of its module beside this one. */
const BUILT_IN: ReadonlyMap<string, string> = new Map([
  ['sqlite', 'sqlite'],
  ['sqlite3', 'sqlite'],
  ['postgres', 'postgres'],
  ['postgresql', 'postgres'],
  ['pg', 'postgres'],
  ['mysql', 'mysql'],
  ['mysql2', 'mysql'],
  ['mariadb', 'mysql'],
]);

const registered = new Map<string, DriverFactory>();

/**
 * Makes a driver known by a name, for `new ConnectionPool(name, options)`. Takes the place of one that had the name.
 * @throws {TypeError} unless `name` is some text and `factory` a function
 */
export function registerDriver(name: string, factory: DriverFactory): void {
  if (typeof name !== 'string' || name === '' || typeof factory !== 'function') {
    throw new TypeError(
      `Cannot register driver ${inspect(name)}: expected a name and a function that makes a driver`,
    );
  }
  registered.set(name, factory);
}

/** The names by which drivers are known. */
export function driverNames(): string[] {
  return [...new Set([...BUILT_IN.keys(), ...registered.keys()])];
}

/**
 * Finds what makes the driver; nothing is loaded yet.
 * @param spec a known name; the name of an installed package, or a path or URL, of a module that exports `createDriver`; a driver; or a function that makes one
 * @throws {UnknownDriver} when there is no driver and no module of that name
 * @throws {TypeError} when it is none of these
 */
export function findDriver(spec: DriverSpec): DriverFactory {
  if (typeof spec === 'function') return spec;
  if (isDriver(spec)) return () => spec;
  if (typeof spec !== 'string' || spec === '') {
    throw new TypeError(
      `Cannot use ${inspect(spec, { depth: 0 })} as a driver: expected a name, an object with connect() and classify(), or a function that makes one`,
    );
  }
  const known = registered.get(spec);
  if (known !== undefined) return known;
  const builtIn = BUILT_IN.get(spec);
  const url = builtIn === undefined ? urlOf(spec) : beside(builtIn);
  return async (options) => (await factoryIn(url, spec))(options);
}

/** @throws {TypeError} unless it is one */
export function checkDriver(made: unknown, spec: DriverSpec): Driver {
  if (isDriver(made)) return made;
  const name = typeof spec === 'string' ? `'${spec}'` : 'a function';
  throw new TypeError(
    `Cannot use what ${name} made as a driver: ${inspect(made, { depth: 0 })} has no connect() and classify()`,
  );
}

function isDriver(value: unknown): value is Driver {
  return (
    typeof value === 'object' &&
    value !== null &&
    'connect' in value &&
    typeof value.connect === 'function' &&
    'classify' in value &&
    typeof value.classify === 'function'
  );
}

/** A module beside this file, under whichever name it has: the compiler does not rewrite this one. */
function beside(name: string): string {
  return import.meta.url.replace(/registry(\.\w+)(\?.*)?$/, `${name}$1`);
}

/** @throws {UnknownDriver} */
function urlOf(name: string): string {
  if (/^(?:file|data|node):/.test(name)) return name;
  if (isAbsolute(name)) return pathToFileURL(name).href;
  if (/^\.{1,2}[/\\]/.test(name)) return pathToFileURL(join(process.cwd(), name)).href;
  try {
    const found = createRequire(join(process.cwd(), 'program.js')).resolve(name);
    return pathToFileURL(found).href;
  } catch (error) {
    throw new UnknownDriver(
      `Cannot find driver ${inspect(name)}: known are ${driverNames().join(', ')}, and no module of that name is installed`,
      { cause: error },
    );
  }
}

async function factoryIn(
  url: string,
  name: string,
): Promise<(options: DriverOptions) => ReturnType<DriverFactory>> {
  // Whatever a module exports is looked at before it is used.
  const module = (await import(url)) as Record<string, unknown>;
  const made = module['createDriver'] ?? module['default'];
  if (typeof made === 'function') return made as DriverFactory; // what it makes is looked at as well
  throw new UnknownDriver(
    `Cannot use module ${inspect(name)} as a driver: it exports neither createDriver nor a default function`,
  );
}
