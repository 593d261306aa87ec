/** What SITE can be told (RFC 959, 4.1.3): a table like that of the commands. */
import { TransferStoppedError } from '../../errors.ts';
import {
  BadCmdSequenceError,
  CmdArgSyntaxError,
  CmdNotImplementedError,
  CmdSyntaxError,
} from '../command-errors.ts';
import type { Segments } from '../paths.ts';
import { parseTime } from '../text/listing.ts';
import type { CommandRow } from './commands.ts';
import { allowed } from './commands-files.ts';
import type { FTP } from './ftp.ts';

interface SiteRow {
  readonly help: string;
  readonly run: (session: FTP, argument: string) => unknown;
}

async function changeMode(session: FTP, argument: string): Promise<void> {
  const [, digits = '', name = ''] = /^([0-7]{3,4}) (.+)$/s.exec(argument) ?? [];
  if (name === '') throw new CmdArgSyntaxError('Expected SITE CHMOD mode path.');
  const path = allowed(session, 'M', name);
  const { shell } = session;
  if (shell.changeMode === undefined) throw new CmdNotImplementedError('CHMOD is not available.');
  await shell.changeMode(path, Number.parseInt(digits, 8) & 0o777);
  session.reply(200, 'SITE CHMOD successful.');
}

/** A word, or in quotes several, and what is behind it. */
function firstWord(text: string): [first: string, rest: string] {
  const [, inQuotes, word = '', rest = ''] = /^(?:"([^"]+)"|(\S+)) (.+)$/s.exec(text) ?? [];
  return [inQuotes ?? word, rest];
}

async function changeGroup(session: FTP, argument: string): Promise<void> {
  const [group, name] = firstWord(argument);
  if (name === '') throw new CmdArgSyntaxError('Expected SITE CHGRP group path.');
  const path = allowed(session, 'G', name);
  const { shell } = session;
  if (shell.changeGroup === undefined) throw new CmdNotImplementedError('CHGRP is not available.');
  await shell.changeGroup(path, group);
  session.reply(200, 'SITE CHGRP successful.');
}

async function makeSymlink(session: FTP, argument: string): Promise<void> {
  const [first, second] = firstWord(argument);
  const name = /^"([^"]+)"$/.exec(second)?.[1] ?? second;
  if (name === '') throw new CmdArgSyntaxError('Expected SITE SYMLINK path link.');
  const target = allowed(session, 'l', first);
  const path = allowed(session, 'S', name);
  const { shell } = session;
  if (shell.makeSymlink === undefined)
    throw new CmdNotImplementedError('SYMLINK is not available.');
  await shell.makeSymlink(target, path);
  session.reply(200, 'SITE SYMLINK successful.');
}

/** In the form of NcFTP (time, path), or that of lftp and gFTP (path, three times, 'UTC'), of which the second time counts. */
async function setTime(session: FTP, argument: string): Promise<void> {
  const long = /^(.+) \d{14} (\d{14}) \d{14} UTC$/s.exec(argument);
  const short = /^(\d{12}(?:\d\d)?) (.+)$/s.exec(argument);
  const name = long?.[1] ?? short?.[2] ?? '';
  const time = parseTime((long?.[2] ?? short?.[1] ?? '').padEnd(14, '0'));
  if (time === null) throw new CmdArgSyntaxError('Expected SITE UTIME YYYYMMDDHHMMSS path.');
  const path = allowed(session, 'T', name);
  const { shell } = session;
  if (shell.setModified === undefined) throw new CmdNotImplementedError('UTIME is not available.');
  await shell.setModified(path, time);
  session.reply(200, 'SITE UTIME successful.');
}

async function copyFrom(session: FTP, argument: string): Promise<void> {
  if (argument === '') throw new CmdArgSyntaxError('Expected SITE CPFR path.');
  const path = allowed(session, 'r', argument);
  const [directory] = await session.shell.stat(path, ['directory']);
  if (directory === true) throw new CmdArgSyntaxError(`${argument}: Is a directory.`);
  session.state.copyFrom = path;
  session.reply(350, 'Ready for destination name.');
}

async function copyTo(session: FTP, argument: string): Promise<void> {
  const from = session.state.copyFrom;
  session.state.copyFrom = null;
  if (from === null) throw new BadCmdSequenceError('Use SITE CPFR first.');
  if (argument === '') throw new CmdArgSyntaxError('Expected SITE CPTO path.');
  await copy(session, from, allowed(session, 'w', argument));
  session.reply(250, 'Copied.');
}

async function copy({ shell }: FTP, from: Segments, to: Segments): Promise<void> {
  const source = await shell.openForReading(from);
  try {
    const target = await shell.openForWriting(to);
    let isClosing = false;
    try {
      const receiver = await target.receive();
      try {
        await source.send(receiver);
      } catch (error) {
        // What has stopped it says why when it is closed.
        if (!(error instanceof TransferStoppedError)) throw error;
      }
      isClosing = true;
      await target.close();
    } finally {
      if (!isClosing) await target.abort();
    }
  } finally {
    await source.close();
  }
}

export const SITE_COMMANDS: ReadonlyMap<string, SiteRow> = new Map([
  ['CHGRP', { help: 'CHGRP <SP> group <SP> path', run: changeGroup }],
  ['CHMOD', { help: 'CHMOD <SP> mode <SP> path', run: changeMode }],
  ['CPFR', { help: 'CPFR <SP> path', run: copyFrom }],
  ['CPTO', { help: 'CPTO <SP> path', run: copyTo }],
  ['HELP', { help: 'HELP', run: help }],
  ['SYMLINK', { help: 'SYMLINK <SP> path <SP> link', run: makeSymlink }],
  ['UTIME', { help: 'UTIME <SP> YYYYMMDDHHMMSS <SP> path', run: setTime }],
]);

function help(session: FTP): void {
  const lines = [...SITE_COMMANDS.values()].map((row) => row.help);
  session.reply(214, ['The following SITE commands are recognized:', ...lines, 'Help OK.']);
}

export const SITE: CommandRow = {
  argument: 'required',
  login: true,
  help: `SITE <SP> (${[...SITE_COMMANDS.keys()].join('|')})`,
  run: (session, argument) => {
    const [, verb = '', rest = ''] = /^(\S+) ?(.*)$/s.exec(argument) ?? [];
    const row = SITE_COMMANDS.get(verb.toUpperCase());
    if (row === undefined) throw new CmdSyntaxError(`SITE ${verb.toUpperCase()} not understood.`);
    return row.run(session, rest);
  },
};
