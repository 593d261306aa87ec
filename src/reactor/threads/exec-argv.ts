/**
 * How workers come to understand TypeScript when their parent does. Where Node strips types by itself, or lets a loader hook itself into every thread (`module.registerHooks`), they
 * do anyway. On Node 20, tsx hooks into the main thread only: there each worker has to be told to load it.
 */
import nodeModule, { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Options of `node` that make or change loaders, and so belong to workers too. The others concern the process, and some are refused for a worker. */
const WITH_VALUE: ReadonlySet<string> = new Set([
  '--import',
  '--require',
  '-r',
  '--loader',
  '--experimental-loader',
  '--conditions',
  '-C',
]);
const WITHOUT_VALUE = /^--(?:enable-source-maps|no-warnings|preserve-symlinks|no-deprecation)$/;

/** What of the parent's `node` options a worker gets. */
function inherited(options: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < options.length; index++) {
    const option = options[index] ?? '';
    const [name = ''] = option.split('=');
    if (WITHOUT_VALUE.test(option)) kept.push(option);
    else if (!WITH_VALUE.has(name)) continue;
    else if (option.includes('=')) kept.push(option);
    else kept.push(option, options[++index] ?? '');
  }
  return kept;
}

/** Where tsx is, seen from here or from the program. */
function findTsx(): string | undefined {
  try {
    return import.meta.resolve('tsx/esm/api');
  } catch {
    try {
      const program = createRequire(join(process.cwd(), 'program.js'));
      return pathToFileURL(program.resolve('tsx/esm/api')).href;
    } catch {
      return undefined;
    }
  }
}

/** The `execArgv` of workers; undefined lets Node hand on what there is. */
export function workerExecArgv(): string[] | undefined {
  if ('registerHooks' in nodeModule) return undefined;
  const started = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ');
  if (!import.meta.url.endsWith('.ts') && !/\btsx\b/.test(started)) return undefined;
  const tsx = findTsx();
  if (tsx === undefined) return undefined;
  const register = `import * as tsx from ${JSON.stringify(tsx)}; (tsx.register ?? tsx.default.register)();`;
  return [
    ...inherited(process.execArgv),
    '--import',
    `data:text/javascript,${encodeURIComponent(register)}`,
  ];
}
