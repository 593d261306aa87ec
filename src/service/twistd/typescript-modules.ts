/**
 * tsx runs a TypeScript file as CommonJS unless the package.json above it says `"type": "module"`, whatever the file itself holds. For such an application it would load
 * the framework a second time, as CommonJS too: with a second reactor, which nobody runs, and a second log, which nobody writes. So, for applications, a TypeScript
 * file that has `import` or `export` statements is a module, as it is for Node's own reading of TypeScript.
 *
 * These are module customization hooks; with `module.register` this file also runs in Node's thread for them, so it imports nothing of ours.
 */
import { readFileSync } from 'node:fs';
import nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

/** What a `resolve` hook gives: where a module is, and what it is taken for. */
export interface Resolved {
  readonly url: string;
  readonly format?: string | null;
}

/**
 * A file that may be either kind: a `.mts` or `.cts` says itself what it is. A URL that tsx made for importing CommonJS by name has the query twice, once in the path; the
 * module that it becomes has neither.
 */
const EITHER_KIND = /^(file:[^?#]*?\.tsx?)(%3Ftsx-commonjs[^?#]*\?tsx-commonjs[^#]*|[?#].*)?$/i;

/** An `import` or `export` statement at the beginning of a line; neither `import(...)` nor CommonJS's `import x = require(...)` and `export =`. */
const MODULE_SYNTAX = /^[ \t]*(?:import\b(?!\s*[(.])(?!\s*\w+\s*=)|export\b(?!\s*=))/m;

/** Overrules that a TypeScript file is CommonJS when its text shows that it is not. */
export function decide(resolved: Resolved): Resolved {
  const [url, file, query = ''] = EITHER_KIND.exec(resolved.url) ?? [];
  if (resolved.format !== 'commonjs' || url === undefined || file === undefined) return resolved;
  if (file.includes('/node_modules/')) return resolved;
  try {
    if (!MODULE_SYNTAX.test(readFileSync(fileURLToPath(file), 'utf8'))) return resolved;
  } catch {
    return resolved; // whoever loads it will say what is wrong with it
  }
  return { ...resolved, url: query.startsWith('%') ? file : url, format: 'module' };
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
export function treatTypeScriptAsModules(): void {
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
