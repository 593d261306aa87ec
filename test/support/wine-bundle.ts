/**
 * Scripts of the tests as single files. Under Wine node.exe takes about 10 ms for each file that it imports, and a fixture imports more than a hundred: a second for each process, and there are
 * many. Programs whose own files matter, such as twistd, are run as they are.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** In the repository: what is bundled finds the packages that it loads at run time as ever. */
const CACHE = join(ROOT, 'node_modules', '.cache');
const FOLDER = join(CACHE, `strand-bundles-${process.pid}`);

/** Packages of CommonJS ask for others with `require`. */
const BANNER = `import { createRequire as bundledRequire } from 'node:module'; const require = bundledRequire(import.meta.url);`;

interface Esbuild {
  build(options: Record<string, unknown>): Promise<unknown>;
}

const made = new Map<string, Promise<string>>();

/** A file that does what `script` does. @param script a path of this machine */
export function bundled(script: string): Promise<string> {
  let file = made.get(script);
  if (file === undefined) {
    file = bundle(script);
    made.set(script, file);
  }
  return file;
}

async function bundle(script: string): Promise<string> {
  if (!existsSync(script)) throw new Error(`There is no '${script}' to bundle`);
  await mkdir(FOLDER, { recursive: true });
  const short = relative(ROOT, script).replaceAll(/[^\w.-]+/g, '-');
  const digest = createHash('sha256').update(script).digest('hex').slice(0, 8);
  const outfile = join(FOLDER, `${short}-${digest}.mjs`);
  await esbuild().build({
    ...{ entryPoints: [script], outfile, bundle: true, platform: 'node', format: 'esm' },
    ...{ target: 'node20', keepNames: true, external: ['koffi'], logLevel: 'error' },
    banner: { js: BANNER },
  });
  return outfile;
}

/** The one that tsx runs the tests with. */
function esbuild(): Esbuild {
  const tsx = createRequire(createRequire(import.meta.url).resolve('tsx/package.json'));
  return tsx('esbuild') as Esbuild; // the part of it that is used here
}

/** Removes all that was made, also by runs that did not come to their end. */
export async function removeBundles(): Promise<void> {
  made.clear();
  for (const name of existsSync(CACHE) ? await readdir(CACHE) : []) {
    const pid = /^strand-bundles-(\d+)$/.exec(name)?.[1];
    if (pid === undefined || (Number(pid) !== process.pid && runs(Number(pid)))) continue;
    await rm(join(CACHE, name), { recursive: true, force: true });
  }
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
