/** Where a program spends its time, and looking at it while it runs: V8's profiler and debugger, through Node's inspector. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import type { Session } from 'node:inspector';
import { StartError } from '../errors.ts';

/** A profile that is being taken. */
export interface Profile {
  /** Ends it and writes the file, which browsers' developer tools and VS Code open. */
  stop(): Promise<void>;
}

/**
 * Takes a profile of this process's main thread from here on (Twisted: `--profile`).
 * @param file to be written at the end, as V8's `.cpuprofile`
 * @throws {StartError} through the promise, when the file cannot be written: known now rather than at the end
 */
export async function startProfile(file: string): Promise<Profile> {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'w');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartError(`Cannot write profile ${JSON.stringify(file)}: ${reason}`, { cause });
  }
  const inspector = await import('node:inspector');
  const session = new inspector.Session();
  session.connect();
  await post(session, 'Profiler.enable');
  await post(session, 'Profiler.start');
  return {
    stop: async () => {
      const { profile } = (await post(session, 'Profiler.stop')) as { profile: object }; // the protocol says so
      session.disconnect();
      // Where it was opened: by now the process may have other rights, or another root directory.
      writeFileSync(descriptor, JSON.stringify(profile));
      closeSync(descriptor);
    },
  };
}

function post(session: Session, method: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    session.post(method, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}

/**
 * Lets a debugger attach to this process, on loopback.
 * @param port where it listens if that is free; else on any port
 * @returns where it does
 */
export async function openDebugger(port: number): Promise<string> {
  const inspector = await import('node:inspector');
  for (const each of [port, 0]) {
    if (inspector.url() === undefined) inspector.open(each, '127.0.0.1');
  }
  return inspector.url() ?? '';
}
