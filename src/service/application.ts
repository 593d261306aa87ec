import { MultiService } from './service.ts';

/** Options of `Application`. */
export interface ApplicationOptions {
  /** User to run as once the privileged start is over. Default: whoever started it. */
  uid?: number | null;
  /** Group to run as likewise. */
  gid?: number | null;
}

/** The root of a service tree, with what its process should be (Twisted: what `service.Application` returns). */
export interface Application extends MultiService {
  readonly name: string;
  /** Twisted: `IProcess.processName`. */
  processName: string | null;
  /** The user to become; null to stay. */
  readonly uid: number | null;
  /** The group to become; null to stay. */
  readonly gid: number | null;
}

interface ApplicationConstructor {
  (name: string, options?: ApplicationOptions): Application;
  new (name: string, options?: ApplicationOptions): Application;
  readonly prototype: Application;
}

class ApplicationService extends MultiService {
  override name: string;
  processName: string | null = null;
  readonly uid: number | null;
  readonly gid: number | null;

  constructor(name: string, { uid = null, gid = null }: ApplicationOptions = {}) {
    super();
    if (typeof name !== 'string' || name === '') {
      throw new TypeError(
        `Cannot make an application called ${JSON.stringify(name)}: its name must be a text that is not empty`,
      );
    }
    this.name = name;
    this.uid = checkID('uid', uid);
    this.gid = checkID('gid', gid);
  }
}

/**
 * Makes the root of a service tree; twistd starts and stops it. Call it with or without `new`.
 *
 * Twisted: `twisted.application.service.Application`.
 *
 * @example
 * ```ts
 * export const application = Application('echo');
 * new TCPServer(8007, Factory.forProtocol(Echo)).setServiceParent(application);
 * ```
 */
// A class cannot be called without `new`; a function that constructs the class can, and shares its prototype for `instanceof` and `extends`.
export const Application: ApplicationConstructor = Object.defineProperty(
  function Application(name: string, options?: ApplicationOptions): Application {
    return Reflect.construct(ApplicationService, [name, options], new.target ?? ApplicationService);
  },
  'prototype',
  { value: ApplicationService.prototype },
) as ApplicationConstructor; // the prototype, which a function expression types as any

function checkID(what: string, id: number | null): number | null {
  if (id === null || (Number.isInteger(id) && id >= 0)) return id;
  throw new RangeError(`Cannot run as ${what} ${String(id)}: expected an integer of 0 or more`);
}
