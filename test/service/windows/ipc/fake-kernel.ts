/** A Windows for the tests of shared objects: names, handles and waits in memory. Several programs (each a `FakeKernel`, with one thread) run on one `FakeMachine`. */
import { WindowsError } from '../../../../src/service/windows/errors.ts';
import type {
  Created,
  Handle,
  MailslotKernel,
  MappedView,
  MemoryKernel,
  NewObject,
  NewPipe,
  PipeInstance,
  PipeKernel,
  RegisteredWait,
  SyncKernel,
  WaitResult,
} from '../../../../src/service/windows/ipc/kernel.ts';

interface Thing {
  readonly kind: string;
  readonly name: string | null;
  handles: number;
  /** Whether it can be taken now, by whom. */
  free?(by: FakeKernel): boolean;
  take?(by: FakeKernel): WaitResult;
  count?: number;
  maximum?: number;
  manual?: boolean;
  owner?: FakeKernel | null;
  depth?: number;
  abandoned?: boolean;
  bytes?: ArrayBuffer;
  messages?: Buffer[];
}

interface Wait {
  readonly thing: Thing;
  readonly by: FakeKernel;
  readonly done: () => void;
}

const PAGE = 4096;

export class FakeMachine {
  readonly named = new Map<string, Thing>();
  readonly waits = new Set<Wait>();
  readonly turns: (() => void)[] = [];
  serial = 0x10n;

  /** Satisfies the waits that can be; what they call runs in a later turn. */
  serve(): void {
    for (const wait of [...this.waits]) {
      if (wait.thing.free?.(wait.by) !== true) continue;
      wait.thing.take?.(wait.by);
      this.waits.delete(wait);
      this.turns.push(wait.done);
    }
  }

  /** Runs what stands in line, and what that puts in line. */
  turn(): void {
    for (let next = this.turns.shift(); next !== undefined; next = this.turns.shift()) next();
  }
}

export class FakeKernel implements SyncKernel, MemoryKernel, MailslotKernel, PipeKernel {
  readonly machine: FakeMachine;
  readonly session: number;
  readonly handles = new Map<Handle, Thing>();
  /** What pipes were made, oldest first. */
  readonly pipes: FakePipe[] = [];
  /** Refuses the next pipe with this number. */
  pipeError: number | null = null;
  readonly views: MappedView[] = [];

  constructor(machine = new FakeMachine(), session = 1) {
    this.machine = machine;
    this.session = session;
  }

  /** Ends the program: its handles are closed and its mutexes abandoned. */
  end(): void {
    for (const handle of [...this.handles.keys()]) this.closeHandle(handle);
    for (const thing of this.machine.named.values()) {
      if (thing.owner !== this) continue;
      Object.assign(thing, { owner: null, depth: 0, abandoned: true });
    }
    this.machine.serve();
  }

  sessionId(): number {
    return this.session;
  }

  closeHandle(handle: Handle): void {
    const thing = this.#thing(handle, 'close');
    this.handles.delete(handle);
    thing.handles -= 1;
    if (thing.handles === 0 && thing.name !== null)
      this.machine.named.delete(this.#key(thing.name));
  }

  createMutex(object: NewObject): Created {
    return this.#create('mutex', object, () => {
      const thing: Thing = { kind: 'mutex', name: object.name, handles: 0, owner: null, depth: 0 };
      thing.free = (by) => thing.owner === null || thing.owner === by;
      thing.take = (by) => {
        const found = thing.abandoned === true ? 'abandoned' : 'signalled';
        Object.assign(thing, { owner: by, depth: (thing.depth ?? 0) + 1, abandoned: false });
        return found;
      };
      return thing;
    });
  }
  openMutex = (name: string, operation: string): Handle => this.#open('mutex', name, operation);
  releaseMutex(handle: Handle, operation: string): void {
    const thing = this.#thing(handle, operation);
    if (thing.owner !== this) throw new WindowsError(288, operation);
    thing.depth = (thing.depth ?? 0) - 1;
    if (thing.depth === 0) thing.owner = null;
    this.machine.serve();
  }

  createSemaphore(object: NewObject, count: number, maximum: number): Created {
    return this.#create('semaphore', object, () => {
      const thing: Thing = { kind: 'semaphore', name: object.name, handles: 0, count, maximum };
      thing.free = () => (thing.count ?? 0) > 0;
      thing.take = () => {
        thing.count = (thing.count ?? 0) - 1;
        return 'signalled';
      };
      return thing;
    });
  }
  openSemaphore = (name: string, operation: string): Handle =>
    this.#open('semaphore', name, operation);
  releaseSemaphore(handle: Handle, count: number, operation: string): number {
    const thing = this.#thing(handle, operation);
    const before = thing.count ?? 0;
    if (before + count > (thing.maximum ?? 0)) throw new WindowsError(298, operation);
    thing.count = before + count;
    this.machine.serve();
    return before;
  }

  createEvent(object: NewObject, manual: boolean, initial: boolean): Created {
    return this.#create('event', object, () => {
      const count = initial ? 1 : 0;
      const thing: Thing = { kind: 'event', name: object.name, handles: 0, count, manual };
      thing.free = () => thing.count === 1;
      thing.take = () => {
        if (!manual) thing.count = 0;
        return 'signalled';
      };
      return thing;
    });
  }
  openEvent = (name: string, operation: string): Handle => this.#open('event', name, operation);
  setEvent(handle: Handle, operation: string): void {
    this.#thing(handle, operation).count = 1;
    this.machine.serve();
  }
  resetEvent(handle: Handle, operation: string): void {
    this.#thing(handle, operation).count = 0;
  }

  tryWait(handle: Handle, operation: string): WaitResult {
    const thing = this.#thing(handle, operation);
    return thing.free?.(this) === true ? (thing.take?.(this) ?? 'busy') : 'busy';
  }

  registerWait(handle: Handle, done: () => void): RegisteredWait {
    let settled: ((taken: boolean) => void) | null = null;
    const wait: Wait = {
      thing: this.#thing(handle, 'wait'),
      by: this,
      done: () => {
        if (settled === null) done();
        else settled(true);
      },
    };
    this.machine.waits.add(wait);
    this.machine.serve();
    return {
      cancel: (f) => {
        settled = f;
        if (this.machine.waits.delete(wait)) this.machine.turns.push(() => f(false));
      },
    };
  }

  createMapping(object: NewObject, size: number): Created {
    return this.#create('mapping', object, () => ({
      kind: 'mapping',
      name: object.name,
      handles: 0,
      bytes: new ArrayBuffer(Math.ceil(size / PAGE) * PAGE),
    }));
  }
  openMapping(name: string, _writable: boolean, operation: string): Handle {
    return this.#open('mapping', name, operation);
  }
  mapView(handle: Handle, _writable: boolean, operation: string): MappedView {
    const { bytes = new ArrayBuffer(0) } = this.#thing(handle, operation);
    const view: MappedView = {
      memory: bytes,
      unmap: () => {
        this.views.splice(this.views.indexOf(view), 1);
      },
    };
    this.views.push(view);
    return view;
  }

  createMailslot(path: string, object: NewObject): Handle {
    const made = this.#create('mailslot', { ...object, name: path }, () => ({
      kind: 'mailslot',
      name: path,
      handles: 0,
      messages: [],
    }));
    if (made.created) return made.handle;
    this.closeHandle(made.handle);
    throw new WindowsError(183, object.operation);
  }
  openMailslot(path: string, operation: string): Handle {
    return this.#open('mailslot', path, operation);
  }
  readMailslot(handle: Handle, operation: string): Buffer | null {
    return this.#thing(handle, operation).messages?.shift() ?? null;
  }
  writeMailslot(handle: Handle, message: Buffer, operation: string): void {
    this.#thing(handle, operation).messages?.push(Buffer.from(message));
  }

  createPipe(path: string, pipe: NewPipe): PipeInstance {
    const error = this.pipeError;
    this.pipeError = null;
    if (error !== null) throw new WindowsError(error, pipe.operation);
    const made = new FakePipe(path, pipe);
    this.pipes.push(made);
    return made;
  }

  #key(name: string): string {
    const own = name.replace(/^Local\\/, '');
    if (this.session === 0) return own.replace(/^Global\\/, '');
    return own.startsWith('Global\\') ? own.slice(7) : `session ${this.session} ${own}`;
  }

  #add(thing: Thing): Handle {
    this.machine.serial += 4n;
    thing.handles += 1;
    this.handles.set(this.machine.serial, thing);
    return this.machine.serial;
  }

  #create(kind: string, { name, operation }: NewObject, make: () => Thing): Created {
    const found = name === null ? undefined : this.machine.named.get(this.#key(name));
    if (found !== undefined) {
      if (found.kind !== kind) throw new WindowsError(6, operation);
      return { handle: this.#add(found), created: false };
    }
    const thing = make();
    if (name !== null) this.machine.named.set(this.#key(name), thing);
    return { handle: this.#add(thing), created: true };
  }

  #open(kind: string, name: string, operation: string): Handle {
    const found = this.machine.named.get(this.#key(name));
    if (found === undefined) throw new WindowsError(2, operation);
    if (found.kind !== kind) throw new WindowsError(6, operation);
    return this.#add(found);
  }

  #thing(handle: Handle, operation: string): Thing {
    const found = this.handles.get(handle);
    if (found === undefined) throw new WindowsError(6, operation);
    return found;
  }
}

/** An instance of a pipe, whose client the test plays. */
export class FakePipe implements PipeInstance {
  readonly path: string;
  readonly pipe: NewPipe;
  state: 'open' | 'closed' | 'given' = 'open';
  /** Whether closing takes until `settle` is called. */
  slow = false;
  settle: () => void = () => {};
  #done: ((error: Error | null) => void) | null = null;

  constructor(path: string, pipe: NewPipe) {
    this.path = path;
    this.pipe = pipe;
  }

  get waiting(): boolean {
    return this.state === 'open' && this.#done !== null;
  }

  /** A client connects, or that fails. */
  connect(error: Error | null = null): void {
    const done = this.#done;
    this.#done = null;
    if (this.state === 'open') done?.(error);
  }

  accept(done: (error: Error | null) => void): void {
    this.#done = done;
  }
  clientProcessId(): number {
    return 4711;
  }
  toDescriptor(): number {
    this.state = 'given';
    return 99;
  }
  close(closed?: () => void): void {
    if (this.state === 'open') this.state = 'closed';
    if (closed === undefined) return;
    if (this.slow) this.settle = closed;
    else closed();
  }
}
