/**
 * Packages to compare with, few of which are dependencies of this one: the others are in a folder of their own, the one that `STRAND_BENCH_PEERS` names or one in the user's cache. A comparison with what is
 * not there is left out, with a word.
 */
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

const CACHE = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
const FOLDER = process.env['STRAND_BENCH_PEERS'] ?? join(CACHE, 'strand-bench', 'peers');
// For the peers that are programs of their own.
process.env['STRAND_BENCH_PEERS'] = FOLDER;
/** Some are dependencies after all. */
const places = [join(FOLDER, 'peers.js'), import.meta.url].map((place) => createRequire(place));

function word(name: string): undefined {
  console.error(`  (${name} is left out: npm install --prefix ${FOLDER} ${name})`);
}

function isIn(require: NodeJS.Require, name: string): boolean {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** A package that may not be there, as its own types would say. */
export function peerPackage<T>(name: string): T | undefined {
  const place = places.find((require) => isIn(require, name));
  return place === undefined ? word(name) : (place(name) as T); // what require returns has no type
}

/** Whether a package is there, for a program of its own. */
export function hasPackage(name: string): boolean {
  const there = places.some((require) => isIn(require, name));
  if (!there) word(name);
  return there;
}
