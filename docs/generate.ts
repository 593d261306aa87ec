/**
 * Makes the reference from the docstrings: a page for each entry point, for each class and interface, and for the functions, values and types of an entry point, in Markdown.
 * `npm run docs -- FOLDER`, by default docs/api. Ends with 1, and says which, when something that is exported has no docstring. `--members` lists members that have none, too.
 *
 * It reads the declarations that the compiler makes, which have signatures and docstrings in one fixed layout; nothing of the program is run.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Library } from './reference/library.ts';
import { type Entry, Reference } from './reference/pages.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The entry points of the package, whose declaration files are given from where the declarations are. */
export function entryPoints(): Entry[] {
  const { name, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    name: string; // what a package.json has
    exports: Record<string, string | { types?: string }>;
  };
  return Object.entries(exports).flatMap(([path, target]) => {
    const types = typeof target === 'string' ? undefined : target.types;
    if (types === undefined) return [];
    const folder = path.replace(/^\.\/?/, '');
    const entry = folder === '' ? name : `${name}/${folder}`;
    return [{ name: entry, file: types.replace(/^\.\/dist\//, ''), folder }];
  });
}

/** Makes the declarations of the sources in a folder. Whether the types are right is not asked here. */
export function makeDeclarations(folder: string): void {
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const project = join(ROOT, 'tsconfig.build.json');
  const options = ['--outDir', folder, '--declaration', '--emitDeclarationOnly', '--noCheck'];
  execFileSync(process.execPath, [tsc, '-p', project, ...options], { stdio: 'inherit' });
}

/** Reads declarations. The reference says which pages there are, and what has no docstring. */
export function readReference(
  declarations: string,
  entries: readonly Entry[] = entryPoints(),
): Reference {
  return new Reference(
    new Library((file) => readFileSync(join(declarations, file), 'utf8')),
    entries,
  );
}

/** Writes pages into `folder`, in place of whatever is there. */
export function writePages(pages: ReadonlyMap<string, string>, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  for (const [path, text] of pages) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

function main(args: readonly string[]): void {
  const declarations = mkdtempSync(join(tmpdir(), 'strand-docs-'));
  try {
    makeDeclarations(declarations);
    const reference = readReference(declarations);
    const [to] = args.filter((arg) => !arg.startsWith('--'));
    const folder = resolve(to ?? join(ROOT, 'docs', 'api'));
    const pages = reference.pages();
    writePages(pages, folder);
    const missing = reference.undocumented();
    for (const name of missing) console.error(`No docstring: ${name}`);
    if (args.includes('--members')) {
      for (const name of reference.undocumentedMembers()) console.error(`Member: ${name}`);
    }
    console.error(`${pages.size} pages in ${folder}`);
    process.exitCode = missing.length === 0 ? 0 : 1;
  } finally {
    rmSync(declarations, { recursive: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv.slice(2));
