/**
 * Naming a piece of work so that another thread can do it. Threads share no objects, so a function goes either by its place, a module and the name of one of its exports, or
 * as its own text.
 */
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import type { Transferable } from 'node:worker_threads';
import { type Packed, pack } from './crossing.ts';

/** What to call. */
export type Work =
  | { readonly kind: 'export'; readonly module: string; readonly name: string }
  | { readonly kind: 'text'; readonly text: string; readonly name: string };

/** What to call, and with what. */
export interface Call {
  readonly work: Work;
  readonly args: Packed;
}

/**
 * A call for another thread: a module, the name of a function it exports, and arguments; or a self-contained function and arguments. A function goes as text, so it sees
 * nothing but its arguments and what is global: no imports (`await import('node:zlib')` works), no variables from around it.
 */
export type ThreadCall =
  | readonly [module: URL | string, name: string, ...args: unknown[]]
  | readonly [f: (...args: never[]) => unknown, ...args: unknown[]];

/**
 * @returns the call, and what of it to hand over instead of copying
 * @throws {TypeError} when it names no work, or work that cannot be moved
 */
export function callOf(call: readonly unknown[]): { call: Call; list: Transferable[] } {
  const [first, second] = call;
  const byText = typeof first === 'function';
  const work = byText ? workOfFunction(first as Named) : workOfExport(first, second);
  const { packed, list } = pack(call.slice(byText ? 1 : 2));
  return { call: { work, args: packed }, list };
}

type Named = { readonly name: string };

function workOfFunction(f: Named): Work {
  const text = String(f);
  if (/\{\s*\[native code\]\s*\}$/.test(text)) {
    throw new TypeError(
      `Cannot run ${f.name || 'a function'} in a thread: it is native or bound and has no text; name a module and an export instead`,
    );
  }
  return { kind: 'text', text, name: f.name || 'an unnamed function' };
}

function workOfExport(module: unknown, name: unknown): Work {
  if (typeof name !== 'string' || name === '') {
    throw new TypeError(
      `Cannot run ${inspect(name)} of ${inspect(module)} in a thread: expected a function, or a module and the name of an export`,
    );
  }
  return { kind: 'export', module: moduleURL(module), name };
}

function moduleURL(module: unknown): string {
  if (module instanceof URL) return module.href;
  if (typeof module === 'string') {
    if (isAbsolute(module)) return pathToFileURL(module).href;
    if (/^(?:file|data|node):/.test(module)) return module;
  }
  throw new TypeError(
    `Cannot find module ${inspect(module)} from another thread: expected a URL or an absolute path, such as new URL('./work.ts', import.meta.url)`,
  );
}

/** For messages: `hash of file:///srv/app/work.ts`. */
export function describeWork(work: Work): string {
  return work.kind === 'export' ? `${work.name} of ${work.module}` : work.name;
}
