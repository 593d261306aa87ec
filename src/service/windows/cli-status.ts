/** What is known of a service, gathered and put into words. */
import { STATE_CODES } from './constants.ts';
import { isWindowsError } from './errors.ts';
import { describeExit } from './exit-codes.ts';
import type {
  RecoveryPlan,
  ScmService,
  ServiceConfig,
  ServiceSettings,
  ServiceStatus,
} from './scm-api.ts';
import { openService, type ServiceFunctionOptions } from './service-access.ts';

/** All that is known of a service. Settings that this system does not know are absent, or may not be seen. */
export interface ServiceDescription {
  readonly name: string;
  readonly status: ServiceStatus;
  readonly config: ServiceConfig;
  readonly settings: Partial<ServiceSettings>;
}

const SHOWN = [
  'description',
  'delayedStart',
  'recovery',
  'recoverOnErrorExit',
  'sidType',
  'requiredPrivileges',
  'preshutdownTimeout',
  'environment',
] as const satisfies ReadonlyArray<keyof ServiceSettings>;

/** @throws {WindowsError} 5, 1060 */
export function describeService(name: string, options: ServiceFunctionOptions): ServiceDescription {
  const service = openService(name, ['query-status', 'query-config'], options);
  try {
    return {
      name: service.name,
      status: service.queryStatus(),
      config: service.queryConfig(),
      settings: Object.fromEntries(SHOWN.flatMap((setting) => settingOf(service, setting))),
    };
  } finally {
    service.close();
  }
}

function settingOf(
  service: ScmService,
  setting: (typeof SHOWN)[number],
): Array<readonly [string, unknown]> {
  try {
    return [[setting, service.querySetting(setting)]];
  } catch (error) {
    // 124 unknown here, 50 cannot be asked of another machine, 5 not for everybody's eyes.
    if (isWindowsError(error, 124, 50, 5)) return [];
    throw error;
  }
}

/** The description for people, a line each. */
export function statusLines({ name, status, config, settings }: ServiceDescription): string[] {
  const { delayedStart, recovery, preshutdownTimeout, environment } = settings;
  const rows: Array<readonly [string, string]> = [
    ['State', stateText(status)],
    ...(status.state === 'stopped' ? [['Ended with', describeExit(status)] as const] : []),
    ['Accepts', status.accepts.join(', ')],
    ['Start', config.startType + (delayedStart === true ? ' (delayed)' : '')],
    ['Account', config.account],
    ['Command', config.imagePath],
    ['Needs', config.dependencies.join(', ')],
    ['Recovery', recovery === undefined ? '' : recoveryText(recovery, settings.recoverOnErrorExit)],
    ['At shutdown', preshutdownTimeout === undefined ? '' : `${preshutdownTimeout} s`],
    ['Environment', Object.keys(environment ?? {}).join(', ')],
    ['Description', settings.description ?? ''],
  ];
  const title = config.displayName === name ? name : `${name} (${config.displayName})`;
  return [
    title,
    ...rows
      .filter(([, text]) => text !== '')
      .map(([label, text]) => `  ${`${label}:`.padEnd(13)}${text}`),
  ];
}

/** 'running, process 1234'; 'stop-pending, step 3, next within 10 s'. */
export function stateText({ state, pid, checkPoint, waitHint }: ServiceStatus): string {
  const step = checkPoint > 0 ? `, step ${checkPoint}` : '';
  const hint = waitHint > 0 ? `, next within ${waitHint} s` : '';
  return `${state}${step}${hint}${pid > 0 ? `, process ${pid}` : ''}`;
}

function recoveryText(
  { actions, resetPeriod }: RecoveryPlan,
  onErrorExit: boolean | undefined,
): string {
  if (actions.length === 0) return 'none';
  const steps = actions.map(({ type, delay }) => `${type} after ${delay} s`).join(', ');
  const reset = resetPeriod === null ? 'never' : `after ${resetPeriod} s without a failure`;
  const only = onErrorExit === false ? '; crashes only' : '';
  return `${steps}; begins anew ${reset}${only}`;
}

/** The object that `--json` prints. Names of variables, not their values, which may be secrets. */
export function statusFields(description: ServiceDescription): Record<string, unknown> {
  const { status, config, settings } = description;
  return {
    service: description.name,
    status: { ...status, code: STATE_CODES[status.state] },
    config,
    settings: { ...settings, environment: Object.keys(settings.environment ?? {}) },
  };
}
