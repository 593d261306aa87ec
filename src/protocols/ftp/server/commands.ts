/** The one table of commands: names, arguments, what they need, what HELP and FEAT say. What is not in it does not exist, and what is in it is told. */
import { ACCESS_COMMANDS } from './commands-access.ts';
import { FILE_COMMANDS } from './commands-files.ts';
import { INFORMATION_COMMANDS } from './commands-information.ts';
import { SITE } from './commands-site.ts';
import { TRANSFER_COMMANDS } from './commands-transfers.ts';
import type { FTP } from './ftp.ts';

/** A command. */
export interface CommandRow {
  /** Whether it takes one. */
  readonly argument: 'none' | 'optional' | 'required';
  /** Whether one has to log in first. */
  readonly login: boolean;
  /** Whether it opens a data connection. */
  readonly transfers?: true;
  /** Whether it is heard while a transfer is under way. */
  readonly duringTransfer?: true;
  /** How it is written, for HELP. */
  readonly help: string;
  /** What FEAT says of it (RFC 2389); null where it is not to be had. */
  readonly feature?: string | ((session: FTP) => string | null);
  /** Does it, and replies. Fails with an `FTPCmdError`, which is the reply. */
  readonly run: (session: FTP, argument: string) => unknown;
}

const ROWS: Readonly<Record<string, CommandRow>> = {
  ...ACCESS_COMMANDS,
  ...FILE_COMMANDS,
  ...TRANSFER_COMMANDS,
  ...INFORMATION_COMMANDS,
  SITE,
};

/** Names of old (RFC 775) that some clients still use. */
const ALIASES: Readonly<Record<string, string>> = {
  XCWD: 'CWD',
  XCUP: 'CDUP',
  XPWD: 'PWD',
  XMKD: 'MKD',
  XRMD: 'RMD',
};

/** All commands of the server by their names, the X forms of RFC 775 with them. FEAT, HELP and what may be called before the login follow from this table. */
export const COMMANDS: ReadonlyMap<string, CommandRow> = new Map([
  ...Object.entries(ROWS),
  ...Object.entries(ALIASES).flatMap(([alias, name]) => {
    const row = ROWS[name];
    return row === undefined ? [] : [[alias, row] as const];
  }),
]);
