/** Filling in `{field}`. Nothing here throws, whatever the fields are: a log line must not be what brings a program down. */
import { inspect } from 'node:util';

/** `{{`, `}}`, or a field between braces. */
const PIECE = /\{\{|\}\}|\{([^{}]*)\}/g;
/** `name`, `name.inner`, `name()`, and after them `!r` or `!s`. */
const FIELD = /^([^!()]+?)(\(\))?(?:!([rs]))?$/;

/**
 * Replaces each `{field}` of `format` by that field's value. `{a.b}` looks inside, `{f()}` calls, `{x!r}` shows the value as code would write it, `{{`
 * and `}}` stand for braces. A field that is not there, or cannot be shown, stays as it is written or says why.
 *
 * Twisted: `twisted.logger.formatEvent`.
 */
export function formatMessage(format: string, fields: Readonly<Record<string, unknown>>): string {
  return String(format).replace(PIECE, (piece, path: string | undefined) => {
    if (piece === '{{') return '{';
    if (piece === '}}') return '}';
    try {
      return fillIn(piece, path ?? '', fields);
    } catch (error) {
      return `{${path}: ${describeSafely(error)}}`;
    }
  });
}

function fillIn(piece: string, field: string, fields: Readonly<Record<string, unknown>>): string {
  const match = FIELD.exec(field);
  if (match === null) return piece;
  const [, path = '', call, conversion] = match;
  let owner: unknown;
  let value: unknown = fields;
  // The whole path may itself be a field's name; only else is it a way inside.
  for (const name of Object.hasOwn(fields, path) ? [path] : path.split('.')) {
    if (value === null || value === undefined || !(name in Object(value))) return piece;
    owner = value;
    value = (Object(value) as Record<string, unknown>)[name]; // `in` has just said that it is there
  }
  if (call !== undefined) {
    if (typeof value !== 'function') return piece;
    value = value.call(owner === fields ? undefined : owner);
  }
  return conversion === 'r'
    ? inspect(value, { breakLength: Number.POSITIVE_INFINITY })
    : show(value);
}

/** A value as people read it: text as it is, errors by their message, other objects by their own `toString` if they have one. */
export function show(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return String(value);
  if (value instanceof Error) return value.message;
  const ownText =
    !Array.isArray(value) &&
    typeof value.toString === 'function' &&
    value.toString !== Object.prototype.toString;
  return ownText
    ? String(value)
    : inspect(value, { depth: 2, breakLength: Number.POSITIVE_INFINITY });
}

function describeSafely(error: unknown): string {
  try {
    return show(error);
  } catch {
    return 'cannot be shown';
  }
}
