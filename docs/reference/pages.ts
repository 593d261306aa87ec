/** The pages of the reference: one for each class and interface, and one for each kind of the rest. Pure. */
import { posix } from 'node:path';
import type { Declaration, Member } from './declarations.ts';
import { type Found, keyOf, type Library } from './library.ts';
import {
  brief,
  cell,
  code,
  defaultIn,
  fenced,
  inline,
  type Link,
  prose,
  typesIn,
} from './markdown.ts';

/** An entry point of the package. */
export interface Entry {
  /** As it is imported: 'strand/protocols/ftp'. */
  readonly name: string;
  /** Its declaration file. */
  readonly file: string;
  /** The folder of its pages, from that of the reference: 'protocols/ftp'. '' for the root's. */
  readonly folder: string;
}

/** Where something is described. */
interface Place {
  readonly page: string;
  readonly anchor: string;
}

const GROUPS: ReadonlyArray<readonly [title: string, page: string, kinds: readonly string[]]> = [
  ['Classes', '', ['class']],
  ['Functions', 'functions', ['function']],
  ['Values', 'values', ['const', 'namespace']],
  ['Interfaces', '', ['interface']],
  ['Types', 'types', ['type']],
];

/** What a word of prose means, whatever is exported under that name. */
const LANGUAGE: ReadonlySet<string> = new Set(
  'Array Boolean Buffer Date Error Map Number Object Promise Set String Symbol'.split(' '),
);

/** The whole reference. */
export class Reference {
  readonly #library: Library;
  readonly #entries: readonly Entry[];
  /** By key: each thing has one place, that of the entry point closest to it. */
  readonly #places = new Map<string, Place>();
  /** By the name it is exported as; null where several are. */
  readonly #named = new Map<string, Found | null>();
  readonly #homes = new Map<string, Entry>();

  constructor(library: Library, entries: readonly Entry[]) {
    this.#library = library;
    this.#entries = entries;
    for (const entry of entries) {
      for (const [name, found] of library.exportsOf(entry.file)) {
        const key = keyOf(found);
        const known = this.#named.get(name);
        if (known === undefined) this.#named.set(name, found);
        else if (known !== null && keyOf(known) !== key) this.#named.set(name, null);
        const home = this.#homes.get(key);
        if (home === undefined || closeness(entry, found) > closeness(home, found)) {
          this.#homes.set(key, entry);
          this.#places.set(key, placeOf(entry, name, found.declaration));
        }
      }
    }
  }

  /** Every page: its path, and its text. */
  pages(): Map<string, string> {
    const pages = new Map<string, string>();
    for (const entry of this.#entries) {
      const home = [...this.#library.exportsOf(entry.file)]
        .filter(([, found]) => this.#homes.get(keyOf(found)) === entry)
        .sort(([a], [b]) => (a < b ? -1 : 1));
      for (const [name, found] of home) {
        const { page } = this.#places.get(keyOf(found)) ?? { page: '' };
        if (isPaged(found.declaration)) pages.set(page, this.#page(entry, name, found, page));
      }
      for (const [title, name, kinds] of GROUPS) {
        const these = home.filter(([, { declaration }]) => kinds.includes(declaration.kind));
        if (name === '' || these.length === 0) continue;
        const path = posix.join(entry.folder, `${name}.md`);
        const sections = these.map(([as, found]) => this.#section(as, found, path));
        const up = `Of [${entry.name}](index.md).`;
        pages.set(path, `# ${title} of ${entry.name}\n\n${up}\n\n${sections.join('\n')}`);
      }
      pages.set(posix.join(entry.folder, 'index.md'), this.#index(entry));
    }
    return pages;
  }

  /** What is exported without a docstring: entry point and name, each once. */
  undocumented(): string[] {
    return this.#exported(({ declaration }) => declaration.docs.length === 0).map(
      ([entry, name]) => `${entry} ${name}`,
    );
  }

  /** Members that have no docstring, and inherit none. Constructors go without where the class says it all. */
  undocumentedMembers(): string[] {
    return this.#exported(() => true).flatMap(([entry, name, found]) =>
      this.#membersOf(found)
        .filter(([owner, member]) => {
          if (member.kind === 'constructor' || member.kind === 'signature') return false;
          return !member.protected && this.#library.docsOf(owner, member).length === 0;
        })
        .map(([, member]) => `${entry} ${name}.${member.name}`),
    );
  }

  #exported(wanted: (found: Found) => boolean): Array<readonly [string, string, Found]> {
    return this.#entries.flatMap((entry) =>
      [...this.#library.exportsOf(entry.file)]
        .filter(([, found]) => this.#homes.get(keyOf(found)) === entry && wanted(found))
        .map(([name, found]) => [entry.name, name, found] as const),
    );
  }

  /** Links of signatures: names as the file of `found` has them. */
  #types(page: string, found: Found): Link {
    return (name) => {
      const target = this.#library.resolve(found.file, name);
      const place = target === undefined ? undefined : this.#places.get(keyOf(target));
      return place === undefined || (place.page === page && place.anchor === '')
        ? undefined
        : pathTo(page, place);
    };
  }

  /** Links of prose: names as the file of `found` has them, or as they are exported; `name` alone is a member too. */
  #link(page: string, found: Found | null): Link {
    return (name) => {
      const [first = '', member] = name.split('.');
      if (found !== null && member === undefined && isPaged(found.declaration)) {
        if (found.declaration.name === first) return undefined; // this very page
        if (found.declaration.members.some((each) => each.name === first)) return `#${first}`;
      }
      const target =
        (found === null ? undefined : this.#library.resolve(found.file, first)) ??
        (LANGUAGE.has(first) ? undefined : this.#named.get(first));
      const place = target == null ? undefined : this.#places.get(keyOf(target));
      if (target == null || place === undefined) return undefined;
      const has = target.declaration.members.some((each) => each.name === member);
      const path = pathTo(page, has && member !== undefined ? { ...place, anchor: member } : place);
      return path === '' ? undefined : path;
    };
  }

  /** Its members, and those of bases that nobody can look up: they are not exported. */
  #membersOf(found: Found): Array<readonly [Found, Member]> {
    const members = new Map<string, readonly [Found, Member]>();
    for (const member of found.declaration.members) {
      members.set(`${String(member.static)} ${member.name}`, [found, member]);
    }
    for (const base of this.#library.basesOf(found)) {
      if (!isPaged(base.declaration) || this.#places.has(keyOf(base))) continue;
      for (const [owner, member] of this.#membersOf(base)) {
        const key = `${String(member.static)} ${member.name}`;
        if (member.kind !== 'constructor' && !members.has(key)) members.set(key, [owner, member]);
      }
    }
    return isPaged(found.declaration) ? [...members.values()] : [];
  }

  #page(entry: Entry, name: string, found: Found, page: string): string {
    const { kind, docs, head, bases } = found.declaration;
    const link = this.#link(page, found);
    const made = (['extends', 'implements'] as const).flatMap((relation) => {
      const these = bases.filter((base) => base.relation === relation);
      const title = relation === 'extends' ? 'Extends' : 'Implements';
      return these.length === 0
        ? []
        : [`${title} ${these.map(({ text }) => code(text, this.#types(page, found))).join(', ')}.`];
    });
    const members = this.#membersOf(found);
    const properties = members.filter(([, member]) => member.kind === 'property');
    const others = members.filter(([, member]) => member.kind !== 'property');
    const order = ['constructor', 'signature', 'method'];
    others.sort(([, a], [, b]) => order.indexOf(a.kind) - order.indexOf(b.kind));
    const what = `${kind === 'class' ? 'Class' : 'Interface'} of [${entry.name}](index.md).`;
    return `${[
      `# ${name}`,
      what,
      fenced(head),
      ...made,
      prose(docs, link),
      ...this.#table(properties, page, link),
      ...(others.length === 0 ? [] : [`## ${sectionOf(others.map(([, member]) => member))}`]),
      ...others.map(([owner, member]) => this.#member(owner, member, page, link)),
      ...this.#inheritedNames(found, page),
    ]
      .filter((part) => part !== '')
      .join('\n\n')}\n`;
  }

  #table(properties: ReadonlyArray<readonly [Found, Member]>, page: string, link: Link): string[] {
    if (properties.length === 0) return [];
    const rows = properties.map(([owner, member]) => {
      const docs = this.#library.docsOf(owner, member);
      const optional = member.optional;
      const { value, rest } =
        optional || docs.some((doc) => /default /i.test(doc))
          ? defaultIn(docs.join('\n\n'))
          : { value: '', rest: docs.join('\n\n') };
      const shown = `${member.static ? 'static ' : ''}${member.name}${optional ? '?' : ''}`;
      return {
        name: `<a id="${anchorOf(member)}"></a>${code(shown, () => undefined)}`,
        type: code(member.type, this.#types(page, owner)),
        value: cell(inline(value, link)),
        text: cell(prose([rest], link)),
      };
    });
    const defaults = rows.some(({ value }) => value !== '');
    const lines = rows.map(
      ({ name, type, value, text }) =>
        `| ${[name, type, ...(defaults ? [value] : []), text].join(' | ')} |`,
    );
    const header = defaults
      ? '| name | type | default | description |\n|---|---|---|---|'
      : '| name | type | description |\n|---|---|---|';
    return [`## Properties\n\n${header}\n${lines.join('\n')}`];
  }

  /** What comes from bases that have pages. */
  #inheritedNames(found: Found, page: string): string[] {
    const own = new Set(this.#membersOf(found).map(([, { name }]) => name));
    const lines: string[] = [];
    const visit = (from: Found) => {
      for (const base of this.#library.basesOf(from, 'extends')) {
        if (!isPaged(base.declaration)) continue;
        const place = this.#places.get(keyOf(base));
        const names = base.declaration.members.filter(
          (member) => !own.has(member.name) && member.kind !== 'constructor',
        );
        for (const member of names) own.add(member.name);
        if (place !== undefined && names.length > 0) {
          const path = posix.relative(posix.dirname(page), place.page);
          const list = names.map((member) => `[\`${member.name}\`](${path}#${anchorOf(member)})`);
          lines.push(`From [${base.declaration.name}](${path}): ${list.join(', ')}.`);
        }
        visit(base);
      }
    };
    visit(found);
    return lines.length === 0 ? [] : [`## Inherited\n\n${lines.join('\n\n')}`];
  }

  #member(owner: Found, member: Member, page: string, link: Link): string {
    const signatures = member.signatures.map((signature) => `${undent(signature)};`).join('\n');
    const types = typesIn(signatures, this.#types(page, owner));
    const title = member.kind === 'method' ? `${member.name}()` : member.name;
    const heading = `### ${member.static ? 'static ' : ''}${code(title, () => undefined)}`;
    return [
      `<a id="${anchorOf(member)}"></a>\n\n${heading}`,
      fenced(signatures),
      ...(types.length === 0 ? [] : [`Types: ${types.join(', ')}.`]),
      prose(this.#library.docsOf(owner, member), link),
    ]
      .filter((part) => part !== '')
      .join('\n\n');
  }

  /** A function, value or type, on a page that it shares. */
  #section(name: string, found: Found, page: string): string {
    const link = this.#link(page, found);
    const { head, docs } = found.declaration;
    const types = typesIn(head, this.#types(page, found)).filter(
      (type) => type !== `[${found.declaration.name}](#${name})`,
    );
    return `${[
      `<a id="${name}"></a>\n\n## ${name}`,
      fenced(head),
      ...(types.length === 0 ? [] : [`Types: ${types.join(', ')}.`]),
      prose(docs, link),
      ...this.#contents(found, page),
    ]
      .filter((part) => part !== '')
      .join('\n\n')}\n`;
  }

  /** Of a namespace: where what is in it is described. */
  #contents({ declaration, file }: Found, page: string): string[] {
    const entry = this.#entries.find((each) => each.file === file);
    if (declaration.kind !== 'namespace' || entry === undefined) return [];
    const index = posix.join(entry.folder, 'index.md');
    return [`All of [${entry.name}](${posix.relative(posix.dirname(page), index)}).`];
  }

  #index(entry: Entry): string {
    const page = posix.join(entry.folder, 'index.md');
    const link = this.#link(page, null);
    const all = [...this.#library.exportsOf(entry.file)].sort(([a], [b]) => (a < b ? -1 : 1));
    const others = this.#entries.filter(
      (other) => other !== entry && other.name.startsWith(`${entry.name}/`),
    );
    const list = others.map(({ name, folder, file }) => {
      const { doc } = this.#library.module(file);
      const path = posix.join(posix.relative(entry.folder, folder), 'index.md');
      return `* [${name}](${path})${doc === '' ? '' : `: ${inline(brief(doc), link)}`}`;
    });
    const sections = GROUPS.flatMap(([title, , kinds]) => {
      const rows = all
        .filter(([, { declaration }]) => kinds.includes(declaration.kind))
        .map(([name, found]) => {
          const place = this.#places.get(keyOf(found));
          const path = place === undefined ? '' : posix.relative(entry.folder, place.page);
          const anchor = place === undefined || place.anchor === '' ? '' : `#${place.anchor}`;
          const [doc = ''] = found.declaration.docs;
          const home = this.#homes.get(keyOf(found)) ?? entry;
          return `| [${name}](${path}${anchor}) | ${cell(inline(brief(doc), this.#link(page, { ...found, declaration: { ...found.declaration, members: [] } })))} |${home === entry ? '' : ` ${home.name} |`}`;
        });
      return rows.length === 0
        ? []
        : [`## ${title}\n\n| | | from |\n|---|---|---|\n${rows.join('\n')}`];
    });
    const { doc } = this.#library.module(entry.file);
    return `${[`# ${entry.name}`, inline(doc, link), list.join('\n'), ...sections]
      .filter((part) => part !== '')
      .join('\n\n')}\n`;
  }
}

function isPaged({ kind }: Declaration): boolean {
  return kind === 'class' || kind === 'interface';
}

/** How near an entry point is to something: the deeper the folder that has both, the nearer. -1: it only hands it on. */
function closeness({ file }: Entry, found: Found): number {
  const folder = posix.dirname(file);
  if (!found.file.startsWith(`${folder}/`)) return -1;
  // Of two in one folder, such as index and rx, what declares it; otherwise the index.
  const exact = file === found.file || posix.basename(file) === 'index.d.ts' ? 1 : 0;
  return folder.length * 2 + exact;
}

function placeOf({ folder }: Entry, name: string, declaration: Declaration): Place {
  const group = GROUPS.find(([, , kinds]) => kinds.includes(declaration.kind))?.[1] ?? '';
  return isPaged(declaration)
    ? { page: posix.join(folder, `${name}.md`), anchor: '' }
    : { page: posix.join(folder, `${group}.md`), anchor: name };
}

/** What constructors, methods and signatures stand under. */
function sectionOf(members: readonly Member[]): string {
  const made = members.some(({ kind }) => kind === 'constructor' || kind === 'signature');
  const does = members.some(({ kind }) => kind === 'method');
  if (!made) return 'Methods';
  return does ? 'Constructor and methods' : 'Constructor';
}

function pathTo(page: string, place: Place): string {
  const path = page === place.page ? '' : posix.relative(posix.dirname(page), place.page);
  return place.anchor === '' ? path : `${path}#${place.anchor}`;
}

function anchorOf(member: Member): string {
  return member.name.replace(/[^\w$.-]+/g, '');
}

/** Takes away by how much all lines but the first are indented in the declarations. */
function undent(signature: string): string {
  return signature.replaceAll('\n    ', '\n');
}
