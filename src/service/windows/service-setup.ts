/** What a service is like, as one object: its configuration, which Windows takes in one call, and its further settings, which it takes one by one. */
import type { ServiceRight } from './constants.ts';
import { isWindowsError } from './errors.ts';
import type {
  RecoveryPlan,
  ScmManager,
  ScmService,
  ServiceConfigChange,
  ServiceDefinition,
  ServiceSettings,
} from './scm-api.ts';
import { openBy } from './service-access.ts';

/** Recovery as it is given: what is left out is a day (`resetPeriod`), or nothing. */
export type RecoverySetup = Pick<RecoveryPlan, 'actions'> & Partial<RecoveryPlan>;

/** Further settings as they are given. Who asks for recovery gets it after a stop with an error, too, unless `recoverOnErrorExit` says otherwise: that is how most services fail. */
export type GivenSettings = Partial<Omit<ServiceSettings, 'recovery'>> & {
  readonly recovery?: RecoverySetup;
};

/** What a service is to be like: its configuration, and any of its further settings. */
export type ServiceSetup = ServiceDefinition & GivenSettings;

/** What `changeServiceConfig` takes. */
export type ServiceChange = ServiceConfigChange & GivenSettings;

/** Seconds in a day. */
const DAY = 86_400;

const SETTINGS: ReadonlyArray<keyof ServiceSettings> = [
  'description',
  'delayedStart',
  'recovery',
  'recoverOnErrorExit',
  'sidType',
  'requiredPrivileges',
  'preshutdownTimeout',
  'environment',
  'parameters',
];

/** What it takes to give a service its settings. */
export function setupRights(
  settings: Partial<ServiceSettings>,
  ...more: readonly ServiceRight[]
): ServiceRight[] {
  const restarts = settings.recovery?.actions.some(({ type }) => type === 'restart') ?? false;
  return ['query-config', 'change-config', ...(restarts ? ['start' as const] : []), ...more];
}

/** The two parts. */
export function partsOf(setup: ServiceSetup): {
  definition: ServiceDefinition;
  settings: Partial<ServiceSettings>;
} {
  const isSetting = ([key]: [string, unknown]): boolean =>
    SETTINGS.some((setting) => setting === key);
  const { recovery } = setup;
  const whole = {
    ...(recovery === undefined ? {} : { recoverOnErrorExit: recovery.actions.length > 0 }),
    ...setup,
    recovery: recovery && { resetPeriod: DAY, rebootMessage: '', command: '', ...recovery },
  };
  const entries = Object.entries(whole).filter(([, value]) => value !== undefined);
  return {
    // What is left when the settings are taken out is a definition, which the compiler cannot follow.
    definition: Object.fromEntries(
      entries.filter((one) => !isSetting(one)),
    ) as unknown as ServiceDefinition,
    settings: Object.fromEntries(entries.filter(isSetting)),
  };
}

/** Changes one that is there. Gives the settings that this system does not know. @throws {WindowsError} */
export function changeIt(
  manager: ScmManager,
  name: string,
  { imagePath: line = '', ...change }: ServiceChange,
): Array<keyof ServiceSettings> {
  const { definition, settings } = partsOf({ ...change, name, imagePath: line });
  const { name: _, imagePath, ...config } = definition;
  const service = openBy(manager, name, setupRights(settings));
  try {
    service.changeConfig(imagePath === '' ? config : { ...config, imagePath });
    return applySettings(service, settings);
  } finally {
    service.close();
  }
}

/** Gives a service its settings, and returns those that this system does not know. @throws {WindowsError} */
export function applySettings(
  service: ScmService,
  settings: Partial<ServiceSettings>,
): Array<keyof ServiceSettings> {
  const unsupported: Array<keyof ServiceSettings> = [];
  const apply = <K extends keyof ServiceSettings>(setting: K): void => {
    const value = settings[setting];
    if (value === undefined) return;
    try {
      service.changeSetting(setting, value);
    } catch (error) {
      if (!isWindowsError(error, 124)) throw error;
      unsupported.push(setting);
    }
  };
  for (const setting of SETTINGS) apply(setting);
  return unsupported;
}
