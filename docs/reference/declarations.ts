/** Reads a declaration file as the compiler makes it: what it declares, imports and exports, with docstrings. Pure: texts in, values out. */

/** What a declaration is, to a reader. */
export type Kind = 'class' | 'interface' | 'type' | 'function' | 'const' | 'namespace';

/** A class or interface that another one is made of. */
export interface Base {
  readonly relation: 'extends' | 'implements';
  /** As it stands, with its arguments. */
  readonly text: string;
  /** What it names: `X` of `X<T>`, and of `Partial<X>` too. */
  readonly name: string;
  /** Names of members that `Omit` leaves out. */
  readonly without: readonly string[];
}

/** A member of a class or interface; of a method with several signatures, all. */
export interface Member {
  readonly name: string;
  readonly kind: 'constructor' | 'property' | 'method' | 'signature';
  readonly static: boolean;
  readonly protected: boolean;
  readonly optional: boolean;
  /** Of a property, its type. Of anything else ''. */
  readonly type: string;
  readonly signatures: readonly string[];
  /** Its docstrings, without their stars: none, one, or one for each signature that has its own. */
  readonly docs: readonly string[];
}

/** Something that is declared, exported or not. */
export interface Declaration {
  readonly name: string;
  readonly kind: Kind;
  readonly docs: readonly string[];
  /** The declaration as it stands, without what is in the braces of a class or interface. */
  readonly head: string;
  readonly bases: readonly Base[];
  readonly members: readonly Member[];
}

/** One `export ... from`, or `export { ... }`. */
export interface Export {
  /** The other file; undefined for the same one. */
  readonly from: string | undefined;
  /** Names there, and here. Null: all of them. */
  readonly names: ReadonlyArray<readonly [there: string, here: string]> | null;
  /** The name under which all of them are put. */
  readonly as: string | undefined;
}

/** A declaration file. */
export interface Module {
  /** What stands above its first line. */
  readonly doc: string;
  readonly declarations: ReadonlyMap<string, Declaration>;
  readonly imports: ReadonlyMap<string, { readonly from: string; readonly name: string }>;
  readonly exports: readonly Export[];
}

const TOKEN =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|=>|[{}()[\];]/g;
const BRACED =
  /^(?:export )?(?:default )?(?:declare )?(?:abstract )?(?:class|interface|enum|namespace|module|global)\b/;
const DECLARATION =
  /^(export )?(default )?(?:declare )?(?:abstract )?(class|interface|type|function|const|let|var|enum|namespace)(?: (?!extends\b)([\w$]+)|(?=\())/;
const MODIFIERS =
  /^(?:(?:public|protected|private|static|readonly|abstract|override|declare|get|set|accessor) )*/;
const WRAPPERS = new Set(['Partial', 'Required', 'Readonly', 'Omit', 'Pick']);

/** Takes a text apart at the ends of its statements, each with the docstring above it. */
export function* statements(text: string): Generator<{ doc: string; text: string }> {
  let doc = '';
  let at = 0;
  for (;;) {
    const space = /\s*/y;
    space.lastIndex = at;
    at += space.exec(text)?.[0].length ?? 0;
    if (at >= text.length) return;
    const comment = /\/\*([\s\S]*?)\*\/|\/\/[^\n]*/y;
    comment.lastIndex = at;
    const said = comment.exec(text);
    if (said !== null) {
      if (said[0].startsWith('/**')) doc = clean(said[1] ?? '');
      at += said[0].length;
      continue;
    }
    const end = endOf(text, at);
    yield { doc, text: text.slice(at, end) };
    doc = '';
    at = end;
  }
}

/** Where a statement ends: at the brace that closes it, or at the semicolon outside of all brackets. */
function endOf(text: string, from: number): number {
  const braced = BRACED.test(text.slice(from, from + 100));
  let depth = 0;
  TOKEN.lastIndex = from;
  for (let token = TOKEN.exec(text); token !== null; token = TOKEN.exec(text)) {
    const [what] = token;
    if (what === ';' && depth === 0) return token.index + 1;
    if (what.length > 1) continue;
    if ('{(['.includes(what)) depth += 1;
    else if ('})]'.includes(what)) {
      depth -= 1;
      // What a class begins with may have braces too, but more behind them on the line.
      if (
        depth === 0 &&
        braced &&
        what === '}' &&
        /^[ \t]*(?:\n|$)/.test(text.slice(token.index + 1))
      ) {
        return token.index + 1;
      }
    }
  }
  return text.length;
}

/** A docstring without its stars. */
function clean(doc: string): string {
  return doc
    .split('\n')
    .map((line, index) => line.replace(index === 0 ? /^\*? ?/ : /^\s*\* ?/, '').trimEnd())
    .join('\n')
    .trim();
}

/** Reads a declaration file. */
export function readModule(text: string): Module {
  const declarations = new Map<string, Declaration>();
  const imports = new Map<string, { from: string; name: string }>();
  const exports: Export[] = [];
  let moduleDoc: string | undefined;
  for (const { doc, text: statement } of statements(text)) {
    const declared = DECLARATION.exec(statement);
    moduleDoc ??= declared === null ? doc : '';
    if (declared !== null) {
      const [, exported, isDefault, keyword = '', name = 'default'] = declared;
      const before = declarations.get(name);
      declarations.set(name, declarationOf(name, keyword, statement, doc, before));
      if (exported !== undefined && before === undefined) {
        const here = isDefault === undefined ? name : 'default';
        exports.push({ from: undefined, names: [[name, here]], as: undefined });
      }
      continue;
    }
    const moved =
      /^export (?:type )?(?:\*(?: as ([\w$]+))?|\{([^}]*)\})(?: from ['"]([^'"]+)['"])?;?$/.exec(
        statement,
      );
    if (moved !== null) {
      const [, as, names, from] = moved;
      exports.push({ from, as, names: names === undefined ? null : namesIn(names) });
      continue;
    }
    const fetched = /^import (?:type )?(?:[\w$]+, )?\{([^}]*)\} from ['"]([^'"]+)['"];?$/.exec(
      statement,
    );
    for (const [name, here] of namesIn(fetched?.[1] ?? '')) {
      imports.set(here, { from: fetched?.[2] ?? '', name });
    }
  }
  return { doc: moduleDoc ?? '', declarations, imports, exports };
}

/** Of `a, type b as c`: [a, a] and [b, c]. */
function namesIn(list: string): Array<readonly [there: string, here: string]> {
  return list
    .split(',')
    .map((each) => each.trim().replace(/^type /, ''))
    .filter((each) => each !== '')
    .map((each) => {
      const [there = '', here = there] = each.split(' as ');
      return [there, here] as const;
    });
}

function declarationOf(
  name: string,
  keyword: string,
  statement: string,
  doc: string,
  before: Declaration | undefined,
): Declaration {
  const whole = statement
    .replace(/^export (?:default )?(?:declare )?/, '')
    .replace(/^declare /, '');
  const hasMembers = keyword === 'class' || keyword === 'interface';
  const brace = hasMembers ? bodyOf(whole) : -1;
  const head = (brace < 0 ? whole : whole.slice(0, brace)).trim();
  const docs = [...(before?.docs ?? []), ...(doc === '' ? [] : [doc])];
  const kinds: Readonly<Record<string, Kind>> = { let: 'const', var: 'const', enum: 'const' };
  return {
    name,
    // Something that is two things at once, such as a type and a function, is what has members, or what came first.
    kind: before?.kind ?? kinds[keyword] ?? (keyword as Kind), // one of the keywords of the pattern
    docs: [...new Set(docs)],
    head: before === undefined ? head : `${before.head}\n${head}`,
    bases: [...(before?.bases ?? []), ...(hasMembers ? basesIn(head) : [])],
    members: [
      ...(before?.members ?? []),
      ...(brace < 0 ? [] : membersIn(whole.slice(brace + 1, -1))),
    ],
  };
}

/** Where the members begin, behind what may be braces among the type parameters. */
function bodyOf(whole: string): number {
  return topLevel(whole, '{')[0] ?? -1;
}

/** Where `what` stands in `text` outside of all brackets, those of type arguments too. */
function topLevel(text: string, what: string): number[] {
  const found: number[] = [];
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (depth === 0 && text.startsWith(what, at)) found.push(at);
    const c = text.charAt(at);
    if ('<{(['.includes(c)) depth += 1;
    else if ('})]'.includes(c) || (c === '>' && text.charAt(at - 1) !== '=')) depth -= 1;
  }
  return found;
}

function split(text: string, what: string): string[] {
  const cuts = [...topLevel(text, what), text.length];
  let from = 0;
  return cuts.map((cut) => {
    const part = text.slice(from, cut);
    from = cut + what.length;
    return part.trim();
  });
}

function basesIn(head: string): Base[] {
  const [beforeImplements = '', implemented] = split(head, ' implements ');
  const [, extended] = split(beforeImplements, ' extends ');
  return (
    [
      ['extends', extended],
      ['implements', implemented],
    ] as const
  ).flatMap(([relation, list]) =>
    list === undefined
      ? []
      : split(list, ',').map((text) => ({
          relation,
          text,
          name: namedBy(text),
          without: /\bOmit</.test(text)
            ? [...text.matchAll(/['"]([^'"]+)['"]/g)].map(([, left = '']) => left)
            : [],
        })),
  );
}

function namedBy(base: string): string {
  const [, name = base, inner] = /^([\w$.]+)(?:<([\s\S]*)>)?$/.exec(base) ?? [];
  return WRAPPERS.has(name) && inner !== undefined ? namedBy(split(inner, ',')[0] ?? inner) : name;
}

function membersIn(body: string): Member[] {
  const members = new Map<string, Member>();
  for (const { doc, text } of statements(body)) {
    const member = memberOf(text.replace(/;$/, '').trim(), doc);
    if (member === null) continue;
    const key = `${String(member.static)} ${member.name}`;
    const before = members.get(key);
    if (before === undefined) members.set(key, member);
    else {
      const accessors = before.kind === 'property'; // get and set: what is read says more
      members.set(key, {
        ...before,
        signatures: accessors ? before.signatures : [...before.signatures, ...member.signatures],
        docs: [...new Set([...before.docs, ...member.docs])],
      });
    }
  }
  return [...members.values()];
}

function memberOf(signature: string, doc: string): Member | null {
  const modifiers = MODIFIERS.exec(signature)?.[0] ?? '';
  const rest = signature.slice(modifiers.length);
  const has = (modifier: string) => modifiers.split(' ').includes(modifier);
  if (has('private') || rest.startsWith('#')) return null;
  if (/^\[(?!Symbol\.|inspect\.|\w+:)[\w.]+\]/.test(rest)) return null; // a symbol that is nobody else's
  const [all = '', quoted = '', optional] =
    /^(\[[^\]]*\]|[\w$]+|"[^"]*"|'[^']*')(\?)?/.exec(rest) ?? [];
  const name = quoted.replace(/^["']|["']$/g, '');
  const behind = rest.slice(all.length);
  const called = /^[<(]/.test(behind);
  const shared = {
    static: has('static'),
    protected: has('protected'),
    optional: optional !== undefined,
    signatures: [signature],
    docs: doc === '' ? [] : [doc],
  };
  if (name === '' || (name === 'new' && /^ ?[<(]/.test(behind))) {
    return { ...shared, name: name === '' ? '(call)' : 'new', kind: 'signature', type: '' };
  }
  if (name === 'constructor') return { ...shared, name, kind: 'constructor', type: '' };
  if (has('get') || has('set')) {
    const type = has('get') ? behind.replace(/^\(\): ?/, '') : behind.replace(/^\(\w+: |\)$/g, '');
    return { ...shared, name, kind: 'property', type };
  }
  if (called) return { ...shared, name, kind: 'method', type: '' };
  return { ...shared, name, kind: 'property', type: behind.replace(/^: ?/, '') };
}
