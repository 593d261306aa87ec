/** What can go wrong with services and with hosting them. Each class has a stable `code`. */

/** Base of this room's errors. */
export abstract class ServiceError extends Error {
  /** Stable, for programs to compare; the message is for people. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A collection has a service of that name already. */
export class DuplicateServiceName extends ServiceError {
  readonly code = 'ERR_DUPLICATE_SERVICE_NAME';
}

/** A collection has no service of that name, or does not hold the service it was asked to remove. */
export class NoSuchService extends ServiceError {
  readonly code = 'ERR_NO_SUCH_SERVICE';
}

/** Something that only a service without a parent may do. */
export class ServiceHasParent extends ServiceError {
  readonly code = 'ERR_SERVICE_HAS_PARENT';
}

/** Something that only a service with a parent may do. */
export class ServiceHasNoParent extends ServiceError {
  readonly code = 'ERR_SERVICE_HAS_NO_PARENT';
}

/** A service would have become its own ancestor. */
export class ServiceCycle extends ServiceError {
  readonly code = 'ERR_SERVICE_CYCLE';
}

/** The command line asks for something that does not exist or makes no sense. twistd ends with code 2. Twisted: `usage.UsageError`. */
export class UsageError extends ServiceError {
  readonly code = 'ERR_USAGE';
}

/** Somebody asked for help, and nothing else is to be done: `text` is it. twistd shows it and ends with code 0. */
export class HelpRequested extends ServiceError {
  readonly code = 'ERR_HELP_REQUESTED';
  /** What is to be shown. */
  readonly text: string;

  constructor(text: string) {
    super('Help was asked for');
    this.text = text;
  }
}

/** The application could not be started. twistd ends with code 1. `cause` is what went wrong, where something was thrown. */
export class StartError extends ServiceError {
  readonly code: string = 'ERR_START';
}

/** The application could not be found, imported, or made sense of. */
export class LoadError extends StartError {
  override readonly code = 'ERR_LOAD';
}
