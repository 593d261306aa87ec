/** The commands that look at a service and change nothing: status, logs, doctor. */
import type { CommandContext } from './cli-context.ts';
import { plannedCommandLine, sourceOf } from './cli-registration.ts';
import { describeService, statusFields, statusLines } from './cli-status.ts';
import { examine } from './doctor.ts';
import { defaultLogFile, logFileOf } from './logs.ts';
import { fullAccount } from './passwords.ts';

/** Lines of the log that are shown. */
const LOG_LINES = 50;

export async function status({ target, console, how }: CommandContext): Promise<number> {
  const description = describeService(target.name, how);
  console.tell(statusFields(description));
  for (const line of statusLines(description)) console.say(line);
  return 0;
}

export async function logs(context: CommandContext): Promise<number> {
  const { console, target, options, system } = context;
  const { config } = describeService(target.name, context.how);
  const file = logFileOf(config.imagePath) ?? defaultLogFile(target.name, system.environment);
  const lines = system.lastLines(file, options.lines ?? LOG_LINES);
  console.tell({ logfile: file, log: lines });
  for (const line of lines) console.say(line);
  return 0;
}

export function logOf(
  { target, how, system }: CommandContext,
  count: number,
): { file: string; lines: string[] } | null {
  try {
    const { config } = describeService(target.name, how);
    const file = logFileOf(config.imagePath);
    return file === null ? null : { file, lines: system.lastLines(file, count) };
  } catch {
    return null; // it was worth a try
  }
}

export async function doctor(context: CommandContext): Promise<number> {
  const { target, options, console, system } = context;
  const findings = examine({
    name: target.name,
    system,
    account: options.username === undefined ? null : fullAccount(options.username, target.name),
    expected: (previous) => plannedCommandLine(context, previous),
    source: (imagePath) => sourceOf(context, imagePath),
  });
  console.tell({ findings });
  for (const { level, text, advice } of findings) {
    console.say(`${{ ok: '[ok]  ', warn: '[warn]', fail: '[FAIL]' }[level]} ${text}`);
    if (advice !== undefined) console.say(`       ${advice}`);
  }
  return findings.some(({ level }) => level === 'fail') ? 1 : 0;
}
