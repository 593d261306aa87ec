/** `handleCommandLine`: the command line of a program that holds one service as a class. */
import { basename, dirname, resolve } from 'node:path';
import { inspect } from 'node:util';
import { UsageError } from '../errors.ts';
import type { Streams } from '../twistd/main.ts';
import type { Installable, ServiceProgram } from './cli-install.ts';
import type { FrameworkRequest } from './cli-parse.ts';
import type { ServiceRun } from './cli-run.ts';
import type { ServiceSystem } from './cli-system.ts';
import { runFrameworkService, type ServiceFrameworkClass } from './framework.ts';

/** Options of `handleCommandLine`. */
export interface HandleCommandLineOptions {
  /** The script that the service is to run. Default: the one that runs now. */
  readonly script?: string | undefined;
  /** Further short options of `install` and `update`, as getopt has them: 'ab:' for -a and -b VALUE. */
  readonly customInstallOptions?: string | undefined;
  /** Gets those that were given, after the service was installed or updated. When it throws, an installation is undone. */
  readonly customOptionHandler?:
    | ((options: ReadonlyArray<readonly [string, string]>) => void | Promise<void>)
    | undefined;
  /** Where text goes. Default: standard output and standard error. */
  readonly streams?: Streams | undefined;
  /** @internal What stands for Windows, in tests. */
  readonly system?: ServiceSystem | undefined;
  /** Ends the process of the service. Default `process.exit`. */
  readonly exit?: ((code: number) => void) | undefined;
}

/** What a command line that makes no sense ends with; in pywin32, too. */
const WRONG_USAGE = 1;
const NOT_SUPPORTED = 2;
/** Windows' number for a program that does not hold the service it was started for. */
const NOT_IN_EXE = 1083;

/**
 * Does what the command line says with the service that `cls` describes: installs, starts, stops it and so on; see `--help`. When the service manager has started the process, runs the service and
 * ends the process. pywin32: `win32serviceutil.HandleCommandLine`, whose verbs and options it has; options may also come after the verb.
 *
 * Never rejects for what is wrong with the command line or refused by Windows.
 * @param argv default: that of the process, without the names of node and script
 * @throws {TypeError} a class without a name
 * @returns the exit code, for `process.exitCode`: 0, 1 wrong usage, 2 not on this platform, or Windows' error number
 *
 * @example
 * process.exitCode = await handleCommandLine(Echo);
 */
export async function handleCommandLine(
  cls: ServiceFrameworkClass,
  argv: readonly string[] = process.argv.slice(2),
  options: HandleCommandLineOptions = {},
): Promise<number> {
  checkClass(cls);
  const script = resolve(options.script ?? process.argv[1] ?? '');
  const { streams = standardStreams(), exit = (code: number) => process.exit(code) } = options;
  // Here, so that a program which never manages services loads none of it.
  const { frameworkUsage, parseFrameworkCommand } = await import('./cli-parse.ts');
  const program = basename(script);
  if (argv.length === 0) {
    streams.out(frameworkUsage(program));
    return WRONG_USAGE;
  }
  try {
    const { customInstallOptions = '' } = options;
    const request = parseFrameworkCommand(argv, { program, customInstallOptions });
    if (request.kind === 'show') {
      streams.out(request.text);
      return 0;
    }
    if (request.kind === 'run') {
      const code = await runIt(cls, request);
      exit(code);
      return code;
    }
    return await manage(cls, request, { ...options, script, streams });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    streams.err(`${error.message}\n`);
    streams.out(frameworkUsage(program));
    return WRONG_USAGE;
  }
}

async function manage(
  cls: ServiceFrameworkClass,
  { request, custom }: Extract<FrameworkRequest, { kind: 'verb' }>,
  options: HandleCommandLineOptions & { readonly script: string; readonly streams: Streams },
): Promise<number> {
  const { streams, customOptionHandler } = options;
  const [{ performVerb }, { thisSystem }] = await Promise.all([
    import('./cli-verbs.ts'),
    import('./cli-system.ts'),
  ]);
  if (process.platform !== 'win32' && options.system === undefined && request.verb !== 'debug') {
    streams.err(
      `Cannot ${request.verb} service ${JSON.stringify(cls._svc_name_)}: this is '${process.platform}', and the service manager is that of Windows\n`,
    );
    return NOT_SUPPORTED;
  }
  const target: Installable = {
    name: cls._svc_name_,
    displayName: cls._svc_display_name_,
    description: cls._svc_description_,
    dependencies: cls._svc_deps_,
    startType: cls._svc_start_type_,
    program: () => programOf(cls, options.script),
    debug: async (args, host) => {
      const { debugOptions, debugUnder } = await import('./cli-run.ts');
      const run: ServiceRun = { name: cls._svc_name_, host };
      return await debugUnder(run.name, args, streams, (scm) =>
        runFrameworkService(cls, debugOptions(run, scm)),
      );
    },
    ...(customOptionHandler === undefined ? {} : { customize: () => customOptionHandler(custom) }),
  };
  return await performVerb(request, target, options.system ?? thisSystem(streams));
}

/** Callers from JavaScript, and those who forgot `static`, have no name. */
function checkClass(cls: ServiceFrameworkClass): void {
  const name: unknown = cls._svc_name_;
  if (typeof name === 'string' && name !== '') return;
  throw new TypeError(
    `Cannot run class '${cls.name}' as a service: its static '_svc_name_' must be the service's name, got ${inspect(name)}`,
  );
}

function programOf(cls: ServiceFrameworkClass, script: string): ServiceProgram {
  const { _exe_name_: program, _exe_args_: args = '' } = cls;
  return {
    script,
    files: [],
    flags: {},
    args: [],
    directory: dirname(script),
    other: program === undefined ? undefined : { program, args },
  };
}

async function runIt(
  cls: ServiceFrameworkClass,
  { name, request: { options, host, args } }: Extract<FrameworkRequest, { kind: 'run' }>,
): Promise<number> {
  if (name.toLowerCase() !== cls._svc_name_.toLowerCase()) return NOT_IN_EXE;
  const { serviceMainOptions } = await import('./cli-run.ts');
  const main = serviceMainOptions({
    name: cls._svc_name_,
    host,
    directory: options.cwd,
    preshutdown: options.preshutdown !== undefined,
    eventSource: options.eventSource,
  });
  return await runFrameworkService(cls, { ...main, args });
}

function standardStreams(): Streams {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  };
}
