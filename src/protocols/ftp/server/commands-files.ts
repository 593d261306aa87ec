/** Commands that change or look at files, and transfer nothing (RFC 959, 4.1.3; RFC 3659). */
import {
  BadCmdSequenceError,
  CmdArgSyntaxError,
  CmdNotImplementedError,
  CmdNotImplementedForArgError,
} from '../command-errors.ts';
import { FTPCmdError } from '../errors.ts';
import { type Segments, toPath } from '../paths.ts';
import type { PermissionLetter } from '../shell.ts';
import { factsLine, MLST_FACTS, parseTime, timeText } from '../text/listing.ts';
import type { CommandRow } from './commands.ts';
import type { FTP } from './ftp.ts';

/** The path of an argument, if the user may do that there. */
export function allowed(session: FTP, letter: PermissionLetter, argument: string): string[] {
  const path = session.path(argument);
  session.permit(letter, path, argument);
  return path;
}

/** A path in quotes, in which quotes are doubled (RFC 959, appendix II). */
function quoted(path: Segments): string {
  return `"${toPath(path).replaceAll('"', '""')}"`;
}

/** What a user may do with something, for the fact "perm" (RFC 3659, 7.5.5). */
export function permOf(session: FTP, path: Segments, directory: boolean): string {
  const { shell } = session;
  const may = (letter: PermissionLetter): boolean => shell.permits?.(letter, path) ?? true;
  const letters: ReadonlyArray<readonly [fact: string, letter: PermissionLetter]> = directory
    ? [
        ['c', 'w'],
        ['d', 'd'],
        ['e', 'e'],
        ['f', 'f'],
        ['l', 'l'],
        ['m', 'm'],
        ['p', 'd'],
      ]
    : [
        ['a', 'a'],
        ['d', 'd'],
        ['f', 'f'],
        ['r', 'r'],
        ['w', 'w'],
      ];
  return letters
    .filter(([, letter]) => may(letter))
    .map(([fact]) => fact)
    .join('');
}

async function changeDirectory(session: FTP, argument: string): Promise<void> {
  const path = allowed(session, 'e', argument);
  await session.shell.access(path);
  session.state.cwd = path;
  session.reply(250, `${quoted(path)} is the current directory.`);
}

async function size(session: FTP, argument: string): Promise<void> {
  if (session.state.type === 'A') {
    // The file would have to be read to know.
    throw new FTPCmdError('SIZE is not allowed in ASCII mode.', 550);
  }
  const path = allowed(session, 'l', argument);
  const [bytes, directory] = await session.shell.stat(path, ['size', 'directory']);
  if (directory === true) throw new FTPCmdError(`${argument}: not a plain file.`, 550);
  session.reply(213, String(bytes));
}

async function modified(session: FTP, argument: string): Promise<void> {
  const path = allowed(session, 'l', argument);
  const [time] = await session.shell.stat(path, ['modified']);
  session.reply(213, timeText(Number(time)));
}

async function setModified(session: FTP, argument: string): Promise<void> {
  const [, text = '', name = ''] = /^(\S+) (.+)$/s.exec(argument) ?? [];
  const time = parseTime(text);
  if (time === null) throw new CmdArgSyntaxError('Expected MFMT YYYYMMDDHHMMSS path.');
  const path = allowed(session, 'T', name);
  if (session.shell.setModified === undefined)
    throw new CmdNotImplementedError('MFMT is not available.');
  await session.shell.setModified(path, time);
  session.reply(213, `Modify=${timeText(time)}; ${name}`);
}

async function facts(session: FTP, argument: string): Promise<void> {
  const path = allowed(session, 'l', argument);
  const values = await session.shell.stat(path, MLST_FACTS);
  const perm = permOf(session, path, values[0] === true);
  const line = factsLine(toPath(path), values, session.state.facts, perm);
  session.reply(250, [`Listing ${argument}`, line, 'End MLST.']);
}

const HASHES = {
  XCRC: 'crc32',
  XMD5: 'md5',
  XSHA: 'sha1',
  XSHA1: 'sha1',
  XSHA256: 'sha256',
  XSHA512: 'sha512',
} as const;

const HASH_NAMES = {
  CRC32: 'crc32',
  MD5: 'md5',
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-512': 'sha512',
} as const;

/** The names that OPTS HASH takes, the chosen one with a star. */
export function hashFeature({ state }: FTP): string {
  const names = Object.entries(HASH_NAMES).map(([name, algorithm]) =>
    algorithm === state.checksum ? `${name}*` : name,
  );
  return `HASH ${names.join(';')}`;
}

/** Chooses what HASH computes; false if there is no such thing. */
export function chooseHash(session: FTP, name: string): boolean {
  const found = Object.entries(HASH_NAMES).find(([known]) => known === name.toUpperCase());
  if (found === undefined) return false;
  [, session.state.checksum] = found;
  return true;
}

async function hash(session: FTP, argument: string): Promise<void> {
  const path = allowed(session, 'r', argument);
  if (session.shell.checksum === undefined)
    throw new CmdNotImplementedError('HASH is not available.');
  const algorithm = session.state.checksum;
  const [bytes] = await session.shell.stat(path, ['size']);
  const value = await session.shell.checksum(path, algorithm, 0, Number(bytes));
  const [name = ''] = Object.entries(HASH_NAMES).find(([, known]) => known === algorithm) ?? [];
  session.reply(213, `${name} 0-${Math.max(0, Number(bytes) - 1)} ${value} ${argument}`);
}

function checksum(name: keyof typeof HASHES): CommandRow {
  return {
    ...{ argument: 'required', login: true, help: `${name} <SP> path [<SP> start [<SP> end]]` },
    feature: name,
    run: async (session, argument) => {
      // A name with blanks is in quotes; numbers behind it are a range.
      const [, inQuotes, plain, first = '0', end] =
        /^(?:"([^"]+)"|(.+?))(?: (\d{1,15})(?: (\d{1,15}))?)?$/s.exec(argument) ?? [];
      const file = inQuotes ?? plain ?? argument;
      const path = allowed(session, 'r', file);
      const { shell } = session;
      if (shell.checksum === undefined)
        throw new CmdNotImplementedError(`${name} is not available.`);
      const value = await shell.checksum(
        path,
        HASHES[name],
        Number(first),
        end === undefined ? undefined : Number(end),
      );
      session.reply(250, value.toUpperCase());
    },
  };
}

/** The facts that MFF sets (draft-somers-ftp-mfxx): by the names that it has for them. */
async function setFacts(session: FTP, argument: string): Promise<void> {
  const [, list = '', name = ''] = /^((?:[^;= ]+=[^; ]*;)+) (.+)$/s.exec(argument) ?? [];
  if (name === '') throw new CmdArgSyntaxError('Expected MFF fact=value; path.');
  const { shell } = session;
  const steps: Array<() => unknown> = [];
  for (const fact of list.split(';').slice(0, -1)) {
    const [key = '', value = ''] = fact.split('=');
    switch (key.toLowerCase()) {
      case 'modify': {
        const time = parseTime(value);
        if (time === null) throw new CmdArgSyntaxError(`Expected Modify=YYYYMMDDHHMMSS.`);
        const path = allowed(session, 'T', name);
        steps.push(() => shell.setModified?.(path, time));
        if (shell.setModified === undefined) throw unsettable(key);
        break;
      }
      case 'unix.mode': {
        if (!/^[0-7]{3,4}$/.test(value)) throw new CmdArgSyntaxError('Expected UNIX.mode=0644.');
        const path = allowed(session, 'M', name);
        steps.push(() => shell.changeMode?.(path, Number.parseInt(value, 8) & 0o777));
        if (shell.changeMode === undefined) throw unsettable(key);
        break;
      }
      default:
        throw unsettable(key);
    }
  }
  for (const step of steps) await step();
  session.reply(213, `${list} ${name}`);
}

function unsettable(fact: string): CmdNotImplementedForArgError {
  return new CmdNotImplementedForArgError(`${fact} cannot be set.`);
}

export const FILE_COMMANDS: Readonly<Record<string, CommandRow>> = {
  PWD: {
    ...{ argument: 'none', login: true, help: 'PWD' },
    run: (session) => session.reply(257, `${quoted(session.state.cwd)} is the current directory.`),
  },
  CWD: { argument: 'optional', login: true, help: 'CWD [<SP> path]', run: changeDirectory },
  CDUP: {
    ...{ argument: 'none', login: true, help: 'CDUP' },
    run: (session) =>
      // Above the root is the root.
      changeDirectory(session, session.state.cwd.length === 0 ? '/' : '..'),
  },
  MKD: {
    ...{ argument: 'required', login: true, help: 'MKD <SP> path' },
    run: async (session, argument) => {
      const path = allowed(session, 'm', argument);
      await session.shell.makeDirectory(path);
      session.reply(257, `${quoted(path)} directory created.`);
    },
  },
  RMD: {
    ...{ argument: 'required', login: true, help: 'RMD <SP> path' },
    run: async (session, argument) => {
      const path = allowed(session, 'd', argument);
      if (path.length === 0) throw new FTPCmdError('The root cannot be removed.', 550);
      await session.shell.removeDirectory(path);
      session.reply(250, 'Directory removed.');
    },
  },
  DELE: {
    ...{ argument: 'required', login: true, help: 'DELE <SP> path' },
    run: async (session, argument) => {
      await session.shell.removeFile(allowed(session, 'd', argument));
      session.reply(250, 'File removed.');
    },
  },
  RNFR: {
    ...{ argument: 'required', login: true, help: 'RNFR <SP> path' },
    run: async (session, argument) => {
      const path = allowed(session, 'f', argument);
      if (path.length === 0) throw new FTPCmdError('The root cannot be renamed.', 550);
      await session.shell.stat(path, ['size']);
      session.state.renameFrom = path;
      session.reply(350, 'Ready for destination name.');
    },
  },
  RNTO: {
    ...{ argument: 'required', login: true, help: 'RNTO <SP> path' },
    run: async (session, argument) => {
      const { renameFrom } = session.state;
      session.state.renameFrom = null;
      if (renameFrom === null) throw new BadCmdSequenceError('Use RNFR first.');
      await session.shell.rename(renameFrom, allowed(session, 'f', argument));
      session.reply(250, 'Renamed.');
    },
  },
  SIZE: { argument: 'required', login: true, help: 'SIZE <SP> path', feature: 'SIZE', run: size },
  MDTM: {
    ...{ argument: 'required', login: true, help: 'MDTM <SP> path', feature: 'MDTM' },
    run: modified,
  },
  MFMT: {
    ...{ argument: 'required', login: true, help: 'MFMT <SP> time <SP> path', feature: 'MFMT' },
    run: setModified,
  },
  MLST: {
    ...{ argument: 'optional', login: true, help: 'MLST [<SP> path]' },
    feature: ({ state }) => `MLST ${factsFeature(state.facts)}`,
    run: facts,
  },
  HASH: {
    ...{ argument: 'required', login: true, help: 'HASH <SP> path' },
    feature: hashFeature,
    run: hash,
  },
  ...Object.fromEntries(
    (Object.keys(HASHES) as Array<keyof typeof HASHES>).map((name) => [name, checksum(name)]), // keys of that very object
  ),
  MFF: {
    ...{ argument: 'required', login: true, help: 'MFF <SP> fact=value; <SP> path' },
    feature: 'MFF modify;UNIX.mode;',
    run: setFacts,
  },
};

function factsFeature(told: ReadonlySet<string>): string {
  return ['type', 'size', 'modify', 'perm', 'unique', 'unix.mode', 'unix.owner', 'unix.group']
    .map((fact) => `${fact}${told.has(fact) ? '*' : ''};`)
    .join('');
}
