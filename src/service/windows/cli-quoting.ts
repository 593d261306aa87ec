/**
 * Command lines as Windows has them: one text, which each program cuts into its arguments. The rules are those of CommandLineToArgvW, and of the C runtime that node.exe is built with; what is
 * written here reads the same in both.
 */
import { UsageError } from '../errors.ts';

/** The service manager replaces these by variables of the system, and knows no way to have the characters themselves. */
const VARIABLE = /%[^%]+%/;

/**
 * The command line of a service.
 * @param words the program's absolute path, then its arguments
 * @throws {UsageError} when a word cannot be part of one: it has a zero character, or what Windows would take for a variable; or the program's path has a quotation mark
 */
export function serviceCommandLine([program = '', ...args]: readonly string[]): string {
  for (const word of [program, ...args]) {
    const why = word.includes('\0')
      ? 'it has a zero character'
      : VARIABLE.test(word)
        ? 'Windows would replace what is between its percent signs'
        : '';
    if (why !== '') {
      throw new UsageError(
        `Cannot put ${JSON.stringify(word)} on the command line of a service: ${why}`,
      );
    }
  }
  if (program === '' || program.includes('"')) {
    throw new UsageError(`Cannot run ${JSON.stringify(program)} as a service: it names no program`);
  }
  // Always quoted: without, Windows tries "C:\Program" before "C:\Program Files\...", which somebody may put there.
  return [`"${program}"`, ...args.map(quoteArgument)].join(' ');
}

/** One argument (not the program) as it has to be written on a command line. */
export function quoteArgument(argument: string): string {
  if (argument !== '' && !/[\s"]/.test(argument)) return argument;
  // Backslashes count double before a quotation mark, and only there.
  const escaped = argument.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, '$1$1');
  return `"${escaped}"`;
}

/** Cuts a command line into the program and its arguments. Never throws: whatever it is, Windows makes something of it. */
export function splitCommandLine(line: string): string[] {
  // The program is not unescaped: it ends at the next quotation mark, or at the next blank.
  const [whole = '', quoted, bare = ''] = /^(?:"([^"]*)"?|([^ \t]*))/.exec(line) ?? [];
  const words = [quoted ?? bare];
  let word: string | null = null;
  let inQuotes = false;
  for (let at = whole.length; at < line.length; at++) {
    const character = line[at] ?? '';
    if (character === '\\') {
      let count = 1;
      while (line[at + count] === '\\') count += 1;
      const quote = line[at + count] === '"';
      word = (word ?? '') + '\\'.repeat(quote ? Math.floor(count / 2) : count);
      at += count - 1;
      if (quote && count % 2 === 1) {
        word += '"';
        at += 1;
      }
    } else if (character === '"') {
      word ??= '';
      if (inQuotes && line[at + 1] === '"') {
        word += '"';
        at += 1;
      } else inQuotes = !inQuotes;
    } else if (!inQuotes && (character === ' ' || character === '\t')) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + character;
  }
  if (word !== null) words.push(word);
  return words;
}
