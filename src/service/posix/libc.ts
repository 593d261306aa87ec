/**
 * The functions of the C library that Node does not lend, called through koffi, an optional dependency that is loaded when the first of them is called.
 */
import { createRequire } from 'node:module';
import { StartError } from '../errors.ts';

/** The part of koffi that is used here. */
interface Koffi {
  load(path: string | null): { func(declaration: string): (...args: unknown[]) => unknown };
  errno(): number;
  readonly os: { readonly errno: Readonly<Record<string, number>> };
}

/** The C library's functions. Those that fail throw a StartError with the name of the error. */
export interface Libc {
  /** chroot(2) */
  chroot(path: string): void;
  /** openlog(3). @param facility as in <syslog.h>, shifted */
  openlog(ident: string, facility: number): void;
  /** syslog(3). @param priority 0 (emergency) to 7 (debug) */
  syslog(priority: number, text: string): void;
  closelog(): void;
  /**
   * Sends one datagram to a UNIX socket, as sd_notify(3) does. Gives false where nobody takes it.
   * @param path of the socket; one in Linux' abstract namespace begins with `@` or NUL
   */
  sendDatagram(path: string, data: Buffer): boolean;
}

const LOG_PID = 1;
/** Connects at once: after a change of the root directory it could not. */
const LOG_NDELAY = 8;
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = process.platform === 'linux' ? 0o2000000 : 0;
const MSG_NOSIGNAL = process.platform === 'linux' ? 0x4000 : 0;
/** What a path may take in a sockaddr_un, in bytes. */
const PATH_MAX = process.platform === 'linux' ? 108 : 104;

let loaded: Libc | undefined;

/**
 * The C library.
 * @throws {StartError} where koffi is not there, or this is Windows
 */
export function libc(): Libc {
  loaded ??= bind(loadKoffi());
  return loaded;
}

function loadKoffi(): Koffi {
  if (process.platform === 'win32') {
    throw new StartError("Cannot call functions of the C library: this is 'win32'");
  }
  try {
    // What it exports is described by the interface above.
    return createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new StartError(
      `Cannot load 'koffi', which calls functions of the C library; 'npm install koffi' installs it: ${reason}`,
      { cause },
    );
  }
}

function bind(koffi: Koffi): Libc {
  const library = koffi.load(process.platform === 'darwin' ? 'libSystem.dylib' : null);
  const chroot = library.func('int chroot(const char *path)');
  const openlog = library.func('void openlog(const void *ident, int option, int facility)');
  const syslog = library.func('void syslog(int priority, const char *format, ...)');
  const closelog = library.func('void closelog()');
  const socket = library.func('int socket(int domain, int type, int protocol)');
  const close = library.func('int close(int descriptor)');
  const sendto = library.func(
    'intptr_t sendto(int descriptor, const void *data, size_t size, int flags, const void *address, uint32_t length)',
  );
  const fail = (what: string): never => {
    const number = koffi.errno();
    const name = Object.entries(koffi.os.errno).find(([, value]) => value === number)?.[0];
    throw new StartError(`Cannot ${what}: ${name ?? `error ${number}`}`);
  };
  /** openlog keeps the address, not the text. */
  let ident: Buffer | undefined;
  return {
    chroot: (path) => {
      if (chroot(path) !== 0) fail(`change the root directory to ${JSON.stringify(path)}`);
    },
    openlog: (name, facility) => {
      ident = Buffer.from(`${name.replaceAll('\0', '')}\0`);
      openlog(ident, LOG_PID | LOG_NDELAY, facility);
    },
    syslog: (priority, text) => void syslog(priority, '%s', 'char *', text.replaceAll('\0', ' ')),
    closelog: () => {
      closelog();
      ident = undefined;
    },
    sendDatagram: (path, data) => {
      const address = socketAddress(path);
      const descriptor = Number(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      if (descriptor < 0) return false;
      const sent = sendto(descriptor, data, data.length, MSG_NOSIGNAL, address, address.length);
      close(descriptor);
      return Number(sent) === data.length;
    },
  };
}

/** A sockaddr_un. An abstract name has its own length; a path ends with a NUL. */
function socketAddress(path: string): Buffer {
  const abstract = path.startsWith('@') || path.startsWith('\0');
  const name = Buffer.from(abstract ? `\0${path.slice(1)}` : `${path}\0`);
  if (name.length > PATH_MAX) {
    throw new StartError(
      `Cannot send to socket ${JSON.stringify(path)}: its name takes more than ${PATH_MAX} bytes`,
    );
  }
  const family = Buffer.alloc(2);
  if (process.platform === 'linux') family.writeUInt16LE(AF_UNIX);
  else family.set([name.length + 2, AF_UNIX]); // BSD has a length and a family of one byte each
  return Buffer.concat([family, name]);
}
