/** The part of a machine that the commands for systemd work on; tests have one of their own. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Streams } from '../../twistd/main.ts';

/** How a program ended. */
export interface ProgramResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface SystemdSystem {
  readonly streams: Streams;
  /** Whether systemd runs this machine (sd_booted(3)). */
  booted(): boolean;
  /** Where units are put. @param forUser for the caller's own systemd */
  unitFolder(forUser: boolean): string;
  /**
   * Runs one of systemd's programs. Never rejects: one that is not there ends with 127, one that takes too long with 124, as in a shell.
   * @param timeout seconds
   */
  run(program: string, args: readonly string[], timeout?: number): Promise<ProgramResult>;
}

const NOT_FOUND = 127;
const TIMED_OUT = 124;
const FAILED = 1;

/** This machine. */
export function thisSystem(streams: Streams): SystemdSystem {
  return {
    streams,
    booted: () => existsSync('/run/systemd/system'),
    unitFolder: (forUser) => {
      if (!forUser) return '/etc/systemd/system';
      const home = process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config');
      return join(home, 'systemd', 'user');
    },
    run: (program, args, timeout = 0) =>
      new Promise((resolve) => {
        const options = { encoding: 'utf8', timeout: timeout * 1000 } as const;
        execFile(program, [...args], options, (error, out, err) => {
          resolve({ code: codeOf(error), out, err });
        });
      }),
  };
}

function codeOf(error: unknown): number {
  if (error === null) return 0;
  const { code, killed } = error as { code?: unknown; killed?: boolean }; // execFile's error
  if (killed) return TIMED_OUT;
  if (code === 'ENOENT') return NOT_FOUND;
  return typeof code === 'number' ? code : FAILED;
}
