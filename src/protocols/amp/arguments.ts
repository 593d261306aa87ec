/** Kinds of values: how each goes over the wire, and what it is here (Twisted: the subclasses of `Argument`). */
import type { Data } from '../../reactor/index.ts';
import { bytesOf } from '../data.ts';
import { AmpBox } from './box.ts';
import { AmpError, BadArgument, InvalidSignature } from './errors.ts';
import { parseBoxes } from './parser.ts';

/** Options of every kind of argument. */
export interface ArgumentOptions<O extends boolean = boolean> {
  /** Whether it may be left out. Default false. */
  optional?: O;
}

/**
 * A kind of value. Subclass it for one of your own, with `toBytes` and `fromBytes`; both may throw, best a {@link BadArgument}.
 *
 * `In` is what callers give, `Out` what the other side gets.
 *
 * Twisted: `Argument`; its `toString` and `fromString` are called `toBytes` and `fromBytes`, because every object in JavaScript has a `toString`.
 */
export abstract class Argument<In, Out = In, O extends boolean = boolean> {
  /** Whether it may be missing. */
  readonly optional: O;

  constructor(options: ArgumentOptions<O> = {}) {
    this.optional = (options.optional ?? false) as O; // where it is not given, O is its default: false
  }

  /** The value as it goes out. */
  abstract toBytes(value: In): Data;

  /** What came, as a value. The buffer is yours. */
  abstract fromBytes(bytes: Buffer): Out;

  /** Puts the value `name` of `objects` into a box. @throws {InvalidSignature} when it is missing, {@link BadArgument} */
  toBox(name: string, objects: Readonly<Record<string, unknown>>, box: AmpBox): void {
    const value = Object.hasOwn(objects, name) ? objects[name] : undefined;
    if (value === undefined || value === null) {
      if (this.optional) return;
      throw new InvalidSignature(`Cannot send without ${JSON.stringify(name)}: it is required`);
    }
    let bytes: Data;
    try {
      bytes = this.toBytes(value as In); // the types of the callers say so; the kinds check it where it matters
    } catch (error) {
      throw badArgument(error, `Cannot send ${JSON.stringify(name)}`);
    }
    box.set(name, bytes);
  }

  /** Takes the value `name` from a box. @throws {BadArgument} when it is missing, or is not what it should be */
  fromBox(name: string, box: ReadonlyMap<string, Buffer>, objects: Record<string, unknown>): void {
    const bytes = box.get(name);
    if (bytes === undefined) {
      if (this.optional) return;
      throw new BadArgument(`Cannot read ${JSON.stringify(name)}: it is not there`);
    }
    let value: Out;
    try {
      value = this.fromBytes(bytes);
    } catch (error) {
      throw badArgument(error, `Cannot read ${JSON.stringify(name)}`);
    }
    if (name !== '__proto__') objects[name] = value;
    else Object.defineProperty(objects, name, { value, enumerable: true });
  }
}

function badArgument(error: unknown, deed: string): BadArgument {
  const why = error instanceof Error ? error.message : String(error);
  return new BadArgument(`${deed}: ${why}`, { cause: error });
}

/** Any argument, whatever it takes and gives. That nothing is said of `optional` here has it keep its own type where arguments are listed. */
export interface AnyArgument {
  /** Puts the value of that name into a box. */
  toBox(name: string, objects: Readonly<Record<string, unknown>>, box: AmpBox): void;
  /** Takes the value of that name out of a box. */
  fromBox(name: string, box: ReadonlyMap<string, Buffer>, objects: Record<string, unknown>): void;
}

/** Arguments by name: what a command takes, or gives. The names are those on the wire. */
export type Schema = Readonly<Record<string, AnyArgument>>;

type InOf<A> = A extends Argument<infer In, unknown, boolean> ? In : never;
type OutOf<A> = A extends Argument<never, infer Out, boolean> ? Out : never;
type IsOptional<A> = A extends { readonly optional: true } ? true : false;
/** The key, unless the argument never comes out. */
type Sent<A, K> = [OutOf<A>] extends [never] ? never : K;
type Flat<T> = { [K in keyof T]: T[K] };

/** What has to be given for a schema. */
export type Input<S extends Schema> = Flat<
  { [K in keyof S as IsOptional<S[K]> extends true ? never : K]: InOf<S[K]> } & {
    [K in keyof S as IsOptional<S[K]> extends true ? K : never]?: InOf<S[K]> | null | undefined;
  }
>;

/** What comes out of a schema; what is optional and was left out is not there. */
export type Output<S extends Schema> = Flat<
  { [K in keyof S as IsOptional<S[K]> extends true ? never : Sent<S[K], K>]: OutOf<S[K]> } & {
    [K in keyof S as IsOptional<S[K]> extends true ? Sent<S[K], K> : never]?: OutOf<S[K]>;
  }
>;

/** Puts values into a box. @throws {InvalidSignature} @throws {BadArgument} @throws {TooLong} */
export function objectsToBox(objects: object, schema: Schema, box: AmpBox): AmpBox {
  for (const [name, argument] of Object.entries(schema)) {
    argument.toBox(name, objects as Readonly<Record<string, unknown>>, box); // any object can be asked for any name
  }
  return box;
}

/** Takes values from a box; further keys are ignored. @throws {BadArgument} */
export function boxToObjects(box: ReadonlyMap<string, Buffer>, schema: Schema): object {
  const objects: Record<string, unknown> = {};
  for (const [name, argument] of Object.entries(schema)) argument.fromBox(name, box, objects);
  return objects;
}

// ------------------------------------------------------------------------------------- simple kinds

const WHOLE = /^[+-]?\d+$/;

function ascii(bytes: Buffer): string {
  return bytes.toString('latin1');
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}

/** A whole number that JavaScript can hold exactly; see {@link BigInteger} for others. On the wire: decimal digits. Twisted: `Integer`. */
export class Integer<const O extends boolean = false> extends Argument<number | bigint, number, O> {
  override toBytes(value: number | bigint): string {
    if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) {
      throw new BadArgument(`${String(value)} is not a whole number that can be sent exactly`);
    }
    return String(value);
  }

  override fromBytes(bytes: Buffer): number {
    const text = ascii(bytes);
    const value = WHOLE.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value)) {
      throw new BadArgument(`${quote(text)} is not a whole number of at most 2**53 - 1`);
    }
    return value === 0 ? 0 : value; // no -0
  }
}

/** A whole number of any size. On the wire it is the same as {@link Integer}. */
export class BigInteger<const O extends boolean = false> extends Argument<
  number | bigint,
  bigint,
  O
> {
  override toBytes(value: number | bigint): string {
    if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) {
      throw new BadArgument(`${String(value)} is not a whole number that can be sent exactly`);
    }
    return String(value);
  }

  override fromBytes(bytes: Buffer): bigint {
    const text = ascii(bytes);
    if (!WHOLE.test(text)) throw new BadArgument(`${quote(text)} is not a whole number`);
    return BigInt(text.startsWith('+') ? text.slice(1) : text);
  }
}

/** Bytes, as they are. Text that is given goes out as UTF-8. Twisted: `String`. */
export class AmpString<const O extends boolean = false> extends Argument<Data, Buffer, O> {
  override toBytes(value: Data): Buffer {
    return bytesOf(value, 'send a value');
  }

  override fromBytes(bytes: Buffer): Buffer {
    return bytes;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text, as UTF-8. Twisted: `Unicode`. */
export class Unicode<const O extends boolean = false> extends Argument<string, string, O> {
  override toBytes(value: string): string {
    if (typeof value !== 'string') throw new BadArgument(`${typeof value} is not text`);
    return value;
  }

  override fromBytes(bytes: Buffer): string {
    return UTF8.decode(bytes);
  }
}

/** The path of a file, as text. Twisted: `Path`. */
export class Path<const O extends boolean = false> extends Unicode<O> {}

/** True or false. On the wire: `True` or `False`. Twisted: `Boolean`. */
export class AmpBoolean<const O extends boolean = false> extends Argument<boolean, boolean, O> {
  override toBytes(value: boolean): string {
    return value ? 'True' : 'False';
  }

  override fromBytes(bytes: Buffer): boolean {
    const text = ascii(bytes);
    if (text === 'True') return true;
    if (text === 'False') return false;
    throw new BadArgument(`${quote(text)} is neither True nor False`);
  }
}

// There is one way only to match each digit: with two, the time grows with the square of how many there are.
const FLOAT = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;
const FLOAT_NAMES: ReadonlyMap<string, number> = new Map([
  ['inf', Number.POSITIVE_INFINITY],
  ['+inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
  ['nan', Number.NaN],
]);

/** A number. On the wire: as Python writes it, `0.5`, `1e+22`, `inf`, `nan`. Twisted: `Float`. */
export class Float<const O extends boolean = false> extends Argument<number, number, O> {
  override toBytes(value: number): string {
    if (typeof value !== 'number') throw new BadArgument(`${typeof value} is not a number`);
    if (Number.isNaN(value)) return 'nan';
    if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
    if (Object.is(value, -0)) return '-0.0';
    const text = String(value);
    return /^-?\d+$/.test(text) ? `${text}.0` : text;
  }

  override fromBytes(bytes: Buffer): number {
    const text = ascii(bytes);
    const named = FLOAT_NAMES.get(text.toLowerCase());
    if (named !== undefined) return named;
    if (!FLOAT.test(text)) throw new BadArgument(`${quote(text)} is not a number`);
    return Number(text);
  }
}

const DECIMAL = /^[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:E[+-]?\d+)?|Inf(?:inity)?|s?NaN\d*)$/i;

/** A decimal number, as text, so that nothing of it is lost: `'1.50'`, `'1E+2'`, `'-Infinity'`, `'NaN'`. Twisted: `Decimal`. */
export class Decimal<const O extends boolean = false> extends Argument<string, string, O> {
  override toBytes(value: string): string {
    if (typeof value !== 'string' || !DECIMAL.test(value)) {
      throw new BadArgument(`${quote(String(value))} is not a decimal number as text`);
    }
    return value;
  }

  override fromBytes(bytes: Buffer): string {
    const text = ascii(bytes);
    if (!DECIMAL.test(text)) throw new BadArgument(`${quote(text)} is not a decimal number`);
    return text;
  }
}

const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{6})([+-])(\d\d):(\d\d)$/;

/**
 * A moment. On the wire it has microseconds and an offset from UTC, always 32 characters; a `Date` has milliseconds and no offset, so these are lost. Years 0 to 9999.
 * Twisted: `DateTime`.
 */
export class DateTime<const O extends boolean = false> extends Argument<Date, Date, O> {
  override toBytes(value: Date): string {
    const time = value instanceof Date ? value.getTime() : Number.NaN;
    const year = value instanceof Date ? value.getUTCFullYear() : Number.NaN;
    if (Number.isNaN(time) || year < 0 || year > 9999) {
      throw new BadArgument(`${String(value)} is not a moment between the years 0 and 9999`);
    }
    return `${value.toISOString().slice(0, -1)}000-00:00`; // the sign that Twisted gives UTC
  }

  override fromBytes(bytes: Buffer): Date {
    const text = ascii(bytes);
    const match = DATE_TIME.exec(text);
    if (match === null) throw new BadArgument(`${quote(text)} is not a date and time`);
    const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, micro = 0] = match
      .slice(1, 8)
      .map(Number);
    const date = new Date(0);
    date.setUTCFullYear(year, month - 1, day);
    date.setUTCHours(hour, minute, second, Math.floor(micro / 1000));
    const shifted =
      date.getUTCMonth() !== month - 1 ||
      date.getUTCDate() !== day ||
      date.getUTCHours() !== hour ||
      date.getUTCMinutes() !== minute ||
      date.getUTCSeconds() !== second;
    const offset = Number(match[9]) * 60 + Number(match[10]);
    if (shifted || offset >= 1440 || Number(match[10]) > 59) {
      throw new BadArgument(`${quote(text)} is not a date and time that there is`);
    }
    return new Date(date.getTime() - (match[8] === '-' ? -offset : offset) * 60_000);
  }
}

// ------------------------------------------------------------------------------------------- lists

/** Any number of values of one kind; all together at most 65,535 bytes, two for each included. Twisted: `ListOf`. */
export class ListOf<In, Out, const O extends boolean = false> extends Argument<
  Iterable<In>,
  Out[],
  O
> {
  readonly #element: Argument<In, Out>;

  constructor(elementType: Argument<In, Out>, options: ArgumentOptions<O> = {}) {
    super(options);
    this.#element = elementType;
  }

  override toBytes(values: Iterable<In>): Buffer {
    const parts: Buffer[] = [];
    for (const value of values) {
      const bytes = bytesOf(this.#element.toBytes(value), 'send a value');
      if (bytes.length > 65_535) throw new BadArgument(`an element has ${bytes.length} bytes`);
      parts.push(Buffer.of(bytes.length >> 8, bytes.length & 255), bytes);
    }
    return Buffer.concat(parts);
  }

  override fromBytes(bytes: Buffer): Out[] {
    const values: Out[] = [];
    let at = 0;
    while (at < bytes.length) {
      const end = at + 2 > bytes.length ? Number.NaN : at + 2 + bytes.readUInt16BE(at);
      if (!(end <= bytes.length)) throw new BadArgument('the list ends within an element');
      values.push(this.#element.fromBytes(bytes.subarray(at + 2, end)));
      at = end;
    }
    return values;
  }
}

/** Any number of objects of one schema; all together at most 65,535 bytes. Twisted: `AmpList`. */
export class AmpList<S extends Schema, const O extends boolean = false> extends Argument<
  Iterable<Input<S>>,
  Array<Output<S>>,
  O
> {
  readonly #schema: S;

  constructor(schema: S, options: ArgumentOptions<O> = {}) {
    super(options);
    this.#schema = schema;
  }

  override toBytes(values: Iterable<Input<S>>): Buffer {
    const parts: Buffer[] = [];
    for (const value of values) {
      const box = objectsToBox(value, this.#schema, new AmpBox());
      if (box.size === 0)
        throw new AmpError('an element has no values, and nothing stands for that');
      parts.push(box.serialize());
    }
    return Buffer.concat(parts);
  }

  override fromBytes(bytes: Buffer): Array<Output<S>> {
    return parseBoxes(bytes).map((box) => boxToObjects(box, this.#schema) as Output<S>); // what the schema makes
  }
}

/** Something that is given to a call or an answer and never sent. */
export class LocalArgument<In, const O extends boolean = false> extends Argument<In, never, O> {
  override toBytes(_value: In): never {
    throw new AmpError('Cannot send a local argument: it stays here');
  }

  override fromBytes(): never {
    throw new AmpError('Cannot read a local argument: it is never sent');
  }

  override toBox(): void {}

  override fromBox(): void {}
}
