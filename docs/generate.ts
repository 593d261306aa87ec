/**
 * Makes the reference from the docstrings: a page for each entry point, and one for each class and interface, in Markdown. `npm run docs -- FOLDER`, by default docs/api. Ends with 1, and says which,
 * when something that is exported has no docstring.
 *
 * It reads the declarations that the compiler makes, which have signatures and docstrings in one fixed layout; nothing of the program is run.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Something that is exported. */
export interface Declaration {
  readonly name: string;
  readonly kind: 'class' | 'interface' | 'type' | 'function' | 'const' | 'namespace';
  /** The docstring, without its stars; empty for none. */
  readonly doc: string;
  /** The declaration as it stands, without what is in the braces of a class or interface. */
  readonly head: string;
  readonly members: readonly Member[];
}

/** A member of a class or interface. */
export interface Member {
  readonly name: string;
  readonly signature: string;
  readonly doc: string;
}

// ------------------------------------------------------------------------------------------ reading

const DOC = String.raw`(?:/\*\*((?:(?!\*/)[\s\S])*)\*/\s*)?`;
const DECLARATION = new RegExp(
  String.raw`^${DOC}export (?:declare )?(?:abstract )?(class|interface|type|function|const|let|enum) ([\w$]+)`,
  'gm',
);
const EXPORT = /^export (type )?(?:\*(?: as (\w+))?|\{([^}]*)\})(?: from '([^']+)')?;/gm;

/** What a declaration file declares, by name. Of a function with several signatures, all. */
function declarationsIn(text: string): Map<string, Declaration> {
  const found = new Map<string, Declaration>();
  for (const match of text.matchAll(DECLARATION)) {
    const [all, doc = '', keyword = '', name = ''] = match;
    const from = (match.index ?? 0) + all.search(/export /);
    const end = endOf(text, from, keyword);
    const whole = text.slice(from, end).replace(/^export (declare )?/, '');
    const hasMembers = keyword === 'class' || keyword === 'interface';
    const brace = hasMembers ? bodyOf(whole) : -1;
    const before = found.get(name);
    found.set(name, {
      name,
      kind: keyword === 'let' || keyword === 'enum' ? 'const' : (keyword as Declaration['kind']), // what the pattern lets through
      doc: before?.doc || clean(doc),
      head: [before?.head, (brace < 0 ? whole : whole.slice(0, brace)).trim()]
        .filter(Boolean)
        .join('\n'),
      members: brace < 0 ? [] : membersIn(whole.slice(brace + 1, -1)),
    });
  }
  return found;
}

/** Where a declaration ends: at the brace that closes it, or at the semicolon outside of all brackets. */
function endOf(text: string, from: number, keyword: string): number {
  const braced = keyword === 'class' || keyword === 'interface';
  let depth = 0;
  for (const { index, 0: token } of text
    .slice(from)
    .matchAll(/\/\*[\s\S]*?\*\/|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|=>|[{}()[\];]/g)) {
    if ('{(['.includes(token)) depth += 1;
    else if (token.length === 1 && '})]'.includes(token)) {
      depth -= 1;
      if (depth === 0 && braced && token === '}') return from + index + 1;
    } else if (token === ';' && depth === 0) return from + index + 1;
  }
  return text.length;
}

/** Where the members begin, behind what may be braces among type parameters. */
function bodyOf(whole: string): number {
  return whole.search(/\{\n|\{\}$/);
}

function membersIn(body: string): Member[] {
  const members: Member[] = [];
  let rest = body;
  for (;;) {
    const start = new RegExp(String.raw`^\s*${DOC}(\S)`).exec(rest);
    if (start === null) return members;
    const at = start[0].length - 1;
    const end = endOf(rest, at, '');
    const signature = rest.slice(at, end).replace(/\s+/g, ' ').trim();
    rest = rest.slice(end);
    const name =
      /^(?:(?:readonly|static|abstract|protected|get|set|async) )*(\[[^\]]*\]|[\w$#]+|"[^"]*")/.exec(
        signature,
      )?.[1];
    if (name === undefined || name === '#private' || /^(private|protected #)/.test(signature))
      continue;
    members.push({ name, signature: signature.replace(/;$/, ''), doc: clean(start[1] ?? '') });
  }
}

function clean(doc: string): string {
  return doc
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .trim();
}

/** What a module exports, by the names that it has there. */
export function exportsOf(
  file: string,
  known: Map<string, Map<string, Declaration>> = new Map(),
): Map<string, Declaration> {
  const before = known.get(file);
  if (before !== undefined) return before;
  const found = new Map<string, Declaration>();
  known.set(file, found);
  const text = readFileSync(file, 'utf8');
  const own = declarationsIn(text);
  for (const [name, declaration] of own) found.set(name, declaration);
  for (const [, , as, names, from] of text.matchAll(EXPORT)) {
    const others =
      from === undefined
        ? own
        : exportsOf(resolve(dirname(file), from.replace(/\.ts$/, '.d.ts')), known);
    if (names === undefined && as !== undefined) {
      const doc = `The names of ${from?.replace(/^\.\/|\/index\.ts$/g, '')}.`;
      found.set(as, { name: as, kind: 'namespace', doc, head: `namespace ${as}`, members: [] });
    } else if (names === undefined) {
      for (const [name, declaration] of others) if (!found.has(name)) found.set(name, declaration);
    } else {
      for (const each of names.split(',')) {
        const [name = '', alias] = each
          .trim()
          .replace(/^type /, '')
          .split(' as ');
        const declaration = others.get(name);
        if (declaration !== undefined)
          found.set(alias ?? name, { ...declaration, name: alias ?? name });
      }
    }
  }
  return found;
}

// ------------------------------------------------------------------------------------------ writing

/** The first sentence. */
function brief(doc: string): string {
  const [first = ''] = doc
    .replace(/@\w[\s\S]*$/, '')
    .trim()
    .split(/(?<=[.!?])\s|\n\n/);
  return first.replaceAll('\n', ' ');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ').trim();
}

/** A docstring as Markdown: its tags become paragraphs. */
function prose(doc: string): string {
  return doc
    .replace(
      /^@example\n(?!```)([\s\S]*?)(?=\n@|$)/gm,
      (_, code: string) => `Example:\n\n\`\`\`ts\n${code.trim()}\n\`\`\``,
    )
    .replace(/^@example$/gm, 'Example:\n')
    .replace(/^@throws \{(\w+)\}/gm, '\n*Throws* `$1`')
    .replace(/^@throws/gm, '\n*Throws*')
    .replace(/^@returns/gm, '\n*Returns*')
    .replace(/^@param (\[?\w+\]?)/gm, '\n`$1`:');
}

function page(entry: string, { name, kind, doc, head, members }: Declaration): string {
  const rows = members.map(
    (member) => `| \`${cell(member.signature)}\` | ${cell(prose(member.doc))} |`,
  );
  const table = rows.length === 0 ? '' : `\n| member | |\n|---|---|\n${rows.join('\n')}\n`;
  return `# ${name}\n\n${kind === 'class' ? 'Class' : 'Interface'} of [${entry}](index.md).\n\n\`\`\`ts\n${head}\n\`\`\`\n\n${prose(doc)}\n${table}`;
}

function index(entry: string, all: readonly Declaration[]): string {
  const groups: ReadonlyArray<readonly [string, (declaration: Declaration) => boolean]> = [
    ['Classes', ({ kind }) => kind === 'class'],
    ['Functions', ({ kind }) => kind === 'function'],
    ['Values', ({ kind }) => kind === 'const' || kind === 'namespace'],
    ['Interfaces', ({ kind }) => kind === 'interface'],
    ['Types', ({ kind }) => kind === 'type'],
  ];
  const sections = groups.flatMap(([title, belongs]) => {
    const these = all.filter(belongs);
    if (these.length === 0) return [];
    const rows = these.map(({ name, kind, doc, head }) => {
      const paged = kind === 'class' || kind === 'interface';
      const what = paged ? `[${name}](${name}.md)` : `\`${cell(head.replace(/;$/, ''))}\``;
      return `| ${what} | ${cell(paged ? brief(doc) : prose(doc))} |`;
    });
    return [`## ${title}\n\n| | |\n|---|---|\n${rows.join('\n')}\n`];
  });
  return `# ${entry}\n\n${sections.join('\n')}`;
}

/** The entry points of the package, and the declaration file of each, from where the declarations are. */
export function entryPoints(): Array<readonly [entry: string, file: string]> {
  const { name, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    name: string;
    exports: Record<string, { types?: string }>;
  };
  return Object.entries(exports).flatMap(([path, { types }]) =>
    types === undefined ? [] : [[join(name, path), types.replace('./dist/', '')] as const],
  );
}

/** Makes the declarations of the sources in a folder. */
export function makeDeclarations(folder: string): void {
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
  const project = join(ROOT, 'tsconfig.build.json');
  execFileSync(tsc, ['-p', project, '--outDir', folder, '--declaration', '--emitDeclarationOnly'], {
    stdio: 'inherit',
  });
}

/** Of an entry point, what has no docstring. */
export function undocumented(exported: ReadonlyMap<string, Declaration>): string[] {
  return [...exported.values()].filter(({ doc }) => doc === '').map(({ name }) => name);
}

/** Writes the reference into `folder`. Gives what has no docstring: entry point and name. */
export function generate(declarations: string, folder: string): string[] {
  const missing: string[] = [];
  const entries: string[] = [];
  rmSync(folder, { recursive: true, force: true });
  for (const [entry, file] of entryPoints()) {
    const exported = exportsOf(join(declarations, file));
    missing.push(...undocumented(exported).map((name) => `${entry} ${name}`));
    // Everything is there once more under its own entry point.
    if (!entry.includes('/')) continue;
    const home = join(folder, entry.replace(/^[^/]*\//, ''));
    mkdirSync(home, { recursive: true });
    const all = [...exported.values()].sort((a, b) => a.name.localeCompare(b.name));
    writeFileSync(join(home, 'index.md'), index(entry, all));
    for (const each of all) {
      if (each.kind === 'class' || each.kind === 'interface') {
        writeFileSync(join(home, `${each.name}.md`), page(entry, each));
      }
    }
    entries.push(`* [${entry}](${entry.replace(/^[^/]*\//, '')}/index.md)`);
  }
  writeFileSync(join(folder, 'index.md'), `# Reference\n\n${entries.join('\n')}\n`);
  return missing;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const declarations = mkdtempSync(join(tmpdir(), 'strand-docs-'));
  try {
    makeDeclarations(declarations);
    const folder = resolve(process.argv[2] ?? join(ROOT, 'docs', 'api'));
    const missing = generate(declarations, folder);
    for (const name of missing) console.error(`No docstring: ${name}`);
    console.error(`Reference in ${folder}`);
    process.exitCode = missing.length === 0 ? 0 : 1;
  } finally {
    rmSync(declarations, { recursive: true });
  }
}
