/** twistd's commands on Linux: an application, found as twistd finds it, as a unit of systemd. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { StartError, UsageError } from '../../errors.ts';
import { findModule } from '../../twistd/load.ts';
import type { Streams } from '../../twistd/main.ts';
import type { ServiceCommand } from '../../twistd/service-manager.ts';
import { askedFor } from '../../twistd/target.ts';
import type { ServiceVerb } from '../../windows/cli-options.ts';
import { libc } from '../libc.ts';
import { WINDOWS_ONLY } from './options.ts';
import { describeUnit, merged, type SystemdSetup, unitNameOf } from './setup.ts';
import { type ProgramResult, type SystemdSystem, thisSystem } from './system.ts';
import { serviceUnit, setupIn, socketUnit } from './unit.ts';

/** systemctl's codes for a unit that does not run, and for none (systemctl(1), after LSB). */
const NOT_RUNNING = 3;
const NO_SUCH_UNIT = 4;
const FAILED = 1;

/** What `status` tells, by what systemd calls it. */
const PROPERTIES: Readonly<Record<string, string>> = {
  LoadState: 'load',
  ActiveState: 'state',
  SubState: 'substate',
  UnitFileState: 'enabled',
  MainPID: 'pid',
  StatusText: 'status',
  ExecMainStatus: 'exitCode',
  NRestarts: 'restarts',
  MemoryCurrent: 'memory',
  ActiveEnterTimestamp: 'since',
  FragmentPath: 'unit',
};

/** Does what a command asks for. Gives the exit code. @throws {UsageError} through the promise */
export async function manageOnSystemd(
  command: ServiceCommand,
  streams: Streams,
  system: SystemdSystem = thisSystem(streams),
): Promise<number> {
  return await new SystemdCommand(command, system).perform();
}

class SystemdCommand {
  readonly #command: ServiceCommand;
  readonly #system: SystemdSystem;
  readonly #name: string;
  readonly #forUser: boolean;

  constructor(command: ServiceCommand, system: SystemdSystem) {
    const { request, run, systemd } = command;
    this.#command = command;
    this.#system = system;
    this.#forUser = systemd.user === true;
    this.#name = unitNameOf(run.target, request.options.name, resolve(run.rundir));
  }

  async perform(): Promise<number> {
    const { request, systemd } = this.#command;
    const { verb } = request;
    this.#check(verb);
    if (verb === 'install' && systemd.print) return this.#print();
    if (!this.#system.booted()) {
      throw new StartError(
        `Cannot ${verb} ${JSON.stringify(this.#name)}: systemd does not run this machine (there is no /run/systemd/system). 'install --print' shows the unit`,
      );
    }
    switch (verb) {
      case 'install':
      case 'update':
        return await this.#install(verb);
      case 'remove':
        return await this.#remove();
      case 'status':
        return await this.#status();
      case 'logs':
        return await this.#logs();
      case 'doctor':
        return await this.#doctor();
      default:
        return await this.#turn(verb);
    }
  }

  /** @throws {UsageError} */
  #check(verb: ServiceVerb): void {
    const { request, processOptions } = this.#command;
    const { options, operands, args } = request;
    if (verb === 'pause' || verb === 'continue' || verb === 'control') {
      throw new UsageError(`Command ${JSON.stringify(verb)} has no sense with systemd`);
    }
    for (const [key, option] of Object.entries(WINDOWS_ONLY)) {
      // The table's keys are these.
      if (options[key as keyof typeof options] !== undefined) {
        throw new UsageError(`Option ${option} has no sense with systemd`);
      }
    }
    const setsUp = verb === 'install' || verb === 'update' || verb === 'doctor';
    for (const option of processOptions) {
      if (setsUp && ['--uid', '--gid', '--umask', '--workers'].includes(option)) continue;
      throw new UsageError(`Option ${option} does not go with command ${JSON.stringify(verb)}`);
    }
    if (operands.length > 0) {
      throw new UsageError(
        `Unexpected argument ${JSON.stringify(operands[0])} of command "${verb}"`,
      );
    }
    if (args.length > 0 && !setsUp) {
      throw new UsageError(
        `Command ${JSON.stringify(verb)} takes no arguments for the service: give them to install`,
      );
    }
  }

  // ------------------------------------------------------------------------------- registration

  #print(): number {
    const { service, socket } = this.#units(null);
    const { streams } = this.#system;
    streams.out(`# ${this.#path('service')}\n${service}`);
    if (socket !== null) streams.out(`\n# ${this.#path('socket')}\n${socket}`);
    return 0;
  }

  async #install(verb: 'install' | 'update'): Promise<number> {
    const { request } = this.#command;
    const file = this.#path('service');
    const there = existsSync(file);
    if (verb === 'update' && !there) return this.#fail(`There is no unit ${file}`, NO_SUCH_UNIT);
    // Without it nothing can be told to systemd, which would wait for that.
    libc();
    const old = there ? setupIn(readFileSync(file, 'utf8')) : null;
    if (there && old === null) {
      return this.#fail(`Unit ${file} was not written by twistd: remove it first`);
    }
    // What this program has written there.
    const { service, socket } = this.#units(verb === 'update' ? (old as SystemdSetup) : null);
    this.#write('service', service);
    if (socket !== null) this.#write('socket', socket);
    else if (existsSync(this.#path('socket'))) {
      // Nobody would take the connections that come there.
      await this.#systemctl(['disable', '--now', `${this.#name}.socket`]);
      rmSync(this.#path('socket'), { force: true });
    }
    await this.#systemctl(['daemon-reload']);
    const { startup } = request.options;
    const unit = socket === null ? `${this.#name}.service` : `${this.#name}.socket`;
    if (startup?.startType === 'automatic') await this.#systemctl(['enable', unit]);
    else if (startup !== undefined) await this.#systemctl(['disable', unit]);
    this.#say(`${there ? 'Updated' : 'Installed'} service ${JSON.stringify(this.#name)}: ${file}`);
    return this.#end({ installed: true, unit: file });
  }

  async #remove(): Promise<number> {
    const file = this.#path('service');
    if (!existsSync(file)) return this.#fail(`There is no unit ${file}`, NO_SUCH_UNIT);
    const units = ['socket', 'service'].filter((kind) => existsSync(this.#path(kind)));
    for (const kind of units) {
      await this.#systemctl(['disable', '--now', `${this.#name}.${kind}`]);
      rmSync(this.#path(kind), { force: true });
    }
    await this.#systemctl(['daemon-reload']);
    // It may have failed, which would be remembered. That it has not is no mistake.
    await this.#run(['reset-failed', `${this.#name}.service`]);
    this.#say(`Removed service ${JSON.stringify(this.#name)}`);
    return this.#end({ installed: false });
  }

  #units(old: SystemdSetup | null): { readonly service: string; readonly socket: string | null } {
    const { request, run, systemd, processOptions } = this.#command;
    const directory = resolve(run.rundir);
    const given = ([option, value]: readonly [string, unknown]): boolean =>
      processOptions.includes(`--${option}`) && value !== null;
    const { uid, gid, umask, workers } = run.process;
    const { print: _, ...kept } = systemd;
    const setup = merged(old, {
      service: request.options,
      systemd: kept,
      host: request.host,
      process: Object.fromEntries(Object.entries({ uid, gid, umask, workers }).filter(given)),
      args: request.args,
      directory,
    });
    const file = findModule(run.target, [directory, process.cwd()]);
    const script = resolve(process.argv[1] ?? '');
    const nodeOptions = setup.service.nodeOption ?? process.execArgv;
    const node = [process.execPath, ...nodeOptions, script];
    const unit = describeUnit(this.#name, file, node, setup);
    return {
      service: serviceUnit(unit),
      socket:
        unit.socketUnit === null
          ? null
          : socketUnit(unit.description, setup.systemd.socket ?? [], unit.disabled),
    };
  }

  /** Whole or not at all. @throws {StartError} */
  #write(kind: string, text: string): void {
    const file = this.#path(kind);
    const half = join(dirname(file), `.${this.#name}.${kind}.${process.pid}`);
    try {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(half, text, { mode: 0o644 });
      renameSync(half, file);
    } catch (cause) {
      if (existsSync(half)) rmSync(half);
      const reason = cause instanceof Error ? cause.message : String(cause);
      const advice = this.#forUser ? '' : '. Run this as root, or with --user';
      throw new StartError(`Cannot write unit ${file}: ${reason}${advice}`, { cause });
    }
  }

  // ---------------------------------------------------------------------------- starting, looking

  async #turn(verb: ServiceVerb): Promise<number> {
    const { wait, timeout } = this.#command.request.options;
    const limit = timeout ?? (typeof wait === 'number' ? wait : 0);
    const args = [verb, ...(wait === false ? ['--no-block'] : []), `${this.#name}.service`];
    const { code, err } = await this.#run(args, limit);
    const unit = JSON.stringify(this.#name);
    if (code === 124) return this.#fail(`Service ${unit}: still busy after ${limit} s`);
    if (code !== 0) return this.#fail(`Cannot ${verb} service ${unit}: ${err.trim()}`, code);
    const done = { start: 'Started', stop: 'Stopped', restart: 'Restarted' }[verb as 'start'];
    this.#say(`${done} service ${unit}`);
    return this.#end({});
  }

  async #status(): Promise<number> {
    const { out } = await this.#systemctl([
      'show',
      `${this.#name}.service`,
      `--property=${Object.keys(PROPERTIES).join(',')}`,
    ]);
    const found: Record<string, string> = {};
    for (const line of out.split('\n')) {
      const [, property = '', value = ''] = /^(\w+)=(.*)$/.exec(line) ?? [];
      const name = PROPERTIES[property];
      if (name !== undefined && value !== '' && value !== '[not set]') found[name] = value;
    }
    if (found['load'] === 'not-found' || found['load'] === undefined) {
      return this.#fail(`Service ${JSON.stringify(this.#name)} is not installed`, NO_SUCH_UNIT);
    }
    const { load: _, ...fields } = found;
    this.#say(`${this.#name}: ${fields['state']} (${fields['substate']})`);
    for (const [name, value] of Object.entries(fields)) this.#say(`  ${name.padEnd(10)} ${value}`);
    return this.#end(fields, fields['state'] === 'active' ? 0 : NOT_RUNNING);
  }

  async #logs(): Promise<number> {
    const { lines = 50 } = this.#command.request.options;
    const whose = this.#forUser ? '--user-unit' : '--unit';
    const args = ['--no-pager', `--lines=${lines}`, whose, `${this.#name}.service`];
    const { code, out, err } = await this.#system.run('journalctl', args);
    this.#system.streams.out(out);
    return code === 0 ? 0 : this.#fail(err.trim(), code);
  }

  /** What systemd itself finds wrong with the unit, and what it cannot know. */
  async #doctor(): Promise<number> {
    const file = this.#path('service');
    if (!existsSync(file)) return this.#fail(`There is no unit ${file}`, NO_SUCH_UNIT);
    const problems: string[] = [];
    const { code, err } = await this.#system.run('systemd-analyze', [
      ...(this.#forUser ? ['--user'] : []),
      ...['verify', file],
    ]);
    if (code !== 0 || err.trim() !== '') problems.push(...err.trim().split('\n'));
    const setup = setupIn(readFileSync(file, 'utf8'));
    if (setup === null) problems.push('It was not written by twistd');
    try {
      findModule(this.#command.run.target, [resolve(this.#command.run.rundir), process.cwd()]);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
    for (const problem of problems) this.#say(`Problem: ${problem}`);
    if (problems.length === 0) this.#say(`Nothing is wrong with ${file}`);
    return this.#end({ problems }, problems.length === 0 ? 0 : FAILED);
  }

  // ------------------------------------------------------------------------------------- the rest

  #path(kind: string): string {
    return join(this.#system.unitFolder(this.#forUser), `${this.#name}.${kind}`);
  }

  #run(args: readonly string[], timeout?: number): Promise<ProgramResult> {
    return this.#system.run('systemctl', [...(this.#forUser ? ['--user'] : []), ...args], timeout);
  }

  /** @throws {StartError} through the promise, when it fails */
  async #systemctl(args: readonly string[]): Promise<ProgramResult> {
    const result = await this.#run(args);
    if (result.code === 0) return result;
    const { code, err } = result;
    throw new StartError(`systemctl ${args.join(' ')} ended with ${code}: ${err.trim()}`);
  }

  #say(line: string): void {
    if (this.#command.request.options.json !== true) this.#system.streams.out(`${line}\n`);
  }

  #fail(reason: string, code = FAILED): number {
    this.#system.streams.err(`twistd: ${reason}\n`);
    return this.#end({ error: reason }, code);
  }

  #end(fields: Readonly<Record<string, unknown>>, code = 0): number {
    const { verb, options } = this.#command.request;
    if (options.json === true) {
      const all = { command: verb, service: askedFor(this.#command.run.target), unit: this.#name };
      this.#system.streams.out(`${JSON.stringify({ ...all, ...fields, code })}\n`);
    }
    return code;
  }
}
