/** Commands that open data connections (RFC 959, 4.1.2 and 4.1.3; RFC 2428; RFC 3659). */
import { wallTime } from '../../../reactor/index.ts';
import {
  BadCmdSequenceError,
  CmdArgSyntaxError,
  CmdNotImplementedError,
  CmdNotImplementedForArgError,
  PortConnectionError,
} from '../command-errors.ts';
import { FileNotFoundError, FTPCmdError, InvalidPath } from '../errors.ts';
import { type Segments, toPath } from '../paths.ts';
import type { FactName, ListedFile } from '../shell.ts';
import { globMatcher, isPattern } from '../text/glob.ts';
import { factsLine, LIST_FACTS, listLine, MLST_FACTS } from '../text/listing.ts';
import {
  inNetwork,
  isIPv4,
  parseExtendedPort,
  parsePort,
  portText,
  sameHost,
} from './addresses.ts';
import type { CommandRow } from './commands.ts';
import { allowed, permOf } from './commands-files.ts';
import type { FTP } from './ftp.ts';
import { LinePump } from './line-pump.ts';
import type { PassiveAddress } from './options.ts';
import { Transfer } from './transfer.ts';

// ------------------------------------------------------------------------------------ connections

function refuseAfterAll(session: FTP): void {
  if (session.state.epsvAll) throw new BadCmdSequenceError('Only EPSV is allowed after EPSV ALL.');
}

async function passive(session: FTP): Promise<void> {
  refuseAfterAll(session);
  const { localHost, peerHost, data } = session;
  if (!isIPv4(localHost)) throw new PortConnectionError('Use EPSV over IPv6.');
  const address = await passiveAddress(session.factory.options.passiveAddress, peerHost, localHost);
  const port = data.listen();
  session.reply(227, `Entering Passive Mode (${portText(address, port)}).`);
}

async function passiveAddress(
  given: PassiveAddress | undefined,
  peerHost: string,
  localHost: string,
): Promise<string> {
  if (given === undefined) return localHost;
  let address: string | undefined;
  if (typeof given === 'string') address = given;
  else if (typeof given === 'function') address = await given(peerHost, localHost);
  else {
    address = Object.entries(given).find(
      ([network]) => network === 'default' || inNetwork(peerHost, network),
    )?.[1];
  }
  if (address === undefined) return localHost;
  if (isIPv4(address)) return address;
  throw new TypeError(`Bad passiveAddress ${JSON.stringify(address)}: expected an IPv4 address`);
}

function extendedPassive(session: FTP, argument: string): void {
  const asked = argument.trim().toUpperCase();
  if (asked === 'ALL') {
    session.state.epsvAll = true;
    session.reply(200, 'EPSV ALL ok.');
    return;
  }
  const family = isIPv4(session.localHost) ? '1' : '2';
  if (asked !== '' && !/^\d+$/.test(asked))
    throw new CmdArgSyntaxError('Expected EPSV, EPSV 1, EPSV 2 or EPSV ALL.');
  if (asked !== '' && asked !== family) {
    throw new FTPCmdError(`Network protocol not supported, use (${family})`, 522);
  }
  const port = session.data.listen();
  session.reply(229, `Entering Extended Passive Mode (|||${port}|)`);
}

function aim(session: FTP, host: string, port: number, command: string): void {
  refuseAfterAll(session);
  const {
    allowActive = true,
    allowForeignData = false,
    allowLowPorts = false,
  } = session.factory.options;
  if (!allowActive) throw new CmdNotImplementedError('Active mode is disabled: use PASV or EPSV.');
  // Otherwise a client could have the server attack others (RFC 2577, 3).
  if (!allowForeignData && !sameHost(host, session.peerHost)) {
    throw new CmdArgSyntaxError('Data connections go to your own address only.');
  }
  if (port < 1024 && !allowLowPorts) {
    throw new CmdArgSyntaxError('Data connections go to ports from 1024 on only.');
  }
  session.data.aim(host, port);
  session.reply(200, `${command} command successful.`);
}

// --------------------------------------------------------------------------------------- listings

/** Options as of `ls`, which clients put before a path, are left out. */
function withoutOptions(argument: string): string {
  return argument.replace(/^(?:-[A-Za-z1]+(?: +|$))+/, '');
}

function needData(session: FTP): void {
  if (!session.data.prepared) throw new PortConnectionError('Use PASV, EPSV, PORT or EPRT first.');
}

interface Listing {
  readonly folder: Segments;
  readonly files: Iterable<ListedFile> | AsyncIterable<ListedFile>;
}

/** What is to be listed; a pattern in the last name chooses from its folder. */
async function filesOf(
  session: FTP,
  argument: string,
  keys: readonly FactName[],
): Promise<Listing> {
  const path = allowed(session, 'l', argument);
  const last = path.at(-1) ?? '';
  try {
    return { folder: path, files: await session.shell.list(path, keys) };
  } catch (error) {
    if (!(error instanceof FileNotFoundError) || !isPattern(last)) throw error;
  }
  const folder = path.slice(0, -1);
  session.permit('l', folder, argument);
  const isMatch = globMatcher(last);
  const files = await session.shell.list(folder, keys);
  return { folder, files: filtered(files, ([name]) => isMatch(name)) };
}

async function* filtered(
  files: Iterable<ListedFile> | AsyncIterable<ListedFile>,
  isWanted: (file: ListedFile) => boolean,
): AsyncGenerator<ListedFile> {
  for await (const file of files) if (isWanted(file)) yield file;
}

async function* mapped(
  files: Iterable<ListedFile> | AsyncIterable<ListedFile>,
  line: (file: ListedFile) => string,
): AsyncGenerator<string> {
  for await (const file of files) {
    // A name that would end its line cannot be told of.
    if (!/[\r\n]/.test(file[0])) yield line(file);
  }
}

function* mappedNow(
  files: Iterable<ListedFile>,
  line: (file: ListedFile) => string,
): Generator<string> {
  for (const file of files) if (!/[\r\n]/.test(file[0])) yield line(file);
}

function linesOf(
  files: Listing['files'],
  line: (file: ListedFile) => string,
): Iterable<string> | AsyncIterable<string> {
  return Symbol.iterator in files ? mappedNow(files, line) : mapped(files, line);
}

async function sendListing(
  session: FTP,
  path: string,
  lines: Iterable<string> | AsyncIterable<string>,
): Promise<void> {
  const transfer = new Transfer(session, 'listing', path);
  await transfer.send((consumer) => new LinePump(lines, consumer).run(), false);
}

async function list(session: FTP, argument: string): Promise<void> {
  needData(session);
  const path = withoutOptions(argument);
  const { files } = await filesOf(session, path, LIST_FACTS);
  const now = wallTime();
  await sendListing(
    session,
    path,
    linesOf(files, ([name, facts]) => listLine(name, facts, now)),
  );
}

/** The listing that STAT gives over the control connection. */
export async function statLines(session: FTP, argument: string, limit: number): Promise<string[]> {
  const { files } = await filesOf(session, withoutOptions(argument), LIST_FACTS);
  const now = wallTime();
  const lines: string[] = [];
  for await (const line of linesOf(files, ([name, facts]) => listLine(name, facts, now))) {
    if (lines.length >= limit) {
      lines.push('(and more)');
      break;
    }
    lines.push(line);
  }
  return lines;
}

async function nameList(session: FTP, argument: string): Promise<void> {
  needData(session);
  const path = withoutOptions(argument);
  let files: Listing['files'];
  try {
    ({ files } = await filesOf(session, path, []));
  } catch (error) {
    // Nothing of that name: an empty list (as Twisted).
    if (!(error instanceof FileNotFoundError || error instanceof InvalidPath)) throw error;
    files = [];
  }
  await sendListing(
    session,
    path,
    linesOf(files, ([name]) => name),
  );
}

async function machineList(session: FTP, argument: string): Promise<void> {
  needData(session);
  const path = allowed(session, 'l', argument);
  const [directory] = await session.shell.stat(path, ['directory']);
  if (directory !== true) throw new CmdArgSyntaxError(`${argument}: Not a directory.`);
  const files = await session.shell.list(path, MLST_FACTS);
  const { facts: told } = session.state;
  const line = ([name, facts]: ListedFile): string =>
    factsLine(name, facts, told, permOf(session, [...path, name], facts[0] === true));
  await sendListing(session, toPath(path), linesOf(files, line));
}

// ------------------------------------------------------------------------------------------ files

async function retrieve(session: FTP, argument: string): Promise<void> {
  const { rangeEnd: end } = session.state;
  const offset = session.takeRestart();
  needData(session);
  const path = allowed(session, 'r', argument);
  const range = end === null ? { offset } : { offset, end };
  const file = await session.shell.openForReading(path, range);
  // Shells that know nothing of ends have the whole rest.
  if (end !== null && (file.size === null || file.size > end - offset)) {
    await file.close();
    throw new CmdNotImplementedForArgError('RANG is not available for this file.');
  }
  await new Transfer(session, 'download', toPath(path)).download(file, session.state.type === 'A');
}

async function store(session: FTP, argument: string): Promise<void> {
  const offset = session.takeRestart();
  needData(session);
  const path = allowed(session, 'w', argument);
  if (path.length === 0) throw new FTPCmdError(`${argument}: Is a directory`, 550);
  const file = await session.shell.openForWriting(path, { offset });
  await new Transfer(session, 'upload', toPath(path)).upload(file, session.state.type === 'A');
}

async function append(session: FTP, argument: string): Promise<void> {
  session.takeRestart();
  needData(session);
  const path = allowed(session, 'a', argument);
  const file = await session.shell.openForWriting(path, { append: true });
  await new Transfer(session, 'upload', toPath(path)).upload(file, session.state.type === 'A');
}

async function storeUnique(session: FTP, argument: string): Promise<void> {
  session.takeRestart();
  needData(session);
  const path = allowed(session, 'w', argument === '' ? 'ftp' : argument);
  const file = await session.shell.openForWriting(path, { unique: true });
  const whole = toPath([...path.slice(0, -1), file.name]);
  const transfer = new Transfer(session, 'upload', `FILE: ${file.name}`);
  await transfer.upload(
    file,
    session.state.type === 'A',
    `Transfer complete (unique file name: ${whole}).`,
  );
}

export const TRANSFER_COMMANDS: Readonly<Record<string, CommandRow>> = {
  PASV: { argument: 'none', login: true, transfers: true, help: 'PASV', run: passive },
  EPSV: {
    ...{ argument: 'optional', login: true, transfers: true, help: 'EPSV [<SP> (1|2|ALL)]' },
    feature: 'EPSV',
    run: extendedPassive,
  },
  PORT: {
    ...{ argument: 'required', login: true, transfers: true, help: 'PORT <SP> h1,h2,h3,h4,p1,p2' },
    run: (session, argument) => aim(session, ...parsePort(argument), 'PORT'),
  },
  EPRT: {
    ...{ argument: 'required', login: true, transfers: true, help: 'EPRT <SP> |family|host|port|' },
    feature: 'EPRT',
    run: (session, argument) => {
      const [family, host, port] = parseExtendedPort(argument);
      const own = isIPv4(session.localHost) ? '1' : '2';
      if (family !== own) {
        throw new FTPCmdError(`Network protocol not supported, use (${own})`, 522);
      }
      aim(session, host, port, 'EPRT');
    },
  },
  LIST: { argument: 'optional', login: true, transfers: true, help: 'LIST [<SP> path]', run: list },
  NLST: {
    argument: 'optional',
    login: true,
    transfers: true,
    help: 'NLST [<SP> path]',
    run: nameList,
  },
  MLSD: {
    argument: 'optional',
    login: true,
    transfers: true,
    help: 'MLSD [<SP> path]',
    run: machineList,
  },
  RETR: {
    argument: 'required',
    login: true,
    transfers: true,
    help: 'RETR <SP> path',
    run: retrieve,
  },
  STOR: { argument: 'required', login: true, transfers: true, help: 'STOR <SP> path', run: store },
  APPE: { argument: 'required', login: true, transfers: true, help: 'APPE <SP> path', run: append },
  STOU: {
    argument: 'optional',
    login: true,
    transfers: true,
    help: 'STOU [<SP> path]',
    run: storeUnique,
  },
  REST: {
    ...{ argument: 'required', login: true, help: 'REST <SP> offset', feature: 'REST STREAM' },
    run: (session, argument) => {
      if (!/^\d{1,15}$/.test(argument.trim())) throw new CmdArgSyntaxError('Expected REST offset.');
      const offset = Number(argument);
      if (offset > 0 && session.state.type === 'A') {
        throw new CmdArgSyntaxError('Resuming transfers is not allowed in ASCII mode.');
      }
      session.state.restart = offset;
      session.state.rangeEnd = null;
      session.reply(350, `Restarting at ${offset}. Send STOR or RETR.`);
    },
  },
  RANG: {
    ...{ argument: 'required', login: true, help: 'RANG <SP> first <SP> last' },
    feature: 'RANG STREAM',
    run: (session, argument) => {
      const [, first, last] = /^(\d{1,15}) (\d{1,15})$/.exec(argument.trim()) ?? [];
      const [start, end] = [Number(first), Number(last) + 1];
      // '1 0' is how it is taken back (draft-bryan-ftp-range).
      const isBack = start === 1 && end === 1;
      if (first === undefined || (start >= end && !isBack)) {
        throw new CmdArgSyntaxError('Expected RANG first last.');
      }
      if (session.state.type === 'A') {
        throw new CmdArgSyntaxError('Ranges are not allowed in ASCII mode.');
      }
      session.state.restart = isBack ? 0 : start;
      session.state.rangeEnd = isBack ? null : end;
      session.reply(350, isBack ? 'No range.' : `Restarting at ${start}, to end at ${last}.`);
    },
  },
  ABOR: {
    ...{ argument: 'none', login: true, duringTransfer: true, help: 'ABOR' },
    run: (session) => {
      const { transfer, data } = session;
      if (transfer !== null) {
        transfer.whenOver(() => session.reply(226, 'ABOR command successful.'));
        transfer.abort(new FTPCmdError('Transfer aborted.', 426));
        return;
      }
      const wasPrepared = data.prepared;
      data.close();
      session.reply(
        225,
        wasPrepared ? 'ABOR command successful; data channel closed.' : 'No transfer to ABOR.',
      );
    },
  },
};
