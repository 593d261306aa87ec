/**
 * Waiting for a handle without a thread of ours: threads of Windows' own wait for 63 handles each, and a callback runs here when one is signalled.
 *
 * The callbacks come from a pool of one thread (threadpoolapiset.h) and so one at a time. With the process's own pool, which RegisterWaitForSingleObject uses, hundreds of threads might stand
 * in line for the loop at once, and koffi ends the process at the 257th. A thousand signals take some 50 ms. All waits share one callback that is never freed, so there is no moment at which
 * Windows could call one that is gone; what tells them apart is the number that is handed through.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { reportFailure } from '../../../deferred/index.ts';
import type { Handle, RegisteredWait } from '../ipc/kernel.ts';
import { createEvent } from './kernel32.ts';
import {
  addressOf,
  type Callback,
  callback,
  check,
  memory,
  native,
  type Pointer,
} from './koffi.ts';

const K = 'kernel32.dll';

const createThreadpool = native<[reserved: null], Pointer>(K, 'CreateThreadpool', 'void *', [
  'void *',
]);
const setThreadMaximum = native<[pool: bigint, threads: number], undefined>(
  K,
  'SetThreadpoolThreadMaximum',
  'void',
  ['void *', 'uint32'],
);
const createWait = native<[f: bigint, context: bigint, environment: bigint], Pointer>(
  K,
  'CreateThreadpoolWait',
  'void *',
  ['void *', 'void *', 'void *'],
);
const setWait = native<[wait: bigint, handle: Handle | null, timeout: null], undefined>(
  K,
  'SetThreadpoolWait',
  'void',
  ['void *', 'void *', 'void *'],
);
/** Blocks until no callback of the wait runs or is to run. */
const waitForCallbacks = native<[wait: bigint, cancelPending: number], undefined>(
  K,
  'WaitForThreadpoolWaitCallbacks',
  'void',
  ['void *', 'int32'],
);
const closeWait = native<[wait: bigint], undefined>(K, 'CloseThreadpoolWait', 'void', ['void *']);

/** TP_CALLBACK_ENVIRON of version 1: its version, and its pool. */
const ENVIRONMENT = { size: 64, version: 0, pool: 8 } as const;

interface Pool {
  readonly callback: Callback;
  /** Windows reads it with each new wait. */
  readonly environment: Buffer;
}

let pool: Pool | null = null;

function ourPool(): Pool {
  if (pool !== null) return pool;
  const threads = check(createThreadpool(null), 'make a thread pool');
  setThreadMaximum(threads, 1);
  const environment = memory(ENVIRONMENT.size);
  environment.writeUInt32LE(1, ENVIRONMENT.version);
  environment.writeBigUInt64LE(threads, ENVIRONMENT.pool);
  const shared = callback<[instance: Pointer, context: Pointer]>(
    'void',
    ['void *', 'void *', 'void *', 'uint32'],
    signalled,
    (error) => {
      reportFailure(error, 'Error in what waited for a handle');
      return undefined;
    },
  );
  pool = { callback: shared, environment };
  return pool;
}

interface Wait {
  readonly native: bigint;
  readonly done: () => void;
  /** Set once it was given up: says whether it had been too late. */
  settled: ((taken: boolean) => void) | null;
  taken: boolean;
}

const waits = new Map<number, Wait>();
let serial = 0;

function signalled(_instance: Pointer, context: Pointer): undefined {
  const id = Number(context);
  const wait = waits.get(id);
  if (wait === undefined) return;
  wait.taken = true;
  if (wait.settled !== null) return; // what gives it up takes care of it
  remove(id);
  closeWait(wait.native);
  wait.done();
}

/**
 * Calls `done` in a later turn of the loop, once, after the handle is signalled; what a wait consumes (an auto-reset event, a place in a semaphore) is consumed. The handle must stay open
 * until then, or until what `cancel` was given has been called. Keeps the process alive meanwhile.
 * @throws {WindowsError}
 */
export function registerWait(handle: Handle, done: () => void): RegisteredWait {
  const { callback: shared, environment } = ourPool();
  serial += 1;
  const id = serial;
  // The context is no pointer: it only comes back.
  const created = createWait(shared.address, BigInt(id), addressOf(environment));
  const wait: Wait = {
    native: check(created, 'wait for a handle'),
    done,
    settled: null,
    taken: false,
  };
  setWait(wait.native, handle, null);
  waits.set(id, wait);
  holdLoop();
  return {
    cancel(settled) {
      if (!waits.has(id) || wait.settled !== null) return;
      wait.settled = settled;
      setWait(wait.native, null, null);
      given.push([id, wait]);
      void settle();
    },
  };
}

/** How many waits there are, for tests. */
export function pendingWaits(): number {
  return waits.size;
}

/** Waits that were given up, and of which a callback may still be on its way here. */
let given: [number, Wait][] = [];
let settling = false;

/** One at a time, so that it takes one of libuv's threads at most, and that for a moment. */
async function settle(): Promise<void> {
  if (settling) return;
  settling = true;
  while (given.length > 0) {
    const batch = given;
    given = [];
    await passed();
    for (const [id, wait] of batch) {
      try {
        await waitForCallbacks.async(wait.native, 0);
        closeWait(wait.native);
        wait.settled?.(wait.taken);
      } catch (error) {
        reportFailure(error, 'Error in giving up the wait for a handle');
      }
      remove(id);
    }
  }
  settling = false;
}

let gate: Handle | null = null;

/**
 * Resolves when Windows' thread has been through its handles once more. Wine's may just have been given what the waits are for and not have said so yet: until it has, there is no callback
 * that one could wait for.
 */
function passed(): Promise<void> {
  gate ??= check(createEvent(null, 1, 1, null), 'make an event');
  const open = gate;
  return new Promise((resolve) => {
    registerWait(open, resolve);
  });
}

function remove(id: number): void {
  waits.delete(id);
  if (waits.size === 0) keeper?.unref();
}

// A callback that Windows may call does not keep the loop alive; a port that listens does.
let keeper: MessagePort | null = null;

function holdLoop(): void {
  if (keeper === null) {
    keeper = new MessageChannel().port1;
    keeper.on('message', () => {});
  }
  keeper.ref();
}
