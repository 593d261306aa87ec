/** As much of SQL's text as has to be understood: where parameters are, and where a statement ends. Pure. */

/** The parameters of a statement. */
export interface ParameterCount {
  /** How many values a list has to give for `?` and `?n`. */
  readonly positions: number;
  /** The names of the others, with their prefix, each once. */
  readonly names: readonly string[];
}

/** Strings, quoted names and comments, in which nothing is a parameter; then what is one. */
const TOKENS =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|\?(\d*)|([:@$][A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*(?:::\w+)*)|[\w$\u0080-\uffff]+/g;

export function countParameters(sql: string): ParameterCount {
  let positions = 0;
  const names = new Set<string>();
  for (const [, number, name] of sql.matchAll(TOKENS)) {
    if (name !== undefined) names.add(name);
    else if (number === '') positions += 1;
    else if (number !== undefined) positions = Math.max(positions, Number(number));
  }
  return { positions, names: [...names] };
}

/** What comes after the first statement, without blanks, comments and semicolons: empty when it is the only one. */
export function splitTail(sql: string, first: string): string {
  return sql
    .slice(sql.indexOf(first) + first.length)
    .replace(/--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g, '')
    .replace(/[\s;]+/g, '');
}
