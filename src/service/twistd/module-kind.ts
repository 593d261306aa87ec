/**
 * A file that has `import` or `export` statements is a module, whatever the package.json above it says. Without this, a project that never said so (`npm init` writes
 * `"type": "commonjs"`) would have its application refused by Node, and run as CommonJS by tsx, which would load the framework a second time as CommonJS too: with a second
 * reactor, which nobody runs, and a second log, which nobody writes.
 *
 * These are module customization hooks; with `module.register` this file also runs in Node's thread for them, so it imports nothing of ours.
 */
import { readFileSync } from 'node:fs';
import nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';

/** What a `resolve` hook gives: where a module is, and what it is taken for. */
export interface Resolved {
  readonly url: string;
  readonly format?: string | null;
}

/** What CommonJS becomes when the text shows a module: tsx's word for either language, and Node's for the TypeScript that it reads itself. */
const AS_MODULE: ReadonlyMap<unknown, string> = new Map([
  ['commonjs', 'module'],
  ['commonjs-typescript', 'module-typescript'],
]);

/**
 * A file that may be either kind: a `.mts` or `.cjs` says itself what it is. A URL that tsx made for importing CommonJS by name has the query twice, once in the path; the
 * module that it becomes has neither.
 */
const EITHER_KIND =
  /^(file:[^?#]*?\.(?:js|tsx?))(%3Ftsx-commonjs[^?#]*\?tsx-commonjs[^#]*|[?#].*)?$/i;

/** An `import` or `export` statement at the beginning of a line; neither `import(...)` nor CommonJS's `import x = require(...)` and `export =`. */
const MODULE_SYNTAX = /^[ \t]*(?:import\b(?!\s*[(.])(?!\s*\w+\s*=)|export\b(?!\s*=))/m;

/** What Node wraps CommonJS in. */
const COMMONJS = ['exports', 'require', 'module', '__filename', '__dirname'];

/** Overrules that a file is CommonJS when its text shows that it is not. */
export function decide(resolved: Resolved): Resolved {
  const [url, file, query = ''] = EITHER_KIND.exec(resolved.url) ?? [];
  const format = AS_MODULE.get(resolved.format);
  if (format === undefined || url === undefined || file === undefined) return resolved;
  if (file.includes('/node_modules/')) return resolved;
  try {
    if (!isModule(fileURLToPath(file))) return resolved;
  } catch {
    return resolved; // whoever loads it will say what is wrong with it
  }
  return { ...resolved, url: query.startsWith('%') ? file : url, format };
}

/** Whether Node, or tsx, would have to take this file for a module if nobody said what it is. */
export function isModule(path: string): boolean {
  const text = readFileSync(path, 'utf8');
  return MODULE_SYNTAX.test(text) && !(/\.js$/i.test(path) && isCommonJS(text));
}

/** Of JavaScript it can be told for sure: the statement may be a line of some text. */
function isCommonJS(text: string): boolean {
  try {
    compileFunction(text.replace(/^#!.*/, ''), COMMONJS);
    return true;
  } catch {
    return false;
  }
}

/** The hook, as `module.register` takes it. */
export async function resolve(
  specifier: string,
  context: unknown,
  next: (specifier: string, context: unknown) => Resolved | Promise<Resolved>,
): Promise<Resolved> {
  return decide(await next(specifier, context));
}

/** `module.registerHooks`, which newer versions of Node have, and the types of the oldest one do not know. */
type RegisterHooks = (hooks: {
  resolve(
    specifier: string,
    context: unknown,
    next: (specifier: string, context: unknown) => Resolved,
  ): Resolved;
}) => unknown;

let registered = false;

/** Makes it so for what is imported from here on. */
export function recogniseModules(): void {
  if (registered) return;
  registered = true;
  const registerHooks: unknown = Reflect.get(nodeModule, 'registerHooks');
  if (typeof registerHooks !== 'function') {
    nodeModule.register(import.meta.url);
    return;
  }
  // The signature is Node's documented one.
  (registerHooks as RegisterHooks)({
    resolve: (specifier, context, next) => decide(next(specifier, context)),
  });
}
