import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { expect } from 'chai';
import { entryPoints, makeDeclarations, readReference } from '../../docs/generate.ts';
import { readModule } from '../../docs/reference/declarations.ts';
import { keyOf, Library } from '../../docs/reference/library.ts';
import {
  brief,
  cell,
  code,
  defaultIn,
  inline,
  parseDoc,
  prose,
} from '../../docs/reference/markdown.ts';
import { Reference } from '../../docs/reference/pages.ts';
import { NUMBER_OPTIONS, OTHER_OPTIONS } from '../../src/adbapi/options.ts';

const nowhere = () => undefined;
const everywhere = (name: string) => `${name}.md`;

/** The only declaration of a text. */
function only(text: string) {
  const [declaration] = [...readModule(text).declarations.values()];
  if (declaration === undefined) throw new Error(`Nothing is declared in '${text}'`);
  return declaration;
}

/** A library of these files. */
function libraryOf(files: Readonly<Record<string, string>>): Library {
  return new Library((file) => {
    const text = files[file];
    if (text === undefined) throw new Error(`No file '${file}'`);
    return text;
  });
}

/** The pages of one entry point with this text, and of other files that it refers to. */
function pagesOf(text: string, others: Readonly<Record<string, string>> = {}) {
  const library = libraryOf({ 'src/index.d.ts': text, ...others });
  const entry = { name: 'strand', file: 'src/index.d.ts', folder: '' };
  return new Reference(library, [entry]).pages();
}

describe('the reader of declarations', () => {
  it('takes the docstring right above, and not that of the file', () => {
    const { doc, declarations } = readModule(
      "/** The file. */\nimport { B } from './b.ts';\nexport declare class A {\n}\n/** A type. */\nexport type T = { a: 1; b: 2 };\n",
    );
    expect(doc).to.equal('The file.');
    expect(declarations.get('A')?.docs).to.deep.equal([]);
    expect(declarations.get('T')).to.deep.include({
      docs: ['A type.'],
      kind: 'type',
      head: 'type T = { a: 1; b: 2 };',
    });
  });

  it('finds a docstring above a comment for tools, and keeps its lines', () => {
    const { docs } = only(
      '/**\n * One.\n *\n *   two\n */\n// biome-ignore lint: why\nexport declare let x: number;',
    );
    expect(docs).to.deep.equal(['One.\n\n  two']);
  });

  it('joins the signatures of a function, and each docstring that one has', () => {
    const { head, docs } = only(
      '/** Both. */\nexport declare function f(a: string): void;\nexport declare function f(a: number): void;\n/** Third. */\nexport declare function f(): void;\n',
    );
    expect(head.split('\n')).to.have.length(3);
    expect(docs).to.deep.equal(['Both.', 'Third.']);
  });

  it('reads names and heads past braces, generics and defaults', () => {
    const { head, bases, members } = only(
      'export declare abstract class A<T extends { x: (a: number) => void; } = { x: () => void; }, U = Map<string, T>> extends B<T, { c: 1; }> implements C<U>, Partial<Omit<D, "e">> {\n    #private;\n    y: number;\n}\n',
    );
    expect(head).to.match(/^abstract class A<.*"e">>$/);
    expect(bases.map(({ relation, name }) => [relation, name])).to.deep.equal([
      ['extends', 'B'],
      ['implements', 'C'],
      ['implements', 'D'],
    ]);
    expect(members.map(({ name }) => name)).to.deep.equal(['y']);
  });

  it('knows what Omit leaves out, and what Pick does not', () => {
    const { bases } = only(
      "export interface A extends Omit<B, 'a' | 'b'>, Pick<C, 'd' | 'e'> {\n}\n",
    );
    expect(bases.map(({ name, without }) => [name, without])).to.deep.equal([
      ['B', ['a', 'b']],
      ['C', []],
    ]);
  });

  it('tells members apart', () => {
    const { members } = only(
      [
        'export declare class A {',
        '    private secret;',
        "    /** A brace: '}' and ; */",
        "    readonly a: '}' | ';';",
        '    protected b?: { c: number; } | null;',
        '    static d: string;',
        '    d: number;',
        '    get e(): Map<string, () => void>;',
        '    set e(value: Map<string, () => void>);',
        '    /** One. */',
        '    f(): void;',
        '    f<T>(t: T): T;',
        '    get(key: string): void;',
        '    static(): void;',
        "    'g-h': 1;",
        '    [Symbol.iterator](): Iterator<number>;',
        '    [key: string]: unknown;',
        '    constructor(a: { b: 1; });',
        '    new (a: string): A;',
        '    (b: number): void;',
        '}',
      ].join('\n'),
    );
    expect(members.map((m) => [m.name, m.kind, m.type])).to.deep.equal([
      ['a', 'property', "'}' | ';'"],
      ['b', 'property', '{ c: number; } | null'],
      ['d', 'property', 'string'],
      ['d', 'property', 'number'],
      ['e', 'property', 'Map<string, () => void>'],
      ['f', 'method', ''],
      ['get', 'method', ''],
      ['static', 'method', ''],
      ['g-h', 'property', '1'],
      ['[Symbol.iterator]', 'method', ''],
      ['[key: string]', 'property', 'unknown'],
      ['constructor', 'constructor', ''],
      ['new', 'signature', ''],
      ['(call)', 'signature', ''],
    ]);
    expect(members[0]?.docs).to.deep.equal(["A brace: '}' and ;"]);
    expect(members[1]).to.include({ optional: true, protected: true });
    expect(members.map((m) => m.static).indexOf(true)).to.equal(2);
    expect(members[5]?.signatures).to.deep.equal(['f(): void', 'f<T>(t: T): T']);
  });

  it('takes a list of types that are handed on for no type', () => {
    const { declarations, exports } = readModule(
      "export type { A, B as C } from './a.ts';\nexport * as n from './n.ts';\nexport * from './all.ts';\nexport {};\n",
    );
    expect([...declarations.keys()]).to.deep.equal([]);
    expect(exports).to.deep.equal([
      {
        from: './a.ts',
        as: undefined,
        names: [
          ['A', 'A'],
          ['B', 'C'],
        ],
      },
      { from: './n.ts', as: 'n', names: null },
      { from: './all.ts', as: undefined, names: null },
      { from: undefined, as: undefined, names: [] },
    ]);
  });
});

describe('a library of declarations', () => {
  const library = libraryOf({
    'src/index.d.ts':
      "export * from './a/index.ts';\nexport { A as B } from './a/index.ts';\nexport { X } from './b.ts';\nexport * as all from './b.ts';\nexport * from './c.ts';\n",
    'src/a/index.d.ts':
      "import { type Base } from '../b.ts';\n/** An A. */\nexport declare class A extends Base implements Mixed {\n    m(): void;\n    n(): void;\n    o(): void;\n}\nexport declare const X: 1;\ntype Mixed = N & import(\"../b.ts\").O;\ninterface N {\n    /** N's. */\n    n(): void;\n}\n",
    'src/c.d.ts':
      'export declare const X: 3;\nexport declare const B: 3;\nexport default function f(): void;\n',
    'src/b.d.ts':
      "/** The others. */\nimport '../c.ts';\nexport interface Base extends Base {\n    /** Base's. */\n    m(): void;\n}\nexport interface O {\n    /** O's. */\n    o(): void;\n}\nexport declare const X: 2;\n",
  });

  it('knows what a file exports, by what names, and that a list goes before a star', () => {
    const found = library.exportsOf('src/index.d.ts');
    expect([...found.keys()].sort()).to.deep.equal(['A', 'B', 'X', 'all']);
    expect(found.get('X')?.file).to.equal('src/b.d.ts');
    expect(found.get('all')?.declaration).to.include({ kind: 'namespace' });
    expect(found.get('all')?.declaration.docs).to.deep.equal(['The others.']);
    const [a, b] = [found.get('A'), found.get('B')];
    expect(a && keyOf(a)).to.equal(b && keyOf(b));
  });

  it('gives a member without a docstring that of the nearest base, through types and imports', () => {
    const a = library.exportsOf('src/index.d.ts').get('A');
    if (a === undefined) throw new Error('No A');
    const docs = a.declaration.members.map((member) => library.docsOf(a, member));
    expect(docs).to.deep.equal([["Base's."], ["N's."], ["O's."]]);
  });
});

describe('Members that mean the same everywhere', () => {
  it('need no docstring, but codes of errors are told from other codes', () => {
    const library = libraryOf({
      'a.d.ts':
        'export declare class A {\n    toString(): string;\n    readonly code: string;\n    [secret](): void;\n}\nexport declare class B {\n    readonly code: number;\n}\n',
    });
    const docs = (name: string) => {
      const found = library.exportsOf('a.d.ts').get(name);
      return found?.declaration.members.map((member) => library.docsOf(found, member).length);
    };
    expect(docs('A')).to.deep.equal([1, 1]);
    expect(docs('B')).to.deep.equal([0]);
  });
});

describe('Markdown of docstrings', () => {
  it('takes tags apart wherever they stand, but not in code', () => {
    const { text, tags } = parseDoc(
      'Does ` @param ` it. @throws {RangeError} @throws {TypeError} when it is\n wrong\n@param options.a what, me@example.org\n@returns it\n@example\nf();\n\ng(); // at 4 @ 5',
    );
    expect(text).to.equal('Does ` @param ` it.');
    expect(tags).to.deep.equal([
      { tag: 'throws', name: 'RangeError', text: '' },
      { tag: 'throws', name: 'TypeError', text: 'when it is\n wrong' },
      { tag: 'param', name: 'options.a', text: 'what, me@example.org' },
      { tag: 'returns', name: '', text: 'it' },
      { tag: 'example', name: '', text: 'f();\n\ng(); // at 4 @ 5' },
    ]);
  });

  it('keeps examples as code, with fences of their own or without', () => {
    const plain = prose(['Says.\n@example\na <b> * c;'], nowhere);
    const own = prose(['Says.\n@example\n```ts\na <b> * c;\n```'], nowhere);
    expect(plain).to.equal('Says.\n\nExample:\n\n```ts\na <b> * c;\n```');
    expect(own).to.equal(plain);
  });

  it('links names in braces and in code, but not words of the language', () => {
    expect(inline('A {@link B}, {@link C.d}, {@link E | the e}', everywhere)).to.equal(
      'A [`B`](B.md), [`C.d`](C.d.md), [`the e`](E.md)',
    );
    expect(inline('Fails with {F}: see `g()`, `H`, `value`, `J<K>`', everywhere)).to.equal(
      'Fails with [`F`](F.md): see [`g()`](g.md), [`H`](H.md), `value`, `J<K>`',
    );
    expect(inline('{F} {@link B}', nowhere)).to.equal('`F` `B`');
  });

  it('leaves nothing that Markdown or HTML would take for its own', () => {
    expect(inline('Map<string, T> of 2 * 3, `a<b>`\n* one\n* two', nowhere)).to.equal(
      'Map&lt;string, T> of 2 \\* 3, `a<b>`\n* one\n* two',
    );
  });

  it('fits into a cell', () => {
    expect(cell('a | b\nc\n\n* d\n* e\n\n```ts\nf |\n```')).to.equal(
      'a \\| b c<br>• d<br>• e<br>`f \\|`',
    );
  });

  it('writes signatures with links, and escapes the rest', () => {
    expect(code("Map<'A' | B_C, a.D[]> /* no */", everywhere)).to.equal(
      "<code>[Map](Map.md)&#60;'A' &#124; [B&#95;C](B_C.md), a.D&#91;&#93;&#62;</code>",
    );
  });

  it('finds the first sentence', () => {
    expect(brief('As of 1.5, e.g. this\nand that. Then more.')).to.equal(
      'As of 1.5, e.g. this and that.',
    );
    expect(brief('A title\n\nText. @throws {E}')).to.equal('A title');
    expect(brief('Hears it. @param a b')).to.equal('Hears it.');
  });

  it('finds defaults, and leaves out a sentence that says nothing else', () => {
    const cases: ReadonlyArray<readonly [doc: string, value: string, rest: string]> = [
      ['Bytes. Default 0.', '0', 'Bytes.'],
      ['Bytes. Default 0.5. And more.', '0.5', 'Bytes. And more.'],
      ["Default '\\n', with more.", "'\\n'", "Default '\\n', with more."],
      ["Default 'a. b'.", "'a. b'", ''],
      ['Seconds. Default 86,400: a day.', '86,400', 'Seconds. Default 86,400: a day.'],
      ["By whom. Default: the process's reactor.", "the process's reactor", 'By whom.'],
      ['Time; by default the reactor.', 'the reactor', 'Time; by default the reactor.'],
      ['Level 1 to 9 (default 6), etc.', '6', 'Level 1 to 9 (default 6), etc.'],
      ['Default 8 (RFC 1) of it.', '8', 'Default 8 (RFC 1) of it.'],
      ['Restores the default observer.', '', 'Restores the default observer.'],
      ['The default one.', '', 'The default one.'],
    ];
    for (const [doc, value, rest] of cases) {
      expect(defaultIn(doc), doc).to.deep.equal({ value, rest });
    }
  });
});

describe('pages of the reference', () => {
  it('have options in a table: name, type, default and text', () => {
    const page = pagesOf(
      '/** Options. */\nexport interface O extends Partial<P> {\n    /** Bytes. Default 5. */\n    readonly a?: number | P;\n    readonly b: string;\n}\n/** P. */\nexport interface P {\n    /** C. */\n    c: number;\n}\n',
    ).get('O.md');
    expect(page).to.contain('| name | type | default | description |\n|---|---|---|---|\n');
    expect(page).to.contain(
      '| <a id="a"></a><code>a?</code> | <code>number &#124; [P](P.md)</code> | 5 | Bytes. |\n',
    );
    expect(page).to.contain('| <a id="b"></a><code>b</code> | <code>string</code> |  |  |\n');
    expect(page).to.contain('Extends <code>Partial&#60;[P](P.md)&#62;</code>.');
    expect(page).to.contain('From [P](P.md): [`c`](P.md#c).');
  });

  it('do not have what they omit of a base that has no page', () => {
    const page = pagesOf(
      "/** A. */\nexport interface A extends Omit<B, 'c'> {\n}\ninterface B {\n    c: 1;\n    d: 2;\n}\n",
    ).get('A.md');
    expect(page).to.contain('<a id="d">').and.not.contain('<a id="c">');
  });

  it('have a section for each method, with what it inherits and what it throws', () => {
    const page = pagesOf(
      '/** A. */\nexport declare class A extends Hidden implements I {\n    m(a: I): void;\n}\ndeclare class Hidden {\n    /** H, see {@link m}. */\n    h(): void;\n}\n/** I. */\nexport interface I {\n    /**\n     * Does it.\n     * @throws {E} always\n     */\n    m(a: I): void;\n}\n/** E. */\nexport declare class E {\n}\n',
    ).get('A.md');
    expect(page).to.contain(
      '<a id="m"></a>\n\n### <code>m()</code>\n\n```ts\nm(a: I): void;\n```\n\nTypes: [I](I.md).\n\nDoes it.\n\nThrows:\n\n* [`E`](E.md) always\n',
    );
    expect(page).to.contain('H, see [`m`](#m).');
  });

  it('take a name in a signature for what it is in that file, and not for what else has it', () => {
    const page = pagesOf(
      "/** A. */\nexport declare class A {\n    /** B, see {@link Map} and {@link Text}. */\n    b(c: Map<string, Text>, d: Fetch): void;\n}\nexport { Map, Text } from './x.ts';\nimport type { Real as Fetch } from './x.ts';\n",
      {
        'src/x.d.ts':
          '/** M. */\nexport declare class Map {\n}\n/** T. */\nexport declare class Text {\n}\n/** R. */\nexport interface Real {\n}\n',
      },
    ).get('A.md');
    expect(page).to.not.contain('Types:');
    expect(page).to.contain('B, see `Map` and [`Text`](Text.md).');
  });

  it('are one for a thing that several entry points have: at the one closest to it', () => {
    const library = libraryOf({
      'src/index.d.ts':
        "export * from './a/index.ts';\nexport { A as Other } from './a/index.ts';\n",
      'src/a/index.d.ts':
        '/** A. */\nexport declare class A {\n}\n/** F of an {@link A}. */\nexport declare function f(a: A): void;\n',
    });
    const pages = new Reference(library, [
      { name: 'strand', file: 'src/index.d.ts', folder: '' },
      { name: 'strand/a', file: 'src/a/index.d.ts', folder: 'a' },
    ]).pages();
    expect([...pages.keys()].sort()).to.deep.equal([
      'a/A.md',
      'a/functions.md',
      'a/index.md',
      'index.md',
    ]);
    expect(pages.get('index.md')).to.contain('| [A](a/A.md) | A. | strand/a |');
    expect(pages.get('index.md')).to.contain('| [Other](a/A.md) | A. | strand/a |');
    expect(pages.get('index.md')).to.contain('| [f](a/functions.md#f) | F of an [`A`](a/A.md).');
    expect(pages.get('a/functions.md')).to.contain('<a id="f"></a>');
  });

  it('name what has no docstring', () => {
    const library = libraryOf({
      'src/index.d.ts':
        '/** File. */\nexport declare class A {\n    constructor(a: number);\n    b(): void;\n    /** C. */\n    c(): void;\n}\n',
    });
    const reference = new Reference(library, [
      { name: 'strand', file: 'src/index.d.ts', folder: '' },
    ]);
    expect(reference.undocumented()).to.deep.equal([]); // the file's stands right above
    expect(reference.undocumentedMembers()).to.deep.equal(['strand A.b']);
  });
});

describe('the reference of the package', function () {
  this.timeout(60_000);
  let folder: string;
  let reference: Reference;
  let pages: ReadonlyMap<string, string>;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-docs-'));
    makeDeclarations(folder);
    reference = readReference(folder);
    pages = reference.pages();
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('has a docstring for everything that is exported', () => {
    expect(reference.undocumented()).to.deep.equal([]);
  });

  it('says of the options of a pool what the table says by which they are checked', () => {
    const page = pages.get('adbapi/PoolOptions.md') ?? '';
    for (const [name, { initial, reason }] of Object.entries({
      ...NUMBER_OPTIONS,
      ...OTHER_OPTIONS,
    })) {
      const row = page.split('\n').find((line) => line.startsWith(`| <a id="${name}"></a>`));
      expect(row, name).to.contain(` | ${String(initial)} | ${inline(reason, nowhere)}.`);
    }
  });

  it('has a docstring for every option', () => {
    const options = reference
      .undocumentedMembers()
      .filter((name) => /(?:Options|Limits|Settings)\.\w+$/.test(name));
    expect(options).to.deep.equal([]);
  });

  it('has a page for every entry point, and is as large as it should be', () => {
    for (const { folder: home } of entryPoints()) {
      expect(pages.has(posix.join(home, 'index.md')), home).to.equal(true);
    }
    expect(pages.size).to.be.greaterThan(500);
    expect(pages.get('deferred/Deferred.md')).to.contain('### <code>addCallback()</code>');
  });

  it('has no two pages whose paths differ in case alone, which some systems would take for one', () => {
    const paths = [...pages.keys()].map((path) => path.toLowerCase());
    expect(paths.filter((path, index) => paths.indexOf(path) !== index)).to.deep.equal([]);
  });

  it('has no link that leads nowhere', () => {
    const anchors = new Map(
      [...pages].map(([path, text]) => [
        path,
        new Set([...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id)),
      ]),
    );
    const broken: string[] = [];
    let links = 0;
    for (const [path, text] of pages) {
      const shown = text.replace(/```[\s\S]*?```/g, '').replace(/(?<!\[)`[^`\n]*`/g, '');
      for (const [, target = ''] of shown.matchAll(/\]\(([^)\s]*)\)/g)) {
        if (/^https?:/.test(target)) continue;
        links += 1;
        const [file = '', anchor] = target.split('#');
        const page = file === '' ? path : posix.join(posix.dirname(path), file);
        const known = anchors.get(page);
        if (known === undefined || (anchor !== undefined && !known.has(anchor))) {
          broken.push(`${path}: ${target}`);
        }
      }
    }
    expect(broken).to.deep.equal([]);
    expect(links).to.be.greaterThan(5000);
  });

  it('has no table that is broken: all rows have as many cells, or fewer, than the head', () => {
    for (const [path, text] of pages) {
      let width = 0;
      for (const line of text.replace(/```[\s\S]*?```/g, '').split('\n')) {
        if (!line.startsWith('|')) {
          width = 0;
          continue;
        }
        const cells = line.match(/(?<!\\)\|/g)?.length ?? 0;
        width ||= cells;
        expect(cells, `${path}: ${line}`).to.be.at.most(width);
      }
    }
  });
});
