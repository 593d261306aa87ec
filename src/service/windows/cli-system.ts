/** What the commands need of the system they run on. Tests give their own. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DeferredClock } from '../../deferred/index.ts';
import { reactor } from '../../reactor/index.ts';
import type { Streams } from '../twistd/main.ts';
import { KoffiEventLog } from './eventlog-koffi.ts';
import type { EventLogApi } from './eventlog-types.ts';
import { lastLines } from './logs.ts';
import { askOnTerminal, type PasswordSources } from './passwords.ts';
import type { ScmClientApi } from './scm-api.ts';
import { theScm } from './service-access.ts';

export interface ServiceSystem extends PasswordSources {
  readonly scm: ScmClientApi;
  readonly clock: DeferredClock;
  readonly streams: Streams;
  readonly execPath: string;
  /** '22.18.0' */
  readonly nodeVersion: string;
  /** The sources of the event log. */
  readonly events: Pick<EventLogApi, 'register' | 'unregister' | 'isRegistered'>;
  exists(path: string): boolean;
  /** Makes the folder of a file, and those above it. @throws when it cannot */
  makeFolderOf(file: string): void;
  /** @throws when the file cannot be read */
  lastLines(file: string, count: number): string[];
}

/** This system. */
export function thisSystem(streams: Streams): ServiceSystem {
  const { stdin } = process;
  return {
    scm: theScm(),
    clock: reactor,
    streams,
    execPath: process.execPath,
    nodeVersion: process.versions.node,
    environment: process.env,
    events: new KoffiEventLog(),
    readInput,
    prompt: stdin.isTTY ? (question) => askOnTerminal(question, stdin, streams.err) : null,
    exists: existsSync,
    makeFolderOf: (file) => void mkdirSync(dirname(file), { recursive: true }),
    lastLines,
  };
}

async function readInput(): Promise<string> {
  let text = '';
  for await (const part of process.stdin.setEncoding('utf8')) text += String(part);
  return text;
}
