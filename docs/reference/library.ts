/** Declaration files that refer to each other: what each exports, what a name means in it, and what a member inherits. */
import { posix } from 'node:path';
import {
  type Base,
  type Declaration,
  type Member,
  type Module,
  readModule,
} from './declarations.ts';

/** A declaration, and where it is. */
export interface Found {
  readonly declaration: Declaration;
  readonly file: string;
}

/** Names a declaration, whatever it is exported as. */
export function keyOf({ declaration, file }: Found): string {
  return `${file}#${declaration.name}`;
}

/** Members that mean the same wherever they are. */
const USUAL: ReadonlyMap<string, string> = new Map([
  ['code', 'What kind of error it is, for programs: it stays the same when messages change.'],
  ['toString', 'What it is, for logs.'],
  ['[inspect.custom]', "What Node's `inspect` and `console.log` show of it."],
  ['[Symbol.asyncDispose]', 'What `await using` does at the end of its block: closes it.'],
  ['[Symbol.asyncIterator]', 'For `for await`.'],
  ['[Symbol.dispose]', 'What `using` does at the end of its block: closes it.'],
  ['[Symbol.iterator]', 'For `for ... of`: what it has, one by one.'],
  ['[Symbol.toStringTag]', 'The name that `Object.prototype.toString` shows.'],
]);

/** Declaration files by their paths. Each is read once, when it is first wanted. */
export class Library {
  readonly #read: (file: string) => string;
  readonly #modules = new Map<string, Module>();
  readonly #exports = new Map<string, Map<string, Found>>();

  /** @param read gives the text of a file; paths have slashes */
  constructor(read: (file: string) => string) {
    this.#read = read;
  }

  module(file: string): Module {
    let module = this.#modules.get(file);
    if (module === undefined) {
      module = readModule(this.#read(file));
      this.#modules.set(file, module);
    }
    return module;
  }

  /** What a file exports, by the names that it has there. */
  exportsOf(file: string): ReadonlyMap<string, Found> {
    const known = this.#exports.get(file);
    if (known !== undefined) return known;
    const found = new Map<string, Found>();
    this.#exports.set(file, found);
    for (const { from, names, as } of this.module(file).exports) {
      const target = from === undefined ? undefined : targetOf(file, from);
      if (from !== undefined && target === undefined) continue; // another package's
      if (as !== undefined) {
        const doc = target === undefined ? '' : this.module(target).doc;
        const declaration: Declaration = {
          name: as,
          kind: 'namespace',
          docs: [doc || `The names of ${from ?? as}.`],
          head: `namespace ${as}`,
          bases: [],
          members: [],
        };
        found.set(as, { declaration, file: target ?? file });
      } else if (names === null) {
        for (const [name, each] of this.exportsOf(target ?? file)) {
          if (!found.has(name) && name !== 'default') found.set(name, each);
        }
      } else {
        for (const [there, here] of names) {
          const each =
            target === undefined ? this.resolve(file, there) : this.exportsOf(target).get(there);
          if (each === undefined) continue;
          found.set(here, each);
        }
      }
    }
    return found;
  }

  /** What a name means in a file; undefined for what is not from here. */
  resolve(file: string, name: string): Found | undefined {
    const module = this.module(file);
    const declaration = module.declarations.get(name);
    if (declaration !== undefined) return { declaration, file };
    const imported = module.imports.get(name);
    if (imported === undefined) return undefined;
    const target = targetOf(file, imported.from);
    return target === undefined ? undefined : this.exportsOf(target).get(imported.name);
  }

  /** What a class or interface is made of, as far as it is from here; members that `Omit` leaves out are not among those of the base. */
  basesOf({ declaration, file }: Found, relation?: Base['relation']): Found[] {
    if (declaration.kind === 'class' || declaration.kind === 'interface') {
      return declaration.bases
        .filter((base) => relation === undefined || base.relation === relation)
        .flatMap(({ name, without }) => {
          const base = this.resolve(file, name);
          if (base === undefined) return [];
          const members = base.declaration.members.filter((each) => !without.includes(each.name));
          return [{ file: base.file, declaration: { ...base.declaration, members } }];
        });
    }
    // A type, or the value that a mixin makes: all that it names.
    return namedIn(declaration.head, file).flatMap(([where, name]) => {
      const base = this.resolve(where, name);
      return base === undefined || keyOf(base) === keyOf({ declaration, file }) ? [] : [base];
    });
  }

  /** The docstrings of a member: its own, or those of the nearest base that has any. */
  docsOf(owner: Found, member: Member): readonly string[] {
    if (member.docs.length > 0) return member.docs;
    const inherited = this.#inherited(owner, member, new Set());
    if (inherited.length > 0) return inherited;
    const usual = USUAL.get(member.name);
    const isError =
      member.name === 'code' &&
      /^(?:readonly )?code.*(string|ERR_)/.test(member.signatures[0] ?? '');
    return usual !== undefined && (member.name !== 'code' || isError) ? [usual] : [];
  }

  #inherited(owner: Found, member: Member, seen: Set<string>): readonly string[] {
    for (const base of this.basesOf(owner)) {
      const key = keyOf(base);
      if (seen.has(key)) continue;
      seen.add(key);
      const same = base.declaration.members.find(
        (each) => each.name === member.name && each.static === member.static,
      );
      if (same !== undefined && same.docs.length > 0) return same.docs;
      const further = this.#inherited(base, member, seen);
      if (further.length > 0) return further;
    }
    return [];
  }
}

/** The declaration file that a relative path means. */
function targetOf(file: string, from: string): string | undefined {
  if (!from.startsWith('.')) return undefined;
  return posix.join(posix.dirname(file), from.replace(/\.[jt]s$/, '.d.ts'));
}

/** Names in a type, and where each is to be looked up. */
function namedIn(text: string, file: string): Array<readonly [file: string, name: string]> {
  const names = text.matchAll(/(?:import\("([^"]+)"\)\.|(?<![.\w$]))([A-Z][\w$]*)/g);
  return [...names].map(([, from, name = '']) => [
    from === undefined ? file : (targetOf(file, from) ?? file),
    name,
  ]);
}
