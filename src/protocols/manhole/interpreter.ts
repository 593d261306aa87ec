/** Evaluates code for a session, in a context of its own or in the application's. */
import { AsyncLocalStorage } from 'node:async_hooks';
import vm from 'node:vm';
import { ManholeError } from './errors.ts';
import { scan } from './scan.ts';
import { asExpression, asStatements } from './top-level-await.ts';

/** Options of an `Interpreter`. */
export interface InterpreterOptions {
  /** What the code finds by name, besides what Node and JavaScript have. Default: nothing. */
  namespace?: object;
  /**
   * Whether the code is evaluated in the application's own global scope, so that what it declares there is seen by the application, and `instanceof Array` and the like agree. Default
   * false: a scope for each session, whose objects and arrays are those of another realm.
   */
  useGlobal?: boolean;
  /** Seconds that code may run without a pause; null: for ever. It ends `while (true) {}`, and nothing that waits. Default 5. */
  evalTimeout?: number | null;
}

/** What came of a piece of code. */
export type Evaluation =
  /** It is not complete: more lines have to follow. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'value'; readonly value: unknown; readonly awaited: boolean }
  | { readonly kind: 'error'; readonly error: unknown };

/** What `console` in a session is. */
export type SessionConsole = Readonly<Record<string, (...args: unknown[]) => void>>;

const INCOMPLETE =
  /^(?:Unexpected end of input|Unterminated template literal|missing \) after argument list)$/;
const FILENAME = 'manhole';

/** Whose code runs in the application's scope: its `console` is that of its session. */
const consoles = new AsyncLocalStorage<SessionConsole>();
let globalSessions = 0;
/** How many sessions have put a name into the application's scope. */
const borrowers = new Map<string, number>();
let consoleBefore: PropertyDescriptor | undefined;

/** Evaluates a session's lines as JavaScript, in a context of its own, or in the application's where that is asked for. Twisted: `twisted.conch.manhole.ManholeInterpreter`. */
export class Interpreter {
  readonly #context: vm.Context | null;
  readonly #timeout: number | undefined;
  readonly #console: SessionConsole;
  /** Names that were put into the application's scope. */
  readonly #borrowed: string[] = [];
  #closed = false;

  /** @throws {ManholeError} when a name is taken in the application's scope */
  constructor(console: SessionConsole, options: InterpreterOptions = {}) {
    const { namespace = {}, useGlobal = false, evalTimeout = 5 } = options;
    this.#timeout = evalTimeout === null ? undefined : Math.max(1, Math.ceil(evalTimeout * 1000));
    this.#console = console;
    this.#context = useGlobal ? null : newContext(console);
    const names = Object.getOwnPropertyDescriptors(namespace);
    if (this.#context === null) {
      this.#borrow(names);
      routeConsole();
    } else {
      for (const [name, descriptor] of Object.entries(names)) {
        Object.defineProperty(this.#context, name, { ...descriptor, configurable: true });
      }
    }
  }

  #borrow(names: Readonly<Record<string, PropertyDescriptor>>): void {
    for (const [name, descriptor] of Object.entries(names)) {
      const now = Object.getOwnPropertyDescriptor(globalThis, name);
      if (now === undefined) {
        Object.defineProperty(globalThis, name, { ...descriptor, configurable: true });
      } else if (now.value !== descriptor.value || !borrowers.has(name)) {
        this.#giveBack();
        throw new ManholeError(
          `Cannot put ${JSON.stringify(name)} into the application's scope: there is something of that name`,
        );
      }
      this.#note(name);
    }
  }

  #note(name: string): void {
    this.#borrowed.push(name);
    borrowers.set(name, (borrowers.get(name) ?? 0) + 1);
  }

  #giveBack(): void {
    for (const name of this.#borrowed.splice(0)) {
      const left = (borrowers.get(name) ?? 1) - 1;
      if (left > 0) borrowers.set(name, left);
      else {
        borrowers.delete(name);
        Reflect.deleteProperty(globalThis, name);
      }
    }
  }

  /** Takes back what it put into the application's scope. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#context !== null) return;
    this.#giveBack();
    unrouteConsole();
  }

  /** Sets what `_` is: the last result. */
  set last(value: unknown) {
    if (this.#context === null && !this.#borrowed.includes('_')) {
      // Somebody else's, as in lodash.
      if ('_' in globalThis && !borrowers.has('_')) return;
      this.#note('_');
    }
    const scope: object = this.#context ?? globalThis;
    Object.defineProperty(scope, '_', { value, writable: true, configurable: true });
  }

  /** Evaluates `code`. It never throws. */
  evaluate(code: string): Evaluation {
    if (scan(code).open) return { kind: 'incomplete' };
    let compiled: { script: vm.Script; awaited: boolean };
    try {
      compiled = compile(code);
    } catch (error) {
      if (error instanceof SyntaxError && INCOMPLETE.test(error.message))
        return { kind: 'incomplete' };
      return { kind: 'error', error };
    }
    try {
      const value = consoles.run(this.#console, () => this.#run(compiled.script));
      return { kind: 'value', value, awaited: compiled.awaited };
    } catch (error) {
      return { kind: 'error', error };
    }
  }

  #run(script: vm.Script): unknown {
    const options: vm.RunningScriptOptions = { displayErrors: false };
    if (this.#timeout !== undefined) options.timeout = this.#timeout;
    return this.#context === null
      ? script.runInThisContext(options)
      : script.runInContext(this.#context, options);
  }
}

/** @throws {SyntaxError} */
function compile(code: string): { script: vm.Script; awaited: boolean } {
  if (usesAwait(code)) {
    const script = attempt(asExpression(code)) ?? attempt(asStatements(code));
    if (script !== undefined) return { script, awaited: true };
  }
  // What begins with a brace and makes sense as an object is one.
  const object = /^\s*\{[\s\S]*\}\s*$/.test(code) ? attempt(`(${code.trim()}\n)`) : undefined;
  return { script: object ?? script(code), awaited: false };
}

/** Whether `await` is used outside of functions, where a script does not have it. */
function usesAwait(code: string): boolean {
  // A static block does not have it either, whatever its functions do.
  return /\bawait\b/.test(code) && attempt(`class A { static {\n${code}\n} }`) === undefined;
}

function attempt(code: string): vm.Script | undefined {
  try {
    return script(code);
  } catch {
    return undefined;
  }
}

function script(code: string): vm.Script {
  return new vm.Script(code, {
    filename: FILENAME,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
}

/** What is made when it is first looked at, such as `crypto`, is so of the application's scope only. */
function borrowed(context: vm.Context, name: string, enumerable: boolean): PropertyDescriptor {
  return {
    ...{ configurable: true, enumerable },
    get: () => Reflect.get(globalThis, name),
    set: (value: unknown) => {
      Object.defineProperty(context, name, {
        ...{ value, writable: true, configurable: true, enumerable },
      });
    },
  };
}

/** A scope with all that Node's has. */
function newContext(console: SessionConsole): vm.Context {
  const context = vm.createContext({}, { name: 'manhole' });
  const own = new Set<string>(
    vm.runInContext('Object.getOwnPropertyNames(globalThis)', context) as string[], // that is what it gives
  );
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(globalThis))) {
    if (own.has(name) || name === 'global') continue;
    Object.defineProperty(
      context,
      name,
      descriptor.get === undefined
        ? { ...descriptor, configurable: true }
        : borrowed(context, name, descriptor.enumerable === true),
    );
  }
  const hidden = { writable: true, configurable: true };
  Object.defineProperty(context, 'global', {
    ...hidden,
    value: vm.runInContext('globalThis', context),
  });
  Object.defineProperty(context, 'console', { ...hidden, value: console });
  return context;
}

/** While there are sessions in the application's scope, what their code says by `console` is said in the session. */
function routeConsole(): void {
  globalSessions += 1;
  if (globalSessions > 1) return;
  consoleBefore = Object.getOwnPropertyDescriptor(globalThis, 'console');
  let original: unknown = globalThis.console;
  Object.defineProperty(globalThis, 'console', {
    ...{ configurable: true, enumerable: false },
    get: () => consoles.getStore() ?? original,
    set: (value: unknown) => {
      original = value;
    },
  });
}

function unrouteConsole(): void {
  globalSessions -= 1;
  if (globalSessions > 0 || consoleBefore === undefined) return;
  Object.defineProperty(globalThis, 'console', consoleBefore);
}
