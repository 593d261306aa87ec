/** Accounts that services run as, and where their passwords come from: never from a place where others may read them. */
import { UsageError } from '../errors.ts';

/** Windows' names of its own accounts, by what people call them. */
const OWN_ACCOUNTS: ReadonlyMap<string, string> = new Map([
  ['localsystem', 'LocalSystem'],
  ['system', 'LocalSystem'],
  ['nt authority\\system', 'LocalSystem'],
  ['localservice', 'NT AUTHORITY\\LocalService'],
  ['local service', 'NT AUTHORITY\\LocalService'],
  ['networkservice', 'NT AUTHORITY\\NetworkService'],
  ['network service', 'NT AUTHORITY\\NetworkService'],
]);

/** The account as Windows wants it: 'virtual' is the service's own account, and a user without a domain is one of this machine. */
export function fullAccount(account: string, service: string): string {
  if (account.toLowerCase() === 'virtual') return `NT SERVICE\\${service}`;
  const own = OWN_ACCOUNTS.get(account.toLowerCase());
  if (own !== undefined) return own;
  return /[\\@]/.test(account) ? account : `.\\${account}`;
}

/** Whether it is a user, who has a password and needs the right to log on as a service: not one of Windows' own, a virtual or a managed account. */
export function isUser(account: string): boolean {
  return !/^(\.\\)?localsystem$|^nt (authority|service)\\|\$$/i.test(account);
}

/** Where to get a password from. */
export interface PasswordSources {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Reads all of standard input. */
  readonly readInput: () => Promise<string>;
  /** Asks somebody; null when nobody is there. */
  readonly prompt: ((question: string) => Promise<string>) | null;
}

/** How a password is given. */
export interface PasswordOptions {
  readonly password?: string | undefined;
  readonly passwordEnv?: string | undefined;
  readonly passwordStdin?: true | undefined;
}

/** The variable that is looked at when nothing else is said. */
export const PASSWORD_VARIABLE = 'STRAND_SERVICE_PASSWORD';

/**
 * The password of an account, from the first that has one: the option, the environment variable that is named, standard input, the usual environment variable, somebody who is asked.
 * @throws {UsageError} there is none, or more than one way is asked for
 */
export async function passwordFor(
  account: string,
  { password, passwordEnv, passwordStdin }: PasswordOptions,
  { environment, readInput, prompt }: PasswordSources,
): Promise<string> {
  if ([password, passwordEnv, passwordStdin].filter((way) => way !== undefined).length > 1) {
    throw new UsageError(
      'Options --password, --password-env and --password-stdin exclude each other: give one of them',
    );
  }
  if (password !== undefined) return password;
  if (passwordEnv !== undefined) {
    const value = environment[passwordEnv];
    if (value !== undefined) return value;
    throw new UsageError(
      `No password for ${JSON.stringify(account)}: environment variable ${passwordEnv} is not set`,
    );
  }
  if (passwordStdin) return (await readInput()).replace(/\r?\n$/, '');
  const usual = environment[PASSWORD_VARIABLE];
  if (usual !== undefined) return usual;
  if (prompt !== null) return await prompt(`Password of ${account}: `);
  throw new UsageError(
    `No password for ${JSON.stringify(account)}: set ${PASSWORD_VARIABLE}, or give --password-stdin or --password-env`,
  );
}

/** A terminal's input, as far as asking needs it. */
export interface TerminalInput extends NodeJS.ReadableStream {
  setRawMode(raw: boolean): unknown;
}

/**
 * Asks on a terminal, and shows nothing of what is typed.
 * @throws {UsageError} through the promise, when whoever is asked gives up with Ctrl+C or the input ends
 */
export function askOnTerminal(
  question: string,
  input: TerminalInput,
  write: (text: string) => void,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let typed = '';
    const end = (): void => {
      input.off('data', onData);
      input.off('end', onEnd);
      input.setRawMode(false);
      input.pause();
      write('\n');
    };
    const onEnd = (): void => {
      end();
      reject(new UsageError('No password: whoever was asked gave up'));
    };
    const onData = (data: string | Buffer): void => {
      for (const character of String(data)) {
        if (character === '\r' || character === '\n') {
          end();
          resolve(typed);
          return;
        }
        if (character === '\x03' || character === '\x04') {
          onEnd();
          return;
        }
        if (character === '\x7f' || character === '\b') typed = [...typed].slice(0, -1).join('');
        else typed += character;
      }
    };
    write(question);
    input.setRawMode(true);
    input.setEncoding('utf8');
    input.on('data', onData);
    input.on('end', onEnd);
    input.resume();
  });
}
