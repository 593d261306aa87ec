/** Starting a thread that understands what its parent understands: TypeScript too, when a loader is at work. */
import nodeModule from 'node:module';
import { Worker } from 'node:worker_threads';
import type { ThreadData } from './protocol.ts';

/** Where tsx is; undefined when it is not there. */
function findTsx(): string | undefined {
  try {
    return import.meta.resolve('tsx/esm/api');
  } catch {
    return undefined;
  }
}

/** Node 20 has no hooks that reach into every thread, so that a thread that is to run TypeScript has to be told to load tsx. */
function loaderArguments(module: string): string[] | undefined {
  if ('registerHooks' in nodeModule) return undefined;
  if (!import.meta.url.endsWith('.ts') && !module.endsWith('.ts')) return undefined;
  const tsx = findTsx();
  if (tsx === undefined) return undefined;
  const register = `import * as tsx from ${JSON.stringify(tsx)}; (tsx.register ?? tsx.default.register)();`;
  return ['--import', `data:text/javascript,${encodeURIComponent(register)}`];
}

export function startThread(data: ThreadData, name: string): Worker {
  // Beside this file, under whichever name it has: the compiler does not rewrite this one.
  const entry = new URL(import.meta.url.replace(/start(\.\w+)(\?.*)?$/, 'entry$1'));
  const execArgv = loaderArguments(data.module);
  return new Worker(entry, {
    workerData: data,
    transferList: [data.port],
    name,
    // What a library prints on its way out is nobody's answer.
    ...(execArgv === undefined ? {} : { execArgv }),
  });
}
