import { inspect } from 'node:util';
import { debugging, dropTrace, noteCreation, traceOf } from './debugging.ts';

/** A class to match an error against, or the name of one. */
export type ErrorType = (abstract new (...args: never[]) => unknown) | string;

/** How {@link Failure.getTraceback} writes. */
export interface TracebackOptions {
  /** `brief`: a line per error; `default`: with stacks; `verbose`: with stacks and the errors' own properties. */
  detail?: 'brief' | 'default' | 'verbose';
  /** Leave out the stack frames of this framework and of Node itself. */
  elideFrameworkCode?: boolean;
}

/**
 * An error on its way through a callback chain: what was thrown, and how to look at it. Cheap to make (one object, no
 * stack of its own unless `setDebugging(true)`), so that the error path costs what the other path does.
 *
 * Twisted: `twisted.python.failure.Failure`.
 *
 * @example
 * d.addErrback((failure) => {
 *   failure.trap(ConnectionLost); // anything else goes on to the next errback
 *   return reconnect();
 * });
 */
export class Failure {
  /** What was thrown, as it was thrown: the same object, whether Error or not. */
  readonly value: unknown;

  /** @param error anything; a Failure is copied. */
  constructor(error: unknown) {
    this.value = error instanceof Failure ? error.value : error;
    if (debugging) noteCreation(this, Failure as never); // captureStackTrace takes any function; a class is one
  }

  /** `error` itself if it is a Failure, else a Failure of it. */
  static of(error: unknown): Failure {
    return error instanceof Failure ? error : new Failure(error);
  }

  /** The class of what was thrown; undefined for what is no object. */
  get type(): (abstract new (...args: never[]) => unknown) | undefined {
    const { value } = this;
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null)
      return undefined;
    const made: unknown = value.constructor;
    // Whatever has instances is newable as far as a reader of `type` cares.
    return typeof made === 'function' ? (made as abstract new () => unknown) : undefined;
  }

  /**
   * The first of `types` that what was thrown is an instance of, or null. A string matches the name of its class, of a class
   * above it, or its own `name` (`'AbortError'`).
   */
  check<E extends readonly ErrorType[]>(...types: E): E[number] | null {
    const found = types.find((type: ErrorType) =>
      typeof type === 'string' ? this.#isNamed(type) : this.value instanceof type,
    );
    return found ?? null;
  }

  /**
   * As {@link check}, for the first line of an errback: passes on what it does not expect.
   * @throws the original error, if no type matches.
   */
  trap<E extends readonly ErrorType[]>(...types: E): E[number] {
    const matched = this.check(...types);
    if (matched === null) throw this.value;
    return matched;
  }

  /** @throws the original error. */
  raiseException(): never {
    throw this.value;
  }

  /** Throws the original error inside `generator`, at the `yield` where it stands, and returns what it yields next. */
  throwExceptionIntoGenerator<Y, R>(generator: Generator<Y, R, never>): IteratorResult<Y, R> {
    return generator.throw(this.value);
  }

  /** The error's message; a thrown string is its own message. */
  getErrorMessage(): string {
    return messageOf(this.value);
  }

  /** The error, its stack, and the chain of its causes, as text that ends in a line break. Twisted: `getTraceback`. */
  getTraceback(options: TracebackOptions = {}): string {
    const madeAt = traceOf(this)?.createdAt;
    const made =
      madeAt === undefined || options.detail === 'brief' ? '' : `  Became a Failure:\n${madeAt}\n`;
    return `${describe(this.value, options, new Set())}\n${made}`;
  }

  /** {@link getTraceback} in one line per error. */
  getBriefTraceback(): string {
    return this.getTraceback({ detail: 'brief' });
  }

  /** Writes the traceback to `out`, by default to standard error. */
  printTraceback(
    out: { write(text: string): unknown } = process.stderr,
    options: TracebackOptions = {},
  ): void {
    out.write(this.getTraceback(options));
  }

  /**
   * Makes the failure fit to be kept: what V8 holds of the frames (and, through them, of the functions and objects on the
   * stack) is turned into text and let go.
   */
  cleanFailure(): void {
    if (this.value instanceof Error) void this.value.stack; // formatted on first reading
    dropTrace(this);
  }

  toString(): string {
    return `[Failure instance: ${summary(this.value)}]`;
  }

  [inspect.custom](): string {
    return this.toString();
  }

  #isNamed(name: string): boolean {
    const { value } = this;
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
    if (value instanceof Error && value.name === name) return true;
    for (let proto: unknown = Object.getPrototypeOf(value); proto !== null; ) {
      const made: unknown = Object.getOwnPropertyDescriptor(proto, 'constructor')?.value;
      if (typeof made === 'function' && made.name === name) return true;
      proto = Object.getPrototypeOf(proto);
    }
    return false;
  }
}

function messageOf(value: unknown): string {
  if (value instanceof Error) return value.message;
  return typeof value === 'string' ? value : inspect(value);
}

/** `TypeError: message`, in one line. */
function summary(value: unknown): string {
  if (!(value instanceof Error)) return inspect(value);
  return value.message === '' ? value.name : `${value.name}: ${value.message}`;
}

function describe(value: unknown, options: TracebackOptions, seen: Set<unknown>): string {
  if (seen.has(value)) return `${summary(value)} (seen above)`;
  if (!(value instanceof Error)) return `Thrown value, not an Error: ${inspect(value)}`;
  seen.add(value);
  const parts = [options.detail === 'brief' ? summary(value) : withStack(value, options)];
  if (options.detail === 'verbose') {
    const own = Object.entries(value).filter(([key]) => !['cause', 'errors'].includes(key));
    for (const [key, property] of own) parts.push(`  ${key}: ${inspect(property, { depth: 1 })}`);
  }
  for (const part of partsOf(value)) parts.push(`  Part of it: ${describe(part, options, seen)}`);
  if (value.cause !== undefined) parts.push(`Caused by: ${describe(value.cause, options, seen)}`);
  return parts.join('\n');
}

/** What an AggregateError, or a FailureGroup, is made of. */
function partsOf(error: Error): readonly unknown[] {
  const parts: unknown = 'errors' in error ? error.errors : undefined;
  return Array.isArray(parts) ? parts : [];
}

// This file lies in <framework>/deferred/: whatever is below <framework>/ is the framework's.
const framework = new URL('..', import.meta.url);

function withStack(error: Error, { elideFrameworkCode = false }: TracebackOptions): string {
  const stack = typeof error.stack === 'string' ? error.stack : summary(error);
  // The heading of a stack is the message at construction; an error renamed or reworded since then says so here.
  const text = stack.includes(error.message) ? stack : `${summary(error)}\n${stack}`;
  if (!elideFrameworkCode) return text;
  const ours = [framework.href, decodeURIComponent(framework.pathname), '(node:', 'at node:'];
  return text
    .split('\n')
    .filter((line) => !(/^\s+at /.test(line) && ours.some((place) => line.includes(place))))
    .join('\n');
}
