/** The other end of work.ts: from the name of a piece of work to the function. */
import { describeWork, type Work } from './work.ts';

type AnyFunction = (...args: unknown[]) => unknown;
type ExportedWork = Extract<Work, { kind: 'export' }>;

/** How many texts are kept as functions. Programs have few; one that makes texts as it goes must not fill the memory. */
const MAX_TEXTS = 500;

const texts = new Map<string, AnyFunction>();
const modules = new Map<string, Record<string, unknown>>();

/**
 * A promise only where a module has to be imported first.
 * @throws what importing the module throws
 * @throws {TypeError} when the module exports no such function, or a text is none
 */
export function findWork(work: Work): AnyFunction | Promise<AnyFunction> {
  if (work.kind === 'text') return functionOf(work.text);
  const module = modules.get(work.module);
  return module === undefined ? importWork(work) : exportOf(module, work);
}

async function importWork(work: ExportedWork): Promise<AnyFunction> {
  // Whatever a module exports is looked at before it is used.
  const module = (await import(work.module)) as Record<string, unknown>;
  modules.set(work.module, module);
  return exportOf(module, work);
}

function exportOf(module: Record<string, unknown>, work: ExportedWork): AnyFunction {
  const found = module[work.name];
  if (typeof found === 'function') return found as AnyFunction; // called with what the caller gave, at its own risk
  const kind = found === undefined ? 'it exports nothing of that name' : 'not a function';
  throw new TypeError(`Cannot run ${describeWork(work)} in a thread: ${kind}`);
}

function functionOf(text: string): AnyFunction {
  let f = texts.get(text);
  if (f !== undefined) return f;
  f = compile(text);
  if (texts.size >= MAX_TEXTS) texts.clear();
  texts.set(text, f);
  return f;
}

function withName(f: object, name: string): object {
  return Object.defineProperty(f, 'name', { value: name, configurable: true });
}

function compile(text: string): AnyFunction {
  // Compilers that keep functions' names (esbuild, and so tsx) wrap inner functions in calls of `__name`.
  const evaluate = (source: string): unknown =>
    new Function('__name', `return (${source}\n);`)(withName);
  let made: unknown;
  try {
    made = evaluate(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // A method's text (`double(n) { ... }`) is a function only inside an object.
    made = Object.values(evaluate(`{${text}}`) as object)[0];
  }
  if (typeof made === 'function') return made as AnyFunction; // as above
  throw new TypeError(`Cannot run ${text.slice(0, 60)} in a thread: not the text of a function`);
}
