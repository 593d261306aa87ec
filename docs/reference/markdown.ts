/** Docstrings and signatures as Markdown, on a line of its own or in the cell of a table. Pure. */

/** Where the page of a name is, relative to the page that is written; undefined for none. */
export type Link = (name: string) => string | undefined;

/** A docstring taken apart. */
export interface Doc {
  /** What stands in front of the tags. */
  readonly text: string;
  /** The tags in their order. `name` is a parameter, or an error. */
  readonly tags: ReadonlyArray<{
    readonly tag: string;
    readonly name: string;
    readonly text: string;
  }>;
}

const TAG =
  /(?:^|(?<=\s))@(throws|param|returns|example|typeParam|deprecated|see|default)(?![\w-])/g;

/** Takes a docstring apart. Tags begin anywhere, but not in code. */
export function parseDoc(doc: string): Doc {
  const hidden = doc.replace(/```[\s\S]*?```|`[^`]*`/g, (code) => code.replaceAll('@', '\0'));
  const cuts = [...hidden.matchAll(TAG)];
  const shown = (from: number, to: number | undefined) =>
    hidden.slice(from, to).replaceAll('\0', '@').trim();
  const tags: Array<{ tag: string; name: string; text: string }> = [];
  for (const [i, cut] of cuts.entries()) {
    const [all, tag = ''] = cut;
    // An example is code, in which anything may stand: up to a tag at the beginning of a line.
    const text = shown(cut.index + all.length, cuts[i + 1]?.index);
    const [, error, parameter, rest = text] =
      tag === 'throws'
        ? (/^\{([^}]+)\}()\s*([\s\S]*)$/.exec(text) ?? [])
        : tag === 'param' || tag === 'typeParam'
          ? (/^()(\[?[\w$.]+\]?)\s*(?:[-–] )?([\s\S]*)$/.exec(text) ?? [])
          : [];
    tags.push({ tag, name: error || parameter || '', text: rest });
  }
  return { text: shown(0, cuts[0]?.index), tags };
}

/** The first sentence, in a line. */
export function brief(doc: string): string {
  const [first = ''] = parseDoc(doc).text.split(/(?<=[.!?])\s+(?=[A-Z`'@"({[])|\n\s*\n/);
  return first.replace(/\s*\n\s*/g, ' ');
}

/** Names in braces and code become links; what Markdown or HTML would take for its own is escaped. */
export function inline(text: string, link: Link): string {
  const pieces = text.split(
    /(```[\s\S]*?```|`[^`]*`|\{@link [^}]+\}|\{[A-Z]\w*\}|https?:\/\/[^\s)>]+)/,
  );
  return pieces
    .map((piece, index) => {
      if (index % 2 === 0) {
        return piece
          .replaceAll('<', '&lt;')
          .replace(/(?<!^|\n\s*)\*|\*(?! )/g, '\\*')
          .replace(/(?<=^|\s)_|_(?=\s|$)/g, '\\_');
      }
      if (piece.startsWith('```') || piece.startsWith('http')) return piece;
      const linked = /^\{@link\s+([^\s|}]+)(?:\s*\|\s*|\s+)?([^}]*)\}$/.exec(piece);
      if (linked !== null) {
        const [, name = '', shown] = linked;
        return linkTo(`\`${shown?.trim() || name}\``, link(name));
      }
      const code = piece.slice(1, -1);
      // Only what cannot be mistaken for a parameter or a word of the language.
      const name = /^(?:[A-Z][\w$]*(?:\.[\w$]+)?|[\w$]+(?=\(\)$))/.exec(code)?.[0];
      const whole = name === code || `${name}()` === code;
      return linkTo(`\`${code}\``, name !== undefined && whole ? link(name) : undefined);
    })
    .join('');
}

function linkTo(shown: string, target: string | undefined): string {
  return target === undefined ? shown : `[${shown}](${target})`;
}

/** Docstrings as Markdown: the text, then parameters, what is returned and thrown, and examples as code. */
export function prose(docs: readonly string[], link: Link): string {
  return docs.map((doc) => one(parseDoc(doc), link)).join('\n\n');
}

function one({ text, tags }: Doc, link: Link): string {
  const of = (wanted: string) => tags.filter(({ tag }) => tag === wanted);
  const flat = (t: string) => inline(t.replace(/\s*\n\s*/g, ' '), link);
  const list = (title: string, items: readonly string[]) =>
    items.length === 0 ? [] : [`${title}\n\n${items.map((item) => `* ${item}`).join('\n')}`];
  return [
    ...(text === '' ? [] : [inline(text, link)]),
    ...of('deprecated').map((tag) => `**Deprecated.** ${flat(tag.text)}`),
    ...list(
      'Parameters:',
      [...of('typeParam'), ...of('param')].map(
        (tag) => `\`${tag.name}\`${tag.text === '' ? '' : `: ${flat(tag.text)}`}`,
      ),
    ),
    ...of('returns').map((tag) => `Returns ${flat(tag.text)}`),
    ...list(
      'Throws:',
      of('throws').map((tag) =>
        [tag.name === '' ? '' : inline(`\`${tag.name}\``, link), flat(tag.text)]
          .filter(Boolean)
          .join(' '),
      ),
    ),
    ...of('see').map((tag) => `See ${flat(tag.text)}`),
    ...of('example').map((tag) => `Example:\n\n${fenced(tag.text)}`),
  ].join('\n\n');
}

/** Code between fences, unless it has some. */
export function fenced(code: string): string {
  return code.includes('```') ? code : `\`\`\`ts\n${code}\n\`\`\``;
}

/** Markdown for a cell of a table: on one line, with no bar in it. */
export function cell(markdown: string): string {
  return markdown
    .replace(/```\w*\n([\s\S]*?)\n?```/g, (_, code: string) =>
      code
        .split('\n')
        .map((line) => `\`${line}\``)
        .join('\n\n'),
    )
    .trim()
    .replace(/\n\s*\n\s*|\n(?=\* )/g, '<br>')
    .replace(/\s*\n\s*/g, ' ')
    .replaceAll('<br>* ', '<br>• ')
    .replace(/\\?\|/g, '\\|');
}

const SPECIAL = /[&<>|`*_[\]\\~$]/g;

/** Code in a line or a cell, whose types are links. */
export function code(text: string, link: Link): string {
  const line = text
    .replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '')
    .replace(/\s+/g, ' ')
    .trim();
  const plain = (t: string) => t.replace(SPECIAL, (c) => `&#${c.charCodeAt(0)};`);
  const pieces = line.split(/('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?<![.\w$])[A-Z][\w$]*)/);
  const linked = pieces.map((piece, index) => {
    const target = index % 2 === 1 && /^[A-Z]/.test(piece) ? link(piece) : undefined;
    return target === undefined ? plain(piece) : `[${plain(piece)}](${target})`;
  });
  return `<code>${linked.join('')}</code>`;
}

/** The types that a text of code names and that have pages, as links. */
export function typesIn(text: string, link: Link): string[] {
  const plain = text.replace(/\/\*[\s\S]*?\*\/|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/g, '');
  const names = new Set([...plain.matchAll(/(?<![.\w$])[A-Z][\w$]*/g)].map(([name]) => name));
  return [...names].flatMap((name) => {
    const target = link(name);
    return target === undefined ? [] : [`[${name}](${target})`];
  });
}

/** What is taken where an option is left out, and the docstring without the sentence that says nothing else. */
export function defaultIn(doc: string): { readonly value: string; readonly rest: string } {
  const found = /(?:(?<=^|[.;,(]\s?|\n)\s*)(?:by default|default(?::|(?=\s)))\s+/i.exec(doc);
  if (found === null) return { value: '', rest: doc };
  const from = found.index + found[0].length;
  const behind = doc.slice(from);
  const quoted = /^(?:`[^`]*`|'(?:[^'\\]|\\.)*'|"[^"]*")/.exec(behind)?.[0];
  const words = quoted ?? /^[\s\S]*?(?=[.,;:](?:\s|$)|\s?[()]|$)/.exec(behind)?.[0] ?? '';
  const value = words.replace(/\s+/g, ' ').trim();
  const before = doc.slice(0, found.index);
  const after = behind.slice(words.length);
  const alone = /^(?:$|[\s\S]*[.\n])\s*$/.test(before) && /^\.(?:\s|$)|^$/.test(after);
  const rest = alone ? `${before.trimEnd()} ${after.replace(/^\./, '').trim()}`.trim() : doc;
  return { value, rest };
}
