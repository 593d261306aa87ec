/** `twistd inetd`: starts a program for each connection, or serves a small classic itself, as an inetd.conf says (Twisted: `twistd inetd`). */
import { readFileSync } from 'node:fs';
import { Factory, type Protocol } from '../../protocols/index.ts';
import { Chargen, Daytime, Discard, Echo, Time } from '../../protocols/wire/index.ts';
import { getServicePort, type IProtocolFactory } from '../../reactor/index.ts';
import { UsageError } from '../errors.ts';
import { TCPServer } from '../port-services.ts';
import { findIdentity } from '../posix/privileges.ts';
import { MultiService } from '../service.ts';
import { defineOptions } from '../twistd/command-options.ts';
import { ProgramFactory } from './inetd-program.ts';

export const Options = defineOptions(
  {
    file: {
      ...{ type: 'string', short: 'f', value: 'FILE', default: '/etc/inetd.conf' },
      description: 'what to serve, see inetd.conf(5)',
    },
    interface: {
      ...{ type: 'string', value: 'ADDRESS', default: '127.0.0.1' },
      description: "address to listen on; '' is all of this machine",
    },
    maxConnections: {
      ...{ type: 'integer', min: 1, default: 40 },
      description: 'programs of one line at a time; further connections are closed',
    },
  },
  {
    description:
      'Starts a program for each connection, with the connection for its input and output.',
    epilog:
      'A line of the file: SERVICE stream tcp nowait USER PROGRAM ARGUMENT0 ARGUMENT...\nSERVICE is a name or a port; PROGRAM may be internal, for echo, discard, chargen, daytime and time.\nExample:\n  twistd inetd -f my.conf',
  },
);

/** What `internal` serves. */
const INTERNAL: Readonly<Record<string, new () => Protocol>> = {
  echo: Echo,
  discard: Discard,
  chargen: Chargen,
  daytime: Daytime,
  time: Time,
};

export function makeService({
  file,
  interface: host,
  maxConnections,
}: InstanceType<typeof Options>): MultiService {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Bad value ${JSON.stringify(file)} of --file: ${reason}`, { cause });
  }
  const service = new MultiService();
  for (const line of parseInetdConf(text, file)) {
    const factory = factoryOf(line, maxConnections);
    const server = new TCPServer(line.port, factory, { interface: host });
    server.setName(`${line.service} on ${line.port}`);
    server.setServiceParent(service);
  }
  if ([...service].length === 0) throw new UsageError(`Nothing to serve in ${file}`);
  return service;
}

/** A line of inetd.conf. */
export interface InetdLine {
  readonly service: string;
  readonly port: number;
  /** Empty for ourselves. */
  readonly user: string;
  readonly group: string;
  /** `internal`, or a path. */
  readonly program: string;
  /** The program's own name first. */
  readonly args: readonly string[];
}

/**
 * Reads an inetd.conf(5): lines of `service stream tcp nowait user[.group] program argument...`.
 * @param file what it is called in complaints
 * @throws {UsageError} that names the line, for what is wrong or not supported
 */
export function parseInetdConf(text: string, file: string): InetdLine[] {
  return text.split('\n').flatMap((whole, index) => {
    const line = whole.replace(/#.*/, '').trim();
    if (line === '') return [];
    const bad = (problem: string): UsageError =>
      new UsageError(`Bad line ${index + 1} of ${file}: ${problem}`);
    const [service = '', type, protocol, wait = '', owner, program, ...args] = line.split(/\s+/);
    if (program === undefined || owner === undefined) {
      throw bad('expected SERVICE stream tcp nowait USER PROGRAM ARGUMENT...');
    }
    if (type !== 'stream' || protocol !== 'tcp' || !/^nowait(\.\d+)?$/.test(wait)) {
      throw bad(
        `only "stream tcp nowait" is supported, not ${JSON.stringify([type, protocol, wait].join(' '))}`,
      );
    }
    const port = /^\d{1,5}$/.test(service) ? Number(service) : getServicePort(service);
    if (port === undefined || port > 65_535)
      throw bad(`unknown service ${JSON.stringify(service)}`);
    if (program === 'internal' && INTERNAL[service] === undefined) {
      throw bad(`${JSON.stringify(service)} is not served by this program itself`);
    }
    if (program !== 'internal' && !program.startsWith('/')) {
      throw bad(`program ${JSON.stringify(program)} is not an absolute path`);
    }
    const [user = '', group = ''] = owner.split(/[.:]/);
    return [
      { ...{ service, port, user, group, program }, args: args.length === 0 ? [program] : args },
    ];
  });
}

function factoryOf(line: InetdLine, most: number): IProtocolFactory {
  const Internal = line.program === 'internal' ? INTERNAL[line.service] : undefined;
  if (Internal !== undefined) return Factory.forProtocol(Internal);
  const { uid, gid } = findIdentity({ uid: line.user, gid: line.group === '' ? null : line.group });
  const same = uid === process.getuid?.() && (gid === undefined || gid === process.getgid?.());
  return new ProgramFactory(
    line.program,
    line.args,
    most,
    same ? {} : { uid: uid ?? null, gid: gid ?? null },
  );
}
