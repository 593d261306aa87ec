/**
 * Writes down how a service is registered, and registers it like that again: for another machine, or before a change.
 *
 *     node windows-backup.js save chat chat.json
 *     node windows-backup.js restore chat.json        (asks for nothing: give the password anew with `update`)
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import {
  installService,
  KoffiScm,
  type ScmClientApi,
  type ServiceSetup,
  WindowsError,
} from '../../src/index.ts';

const SETTINGS = [
  ...(['description', 'recovery', 'delayedStart', 'recoverOnErrorExit', 'sidType'] as const),
  ...(['requiredPrivileges', 'preshutdownTimeout', 'environment', 'parameters'] as const),
];

/** All that is known of a service, but for the password of its account. */
export function registrationOf(name: string, scm: ScmClientApi): ServiceSetup {
  const manager = scm.openManager();
  const service = manager.openService(name, ['query-config']);
  try {
    const settings = SETTINGS.flatMap((setting) => {
      try {
        return [[setting, service.querySetting(setting)]];
      } catch (error) {
        if (error instanceof WindowsError && error.winerror === 124) return []; // not on this system
        throw error;
      }
    });
    return { name: service.name, ...service.queryConfig(), ...Object.fromEntries(settings) };
  } finally {
    service.close();
    manager.close();
  }
}

async function main([verb, ...args]: readonly string[]): Promise<number> {
  const [first = '', file = ''] = args;
  if (verb === 'save' && file !== '') {
    writeFileSync(file, JSON.stringify(registrationOf(first, new KoffiScm()), null, 2));
    return 0;
  }
  if (verb === 'restore' && first !== '') {
    const { updated } = await installService(JSON.parse(readFileSync(first, 'utf8')));
    console.log(updated ? 'Updated' : 'Installed');
    return 0;
  }
  console.error('Usage: windows-backup save SERVICE FILE | restore FILE');
  return 2;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
    console.error(String(error));
    return error instanceof WindowsError ? error.winerror : 1;
  });
}
