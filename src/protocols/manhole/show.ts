/** How values, errors and what is said by `console` look in a session. Pure. */
import { formatWithOptions, inspect } from 'node:util';
import type { SessionConsole } from './interpreter.ts';

/** How it may look. */
export interface Look {
  readonly colors: boolean;
  readonly columns: number;
}

/** Most characters of one thing that is shown. */
const MAX_SHOWN = 100_000;

function options({ colors, columns }: Look): Parameters<typeof inspect>[1] {
  return {
    ...{ colors, breakLength: Math.max(40, columns), maxArrayLength: 100, maxStringLength: 10_000 },
    numericSeparator: false,
  };
}

function short(text: string): string {
  if (text.length <= MAX_SHOWN) return text;
  return `${text.slice(0, MAX_SHOWN)}... (${text.length - MAX_SHOWN} more characters)`;
}

/** A value, as one would write it. */
export function showValue(value: unknown, look: Look): string {
  try {
    return short(inspect(value, options(look)));
  } catch (error) {
    // Objects may say how they look, and fail.
    return `[a value that cannot be shown: ${error instanceof Error ? error.message : 'no reason'}]`;
  }
}

/** An error with its stack, up to where the session begins. */
export function showError(error: unknown, look: Look): string {
  const text = showValue(error, look);
  const lines = text.split('\n');
  const end = lines.findIndex((line) =>
    /^\s+at (?:Script\.run|new Script|.*[\\/]manhole[\\/]\w+\.[jt]s)/.test(line),
  );
  // What follows the stack, such as a cause, begins where no line says "at".
  const after = end < 0 ? -1 : lines.findIndex((line, i) => i > end && !/^\s+at /.test(line));
  const kept = end < 0 ? lines : [...lines.slice(0, end), ...(after < 0 ? [] : lines.slice(after))];
  return `Uncaught ${kept.join('\n')}`;
}

// Controls but for tab and line end.
const CONTROL = /[^\P{Cc}\t\n]/gu;

/** Text without what a terminal would take for commands, which may come from anywhere. */
export function harmless(text: string): string {
  return text.replace(CONTROL, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? `^${String.fromCharCode(code + 64)}` : `\\x${code.toString(16)}`;
  });
}

/** A `console` that says what it is told to `say`. */
export function sessionConsole(say: (text: string) => void, look: () => Look): SessionConsole {
  const format = (...args: unknown[]): void => {
    let text: string;
    try {
      // Colours would not survive what follows.
      text = formatWithOptions({ colors: false, breakLength: look().columns }, ...args);
    } catch (error) {
      text = `[cannot be shown: ${error instanceof Error ? error.message : 'no reason'}]`;
    }
    say(harmless(short(text)));
  };
  return {
    ...{ log: format, info: format, debug: format, warn: format, error: format },
    dir: (value) => say(showValue(value, look())),
    table: (value) => say(showValue(value, look())),
    trace: (...args) =>
      format('Trace:', ...args, new Error().stack?.split('\n').slice(2).join('\n')),
    assert: (condition, ...args) => {
      if (!condition) format('Assertion failed', ...args);
    },
  };
}
