/** Declaration files that refer to each other: what each exports, what a name means in it, and what a member inherits. */
import { posix } from 'node:path';
import { type Declaration, type Member, type Module, readModule } from './declarations.ts';

/** A declaration, and where it is. */
export interface Found {
  readonly declaration: Declaration;
  readonly file: string;
}

/** Names a declaration, whatever it is exported as. */
export function keyOf({ declaration, file }: Found): string {
  return `${file}#${declaration.name}`;
}

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
    const explicit = new Set<string>();
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
        explicit.add(as);
      } else if (names === null) {
        for (const [name, each] of this.exportsOf(target ?? file)) {
          if (!found.has(name) && name !== 'default') found.set(name, each);
        }
      } else {
        for (const [there, here] of names) {
          const each =
            target === undefined ? this.resolve(file, there) : this.exportsOf(target).get(there);
          if (each === undefined || explicit.has(here)) continue;
          explicit.add(here);
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

  /** What a class or interface is made of, as far as it is from here. */
  basesOf({ declaration, file }: Found): Found[] {
    const names =
      declaration.kind === 'class' || declaration.kind === 'interface'
        ? declaration.bases.map(({ name }) => [file, name] as const)
        : // A type, or the value that a mixin makes: all that it names.
          namedIn(declaration.head, file);
    return names.flatMap(([where, name]) => {
      const base = this.resolve(where, name);
      return base === undefined || keyOf(base) === keyOf({ declaration, file }) ? [] : [base];
    });
  }

  /** The docstrings of a member: its own, or those of the nearest base that has any. */
  docsOf(owner: Found, member: Member): readonly string[] {
    return member.docs.length > 0 ? member.docs : this.#inherited(owner, member, new Set());
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
