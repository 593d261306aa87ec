/**
 * The text form of an endpoint: `prefix:positional:positional:key=value`. A backslash takes the next character as it is, which `:`, `\` and, before the first `=` of
 * an argument, `=` need. Parsing is pure: text in, arguments out.
 */
import { ReactorError } from '../errors.ts';

/** An endpoint's description cannot be understood (Twisted raises ValueError). */
export class EndpointSyntaxError extends ReactorError {
  readonly code = 'ERR_ENDPOINT_SYNTAX';
  /** What was to be understood. */
  readonly description: string;
  /** Where it went wrong: an index into `description`. */
  readonly position: number;
  /** What went wrong, without the where. */
  readonly detail: string;

  constructor(description: string, position: number, detail: string) {
    super(
      `Cannot understand endpoint '${description}' at character ${position + 1}` +
        ` (${position < description.length ? `before '${description.slice(position)}'` : 'at its end'}): ${detail}`,
    );
    this.description = description;
    this.position = position;
    this.detail = detail;
  }
}

/** Text with the characters that mean something in a description escaped (Twisted: `quoteStringArgument`). */
export function quoteStringArgument(argument: string): string {
  return argument.replace(/[\\:=]/g, '\\$&');
}

/** One piece between colons. */
interface Piece {
  /** What stands before the `=`; undefined for a positional argument. */
  readonly name: string | undefined;
  readonly value: string;
  readonly position: number;
  readonly valuePosition: number;
}

/** Splits at the colons. Costs one pass. */
function split(description: string): Piece[] {
  const pieces: Piece[] = [];
  let name: string | undefined;
  let current = '';
  let position = 0;
  let valuePosition = 0;
  for (let i = 0; i < description.length; i++) {
    const character = description[i];
    if (character === '\\') {
      i += 1;
      const escaped = description[i];
      if (escaped === undefined) {
        throw new EndpointSyntaxError(description, i - 1, 'nothing follows the backslash');
      }
      current += escaped;
    } else if (character === '=' && name === undefined) {
      name = current;
      current = '';
      valuePosition = i + 1;
    } else if (character === ':') {
      pieces.push({ name, value: current, position, valuePosition });
      name = undefined;
      current = '';
      position = i + 1;
      valuePosition = i + 1;
    } else {
      current += character;
    }
  }
  pieces.push({ name, value: current, position, valuePosition });
  return pieces;
}

/** How an argument is read: its text to a value, or a message that says what was expected. */
export interface ArgumentReader<T> {
  /** The value, or what was expected in its place. */
  read(text: string): { readonly value: T } | { readonly expected: string };
  /** What it is when it is left out; without this it must be there. */
  readonly otherwise?: { readonly value: T };
}

/** Arguments by name, in the order in which they may stand without one. */
export type ArgumentReaders = Readonly<Record<string, ArgumentReader<unknown>>>;

/** The values that readers give. */
export type ArgumentValues<R extends ArgumentReaders> = {
  readonly [K in keyof R]: R[K] extends ArgumentReader<infer T> ? T : never;
};

/** A description that has been split, for a parser to read. */
export class EndpointDescription {
  /** All of it. */
  readonly text: string;
  /** What stands before the first colon. */
  readonly prefix: string;
  readonly #pieces: readonly Piece[];

  /** @throws {EndpointSyntaxError} */
  constructor(text: string) {
    if (typeof text !== 'string') {
      throw new TypeError(`Cannot understand endpoint ${String(text)}: expected a string`);
    }
    this.text = text;
    const [first, ...pieces] = split(text);
    this.prefix = first?.name === undefined ? (first?.value ?? '') : '';
    this.#pieces = pieces;
  }

  /** What stands after the first colon, as it was written: for prefixes that wrap another description. */
  get rest(): string {
    return this.text.slice(this.#pieces[0]?.position ?? this.text.length);
  }

  /**
   * What `read` makes of `rest`; where it cannot be understood, the error shows the place in all of the text.
   * @throws {EndpointSyntaxError}
   */
  readRest<T>(read: (rest: string) => T): T {
    const { rest, text } = this;
    try {
      return read(rest);
    } catch (error) {
      if (!(error instanceof EndpointSyntaxError) || error.description !== rest) throw error;
      throw new EndpointSyntaxError(text, text.length - rest.length + error.position, error.detail);
    }
  }

  /** For a parser that cannot make an endpoint of it here, whatever the arguments. @throws {EndpointSyntaxError} */
  refuse(why: string): never {
    this.#refuse(0, `prefix '${this.prefix}' cannot be served here: ${why}`);
  }

  /**
   * Reads all arguments.
   * @throws {EndpointSyntaxError} for one that is unknown, missing, given twice or not what its reader expects, and for one without a name after one with a name
   */
  read<R extends ArgumentReaders>(readers: R): ArgumentValues<R> {
    const names = Object.keys(readers);
    const known = names.length === 0 ? 'no arguments' : names.join(', ');
    const found = new Map<string, Piece>();
    let named = false;
    this.#pieces.forEach((piece, index) => {
      named ||= piece.name !== undefined;
      if (named && piece.name === undefined) {
        this.#refuse(
          piece.position,
          'an argument without a name cannot follow one that has a name',
        );
      }
      const name = piece.name ?? names[index];
      if (name === undefined) {
        this.#refuse(piece.position, `too many arguments: ${this.prefix} takes ${known}`);
      }
      if (!Object.hasOwn(readers, name)) {
        this.#refuse(piece.position, `unknown argument '${name}': ${this.prefix} takes ${known}`);
      }
      if (found.has(name)) this.#refuse(piece.position, `argument '${name}' is given twice`);
      found.set(name, piece);
    });
    const values: Record<string, unknown> = {};
    for (const [name, reader] of Object.entries(readers)) {
      values[name] = this.#value(name, found.get(name), reader);
    }
    // One value for each reader, made by that reader, in the loop above.
    return values as ArgumentValues<R>;
  }

  #value(name: string, piece: Piece | undefined, reader: ArgumentReader<unknown>): unknown {
    if (piece === undefined) {
      if (reader.otherwise !== undefined) return reader.otherwise.value;
      return this.#refuse(this.text.length, `argument '${name}' is missing`);
    }
    const result = reader.read(piece.value);
    if ('value' in result) return result.value;
    return this.#refuse(
      piece.valuePosition,
      `argument '${name}' is '${piece.value}': expected ${result.expected}`,
    );
  }

  #refuse(position: number, message: string): never {
    throw new EndpointSyntaxError(this.text, position, message);
  }
}

/** How the usual kinds of arguments are read. */
export const endpointArgument = {
  /** Text that is not empty. */
  text(): ArgumentReader<string> {
    return { read: (value) => (value === '' ? { expected: 'some text' } : { value }) };
  },

  wholeNumber(min: number, max: number): ArgumentReader<number> {
    return {
      read(value) {
        const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
        if (number >= min && number <= max) return { value: number };
        return { expected: `a whole number from ${min} to ${max}` };
      },
    };
  },

  /** A span of time in seconds, fractions allowed. */
  seconds(): ArgumentReader<number> {
    return {
      read(value) {
        const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
        return Number.isFinite(number) ? { value: number } : { expected: 'seconds' };
      },
    };
  },

  /** Text that passes `test`; `expected` says in words what that is. */
  matching(test: (value: string) => boolean, expected: string): ArgumentReader<string> {
    return { read: (value) => (test(value) ? { value } : { expected }) };
  },

  /** As `reader`, but may be left out, and is `otherwise` then. */
  optional<T, U>(reader: ArgumentReader<T>, otherwise: U): ArgumentReader<T | U> {
    return { read: (value) => reader.read(value), otherwise: { value: otherwise } };
  },
} as const;
