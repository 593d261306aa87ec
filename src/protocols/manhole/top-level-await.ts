/** Makes code with `await` outside of functions something that a script may have, and lets what it declares outlive it. Pure. */
import type { Statement } from './scan.ts';
import { scan } from './scan.ts';

/** Words that begin a statement which has no value. */
const NO_VALUE = new Set(
  'if for while do switch try throw return break continue function async class const let var debugger else case with { }'.split(
    ' ',
  ),
);

const FUNCTION = /^(?:async\s+)?function\s*\*?\s*([\p{ID_Start}$_][\p{ID_Continue}$]*)/u;
const CLASS = /^class\s+(?!extends\b)([\p{ID_Start}$_][\p{ID_Continue}$]*)/u;
const NAME_ONLY = /^\s*[\p{ID_Start}$_][\p{ID_Continue}$]*\s*$/u;

/** An expression as an async function's result. */
export function asExpression(code: string): string {
  return `(async () => (\n${code.trimEnd().replace(/;$/, '')}\n))()`;
}

/**
 * Statements in an async function, whose result is that of the last one. What is declared outside of brackets becomes a variable of the context instead: `const x = await f()` sets `x`.
 */
export function asStatements(code: string): string {
  const { statements } = scan(code);
  const parts = statements.map((statement, i) => {
    const next = statements[i + 1];
    const text = code.slice(statement.start, statement.end);
    const asItIs = code.slice(statement.start, next?.start ?? code.length);
    return rewritten(statement, text) ?? (next === undefined ? last(statement, text) : asItIs);
  });
  return `(async () => {\n${parts.join('\n')}\n})()`;
}

/** A declaration as an assignment; undefined for anything else. */
function rewritten({ word }: Statement, text: string): string | undefined {
  if (word === 'const' || word === 'let' || word === 'var') {
    const names = text.slice(word.length);
    return NAME_ONLY.test(names) ? `${names} = undefined;` : `(${names}\n);`;
  }
  const name = (FUNCTION.exec(text) ?? CLASS.exec(text))?.[1];
  return name === undefined ? undefined : `${name} = ${text};`;
}

function last({ word }: Statement, text: string): string {
  return NO_VALUE.has(word) ? text : `return (${text}\n);`;
}
