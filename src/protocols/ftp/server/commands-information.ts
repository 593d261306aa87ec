/** Commands that tell something, or set how things are done (RFC 959, 4.1.2 and 4.1.3; RFC 2389; RFC 2640). */
import { CmdArgSyntaxError, CmdNotImplementedForArgError } from '../command-errors.ts';
import { FTPCmdError } from '../errors.ts';
import { WIRE_FACTS } from '../text/listing.ts';
import type { CommandRow } from './commands.ts';
import { chooseHash } from './commands-files.ts';
import { statLines } from './commands-transfers.ts';
import type { FTP } from './ftp.ts';

function features(session: FTP): void {
  const found = new Set<string>(['UTF8', 'TVFS']);
  for (const { feature } of session.factory.commands.values()) {
    const text = typeof feature === 'function' ? feature(session) : feature;
    if (text !== undefined && text !== null) found.add(text);
  }
  session.reply(211, ['Features supported:', ...[...found].sort(), 'End FEAT.']);
}

function help(session: FTP, argument: string): void {
  const { commands } = session.factory;
  if (argument !== '') {
    const row = commands.get(argument.trim().toUpperCase());
    if (row === undefined) throw new CmdArgSyntaxError(`${argument} not understood.`);
    session.reply(214, `Syntax: ${row.help}`);
    return;
  }
  const names = [...commands.keys()].sort();
  const lines: string[] = [];
  for (let at = 0; at < names.length; at += 8) {
    lines.push(
      names
        .slice(at, at + 8)
        .map((name) => name.padEnd(8))
        .join('')
        .trimEnd(),
    );
  }
  session.reply(214, [
    'The following commands are recognized:',
    ...lines,
    'Help command successful.',
  ]);
}

async function status(session: FTP, argument: string): Promise<void> {
  const { state, transfer, limits } = session;
  if (argument !== '') {
    if (transfer !== null) throw new FTPCmdError('A transfer is under way.', 450);
    const lines = await statLines(session, argument, limits.maxStatNames);
    session.reply(213, [`Status of ${argument}:`, ...lines, 'End of status.']);
    return;
  }
  session.reply(211, [
    'Server status:',
    `Connected from ${session.peerHost}`,
    state.login === null ? 'Waiting for login' : `Logged in as ${state.login.user}`,
    `TYPE: ${state.type === 'A' ? 'ASCII' : 'Image'}; STRUcture: File; MODE: ${state.mode === 'Z' ? 'Deflate' : 'Stream'}`,
    `Control connection: ${session.isSecure ? 'TLS' : 'clear'}; data connections: ${session.protection === 'P' ? 'TLS' : 'clear'}`,
    transfer === null
      ? 'No transfer under way'
      : `Transfer under way: ${transfer.kind} of ${transfer.path}, ${transfer.bytes} bytes so far`,
    'End of status.',
  ]);
}

function options(session: FTP, argument: string): void {
  const [, name = '', value = ''] = /^(\S+) ?(.*)$/s.exec(argument) ?? [];
  switch (name.toUpperCase()) {
    case 'UTF8':
    case 'UTF-8':
      if (!/^(on|)$/i.test(value.trim()))
        throw new CmdNotImplementedForArgError('UTF8 is always on.');
      session.reply(200, 'UTF8 is on.');
      return;
    case 'MLST': {
      const asked = value.toLowerCase().split(';');
      const told = [...WIRE_FACTS.keys()].filter((fact) => asked.includes(fact));
      session.state.facts = new Set(told);
      session.reply(200, `MLST OPTS ${told.map((fact) => `${fact};`).join('')}`);
      return;
    }
    case 'HASH':
      if (value !== '' && !chooseHash(session, value.trim())) {
        throw new CmdNotImplementedForArgError('Unknown algorithm.');
      }
      session.reply(200, session.state.checksum);
      return;
    case 'MODE':
      setLevel(session, value);
      return;
    default:
      throw new CmdArgSyntaxError(`No options for ${name.toUpperCase()}.`);
  }
}

/** As `Z LEVEL 6`; of engines and methods there is one each. */
function setLevel(session: FTP, value: string): void {
  const [mode = '', ...words] = value.toUpperCase().split(' ');
  if (mode !== 'Z' || !session.factory.options.modeZ) {
    throw new CmdArgSyntaxError(`No options for MODE ${mode}.`);
  }
  for (let at = 0; at < words.length; at += 2) {
    const pair = `${words[at]} ${words[at + 1]}`;
    const [, level] = /^LEVEL ([1-9])$/.exec(pair) ?? [];
    if (level !== undefined) session.state.level = Number(level);
    else if (pair !== 'ENGINE ZLIB' && pair !== 'METHOD 8') {
      throw new CmdArgSyntaxError(`MODE Z has no option ${pair}.`);
    }
  }
  session.reply(200, `MODE Z LEVEL set to ${session.state.level}.`);
}

function mode(session: FTP, argument: string): void {
  const value = argument.trim().toUpperCase();
  if (value === 'Z' && session.factory.options.modeZ) {
    session.state.mode = 'Z';
    session.reply(200, 'MODE set to Z.');
    return;
  }
  only('S', 'MODE', ['B', 'C', 'Z'])(session, argument);
  session.state.mode = 'S';
}

/** A command that has one value that is right. */
function only(
  right: string,
  name: string,
  known: readonly string[],
): (session: FTP, argument: string) => void {
  return (session, argument) => {
    const value = argument.trim().toUpperCase();
    if (value === right) session.reply(200, `${name} set to ${right}.`);
    else if (known.includes(value))
      throw new CmdNotImplementedForArgError(`${name} ${value} is not implemented.`);
    else throw new CmdArgSyntaxError(`${name} ${value} not understood.`);
  };
}

export const INFORMATION_COMMANDS: Readonly<Record<string, CommandRow>> = {
  SYST: {
    ...{ argument: 'none', login: false, help: 'SYST' },
    run: (session) => session.reply(215, 'UNIX Type: L8'),
  },
  FEAT: { argument: 'none', login: false, help: 'FEAT', run: features },
  HELP: { argument: 'optional', login: false, help: 'HELP [<SP> command]', run: help },
  NOOP: {
    ...{ argument: 'optional', login: false, help: 'NOOP' },
    run: (session) => session.reply(200, 'NOOP ok.'),
  },
  CLNT: {
    ...{
      argument: 'required',
      login: false,
      help: 'CLNT <SP> name of the client',
      feature: 'CLNT',
    },
    run: (session) => session.reply(200, 'Noted.'),
  },
  CSID: {
    ...{ argument: 'required', login: false, help: 'CSID <SP> name=value;...', feature: 'CSID' },
    run: (session) => session.reply(200, 'Name=Strand; CaseSensitive=1; DirSep=/;'),
  },
  LANG: {
    ...{ argument: 'optional', login: false, help: 'LANG [<SP> tag]', feature: 'LANG EN*' },
    run: (session, argument) => {
      if (!/^(en(-[a-z]+)?)?$/i.test(argument.trim())) {
        throw new CmdNotImplementedForArgError('Replies are in English only.');
      }
      session.reply(200, 'Replies are in English.');
    },
  },
  STAT: {
    ...{ argument: 'optional', login: true, duringTransfer: true, help: 'STAT [<SP> path]' },
    run: status,
  },
  OPTS: {
    argument: 'required',
    login: false,
    help: 'OPTS <SP> command <SP> options',
    run: options,
  },
  TYPE: {
    ...{ argument: 'required', login: true, help: 'TYPE <SP> (A|I|L 8)' },
    run: (session, argument) => {
      const value = argument.trim().toUpperCase();
      if (/^A( N)?$/.test(value)) session.state.type = 'A';
      else if (/^(I|L ?8)$/.test(value)) session.state.type = 'I';
      else if (/^(A [TC]|E( [NTC])?|L ?\d+)$/.test(value)) {
        throw new CmdNotImplementedForArgError(`TYPE ${value} is not implemented.`);
      } else throw new CmdArgSyntaxError(`TYPE ${value} not understood.`);
      session.reply(200, `Type set to ${session.state.type}.`);
    },
  },
  STRU: {
    ...{ argument: 'required', login: true, help: 'STRU <SP> F' },
    run: only('F', 'STRU', ['R', 'P']),
  },
  MODE: {
    ...{ argument: 'required', login: true, help: 'MODE <SP> (S|Z)' },
    feature: ({ factory }) => (factory.options.modeZ ? 'MODE Z' : null),
    run: mode,
  },
  ALLO: {
    ...{ argument: 'required', login: true, help: 'ALLO <SP> size (not needed)' },
    run: (session, argument) => {
      if (!/^\d+( R \d+)?$/i.test(argument.trim()))
        throw new CmdArgSyntaxError('Expected ALLO size.');
      session.reply(202, 'No storage allocation is needed.');
    },
  },
};
