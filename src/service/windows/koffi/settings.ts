/** The settings of a service beyond its configuration: levels of ChangeServiceConfig2, and values in its key of the registry. */
import { nameOf, SETTING_LEVELS, SID_TYPE_CODES } from '../constants.ts';
import { WindowsError } from '../errors.ts';
import { changeServiceConfig2, queryServiceConfig2 } from '../ffi/advapi32.ts';
import { addressOf, check, memory, type Pointer } from '../ffi/koffi.ts';
import { RegistryKey } from '../ffi/registry.ts';
import {
  type Answer,
  type Block,
  descriptionBlock,
  numberBlock,
  privilegesBlock,
  readDescription,
  readPrivileges,
  readRecovery,
  recoveryBlock,
} from '../ffi/structs.ts';
import type { ServiceSettings } from '../scm-api.ts';
import { answerOf } from './handle.ts';

/** The key of all services, below HKEY_LOCAL_MACHINE. */
export const SERVICES = 'SYSTEM\\CurrentControlSet\\Services';

const NOT_SUPPORTED = 50;
const INVALID_DATA = 13;

interface Level<T> {
  readonly level: number;
  readonly read: (answer: Answer) => T;
  readonly block: (value: T) => Block;
}

type LevelName = keyof typeof SETTING_LEVELS;

const flag = (level: number): Level<boolean> => ({
  level,
  read: ({ bytes }) => bytes.readUInt32LE(0) !== 0,
  block: (value) => numberBlock(value ? 1 : 0),
});

const LEVELS: { readonly [K in LevelName]: Level<ServiceSettings[K]> } = {
  description: {
    level: SETTING_LEVELS.description,
    read: readDescription,
    block: descriptionBlock,
  },
  recovery: { level: SETTING_LEVELS.recovery, read: readRecovery, block: recoveryBlock },
  delayedStart: flag(SETTING_LEVELS.delayedStart),
  recoverOnErrorExit: flag(SETTING_LEVELS.recoverOnErrorExit),
  sidType: {
    level: SETTING_LEVELS.sidType,
    read: ({ bytes }) => nameOf(SID_TYPE_CODES, bytes.readUInt32LE(0)) ?? 'none',
    block: (value) => numberBlock(SID_TYPE_CODES[value]),
  },
  requiredPrivileges: {
    level: SETTING_LEVELS.requiredPrivileges,
    read: readPrivileges,
    block: privilegesBlock,
  },
  preshutdownTimeout: {
    level: SETTING_LEVELS.preshutdownTimeout,
    read: ({ bytes }) => bytes.readUInt32LE(0) / 1000,
    block: (value) => numberBlock(Math.round(value * 1000)),
  },
};

/** A service as the settings see it. */
export interface Configured {
  readonly name: string;
  readonly handle: Pointer;
  /** Whether it is a service of this machine, whose registry can be read. */
  readonly local: boolean;
}

/** @throws {WindowsError} 124 this system does not know it */
export function querySetting<K extends keyof ServiceSettings>(
  service: Configured,
  setting: K,
): ServiceSettings[K] {
  const operation = `query the ${setting} of service ${JSON.stringify(service.name)}`;
  // What a setting's name leads to has the setting's type, which the compiler cannot tell from a name that it does not know.
  if (setting === 'environment') return readEnvironment(service, operation) as ServiceSettings[K];
  if (setting === 'parameters') return readParameters(service, operation) as ServiceSettings[K];
  const { level, read } = levelOf(setting);
  const answer = answerOf(operation, (bytes, size, needed) =>
    queryServiceConfig2(service.handle, level, bytes, size, needed),
  );
  return read(answer);
}

/** @throws {WindowsError} 87, 124 this system does not know it */
export function changeSetting<K extends keyof ServiceSettings>(
  service: Configured,
  setting: K,
  value: ServiceSettings[K],
): void {
  const operation = `change the ${setting} of service ${JSON.stringify(service.name)}`;
  if (setting === 'environment' || setting === 'parameters') {
    const texts = value as Readonly<Record<string, string>>; // both are
    if (setting === 'environment') writeEnvironment(service, texts, operation);
    else writeParameters(service, texts, operation);
    return;
  }
  const { level, block } = levelOf(setting);
  const built = block(value);
  const target = memory(built.size);
  built.write(target, addressOf(target));
  check(changeServiceConfig2(service.handle, level, target), operation);
}

function levelOf<K extends keyof ServiceSettings>(setting: K): Level<ServiceSettings[K]> {
  const level = LEVELS[setting as LevelName]; // the two others were dealt with
  return level as unknown as Level<ServiceSettings[K]>; // see querySetting
}

function key({ name, local }: Configured, operation: string): string {
  if (!local) throw new WindowsError(NOT_SUPPORTED, operation);
  return `${SERVICES}\\${name}`;
}

function readEnvironment(service: Configured, operation: string): Record<string, string> {
  const lines = RegistryKey.with(
    key(service, operation),
    [],
    (at) => at.texts('Environment') ?? [],
  );
  return Object.fromEntries(
    lines.map((line) => {
      // A name may begin with '=', as those of cmd.exe do.
      const end = line.indexOf('=', 1);
      return end < 0 ? [line, ''] : [line.slice(0, end), line.slice(end + 1)];
    }),
  );
}

function writeEnvironment(
  service: Configured,
  variables: Readonly<Record<string, string>>,
  operation: string,
): void {
  const entries = Object.entries(variables);
  for (const [name, value] of entries) {
    if (name === '' || name.includes('=', 1) || /\0/.test(name + value)) {
      throw new WindowsError(INVALID_DATA, operation);
    }
  }
  RegistryKey.change(key(service, operation), (at) => {
    if (entries.length === 0) at.remove('Environment');
    else
      at.set(
        'Environment',
        entries.map(([name, value]) => `${name}=${value}`),
      );
  });
}

function readParameters(service: Configured, operation: string): Record<string, string> {
  return RegistryKey.with(`${key(service, operation)}\\Parameters`, {}, (at) => {
    const found: [string, string][] = [];
    for (const name of at.names()) {
      const text = at.text(name);
      if (text !== undefined) found.push([name, text]);
    }
    return Object.fromEntries(found);
  });
}

function writeParameters(
  service: Configured,
  parameters: Readonly<Record<string, string>>,
  operation: string,
): void {
  RegistryKey.change(`${key(service, operation)}\\Parameters`, (at) => {
    // Values that are no texts are somebody else's.
    for (const name of at.names()) {
      if (!(name in parameters) && at.text(name) !== undefined) at.remove(name);
    }
    for (const [name, value] of Object.entries(parameters)) at.set(name, value);
  });
}

/** DependOnService and DependOnGroup: what Wine does not tell otherwise. */
export function registeredDependencies(name: string): string[] {
  return RegistryKey.with(`${SERVICES}\\${name}`, [], (key) => [
    ...(key.texts('DependOnService') ?? []),
    ...(key.texts('DependOnGroup') ?? []).map((group) => `+${group}`),
  ]);
}

/** Whether Windows has marked it as deleted. */
export function isMarkedDeleted(name: string): boolean {
  return RegistryKey.with(
    `${SERVICES}\\${name}`,
    true,
    (key) => (key.number('DeleteFlag') ?? 0) !== 0,
  );
}
