/**
 * How values and errors get from one thread to another. The structured clone algorithm does the work; here is what it loses: Buffers, which it turns into
 * Uint8Arrays, the bytes around a small view, which it copies as well, and of an error its class, its code and all else that is its own.
 */
import { inspect } from 'node:util';
import type { Transferable } from 'node:worker_threads';

// ----------------------------------------------------------------------------------------------- values

/** Values on their way. Those at the indices `buffers` are Buffers on both sides. */
export interface Packed {
  readonly values: unknown[];
  readonly buffers: readonly number[];
}

const transfers = new WeakMap<object, readonly Transferable[]>();

/**
 * Marks an argument of `deferToThread`, or the result of work in a thread, to be handed over instead of copied: it costs nothing however long it is, and is
 * gone on this side afterwards. Returns `value`.
 * @param list what is handed over: ArrayBuffers, MessagePorts and their like in `value`. By default `value` itself, or the memory under it if it is a Buffer or
 *   another view; a Buffer that shares its memory with others (`Buffer.from('short')`) cannot go
 *
 * @example
 * ```ts
 * deferToThread(new URL('./images.ts', import.meta.url), 'shrink', transfer(pixels));
 * ```
 */
export function transfer<T extends object>(value: T, list?: readonly Transferable[]): T {
  const own = ArrayBuffer.isView(value) ? value.buffer : value;
  // Whether it can be transferred at all is for the algorithm to say, when it comes to that.
  transfers.set(value, list ?? [own as Transferable]);
  return value;
}

/** @returns what to send, and what of it to hand over instead of copying */
export function pack(values: readonly unknown[]): { packed: Packed; list: Transferable[] } {
  const buffers: number[] = [];
  const list: Transferable[] = [];
  const packed = values.map((value, index) => {
    if (typeof value !== 'object' || value === null) return value;
    const isBuffer = Buffer.isBuffer(value);
    if (isBuffer) buffers.push(index);
    const marked = transfers.get(value);
    if (marked !== undefined) list.push(...marked);
    else if (isBuffer) {
      // A view is cloned with all the memory beneath it, be it 64 KiB under ten bytes. One copy of just the bytes, handed over, is cheaper.
      const copy = new Uint8Array(value);
      list.push(copy.buffer);
      return copy;
    }
    return value;
  });
  return { packed: { values: packed, buffers }, list };
}

export function unpack({ values, buffers }: Packed): unknown[] {
  for (const index of buffers) {
    const bytes = values[index];
    if (!(bytes instanceof Uint8Array)) continue;
    values[index] = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  return values;
}

// ----------------------------------------------------------------------------------------------- errors

/** Something that was thrown, on its way. */
export type Thrown =
  | { readonly kind: 'value'; readonly value: unknown }
  | {
      readonly kind: 'error';
      /** The name of its class. */
      readonly type: string;
      /** The built-in class that it is or stems from. */
      readonly base: string;
      readonly name: string;
      readonly message: string;
      readonly stack: string | undefined;
      readonly properties: Readonly<Record<string, unknown>>;
      readonly cause?: Thrown;
      readonly errors?: readonly Thrown[];
    };

type ErrorClass = new (message?: string) => Error;

const BUILT_IN: ReadonlyMap<string, ErrorClass> = new Map<string, ErrorClass>([
  ['Error', Error],
  ['EvalError', EvalError],
  ['RangeError', RangeError],
  ['ReferenceError', ReferenceError],
  ['SyntaxError', SyntaxError],
  ['TypeError', TypeError],
  ['URIError', URIError],
]);

/** How far causes are followed, so that a circle of them ends. */
const MAX_CAUSES = 16;

/** What `packThrown` treats apart from an error's other properties. */
const KNOWN: ReadonlySet<string> = new Set(['name', 'message', 'stack', 'cause', 'errors']);

/** Never throws, and what it returns can be cloned. */
export function packThrown(thrown: unknown, depth = 0): Thrown {
  try {
    return thrown instanceof Error && depth < MAX_CAUSES
      ? packError(thrown, depth)
      : { kind: 'value', value: clonable(thrown) ? thrown : inspect(thrown) };
  } catch {
    return { kind: 'value', value: 'An error that cannot be shown' }; // a getter of it throws
  }
}

function packError(error: Error, depth: number): Thrown {
  const properties: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(error)) {
    if (!KNOWN.has(key) && clonable(value)) properties[key] = value;
  }
  // A code that comes from the class rather than the object.
  const code: unknown = 'code' in error ? error.code : undefined;
  if (typeof code === 'string' || typeof code === 'number') properties['code'] = code;
  const parts: unknown = 'errors' in error ? error.errors : undefined;
  return {
    kind: 'error',
    type: classesOf(error)[0] ?? 'Error',
    base: classesOf(error).find((name) => BUILT_IN.has(name)) ?? 'Error',
    name: String(error.name),
    message: String(error.message),
    stack: typeof error.stack === 'string' ? error.stack : undefined,
    properties,
    ...(error.cause === undefined ? {} : { cause: packThrown(error.cause, depth + 1) }),
    ...(Array.isArray(parts) ? { errors: parts.map((part) => packThrown(part, depth + 1)) } : {}),
  };
}

/** The names of an object's classes, its own first. */
function classesOf(value: object): string[] {
  const names: string[] = [];
  for (let proto: unknown = Object.getPrototypeOf(value); proto !== null; ) {
    const made: unknown = Object.getOwnPropertyDescriptor(proto, 'constructor')?.value;
    if (typeof made === 'function' && made.name !== '') names.push(made.name);
    proto = Object.getPrototypeOf(proto);
  }
  return names;
}

function clonable(value: unknown): boolean {
  if (
    value === null ||
    ['string', 'number', 'boolean', 'undefined', 'bigint'].includes(typeof value)
  )
    return true;
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

/** What was thrown over there, as good as it gets: an error has its class's name, message, stack, code and own properties, and is an instance of its built-in base. */
export function unpackThrown(thrown: Thrown): unknown {
  if (thrown.kind === 'value') return thrown.value;
  const error = new (standIn(thrown.type, thrown.base))(thrown.message);
  const hidden = (key: string, value: unknown): void => {
    Object.defineProperty(error, key, { value, writable: true, configurable: true });
  };
  hidden('stack', thrown.stack ?? `${thrown.name}: ${thrown.message}`);
  if (thrown.name !== error.name) hidden('name', thrown.name);
  if (thrown.cause !== undefined) hidden('cause', unpackThrown(thrown.cause));
  if (thrown.errors !== undefined) hidden('errors', thrown.errors.map(unpackThrown));
  return Object.assign(error, thrown.properties);
}

const standIns = new Map<string, ErrorClass>();

/** A class of that name: the built-in one, or one that stands for a class which only the other thread knows. */
function standIn(type: string, base: string): ErrorClass {
  const known = BUILT_IN.get(type);
  if (known !== undefined) return known;
  const key = `${type} ${base}`;
  let made = standIns.get(key);
  if (made === undefined) {
    made = class extends (BUILT_IN.get(base) ?? Error) {};
    Object.defineProperty(made, 'name', { value: type });
    standIns.set(key, made);
  }
  return made;
}
