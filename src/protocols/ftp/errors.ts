/** What can go wrong in FTP (Twisted: the `FTPCmdError` family of `twisted.protocols.ftp`). */

/** A command could not be carried out. `replyCode` is what the client is answered; the message is what it is told. Twisted: `FTPCmdError`. */
export class FTPCmdError extends Error {
  static {
    FTPCmdError.prototype.name = 'FTPCmdError';
  }
  readonly code: string = 'ERR_FTP_COMMAND';
  /** Three digits (RFC 959, 4.2). */
  readonly replyCode: number;

  constructor(message: string, replyCode = 550, options?: ErrorOptions) {
    super(message, options);
    this.replyCode = replyCode;
  }
}

/** There is no such file or folder. */
export class FileNotFoundError extends FTPCmdError {
  static {
    FileNotFoundError.prototype.name = 'FileNotFoundError';
  }
  override readonly code: string = 'ERR_FTP_FILE_NOT_FOUND';

  constructor(name: string, options?: ErrorOptions) {
    super(`${name}: No such file or directory`, 550, options);
  }
}

/** Something of that name is there already. */
export class FileExistsError extends FTPCmdError {
  static {
    FileExistsError.prototype.name = 'FileExistsError';
  }
  override readonly code: string = 'ERR_FTP_FILE_EXISTS';

  constructor(name: string, options?: ErrorOptions) {
    super(`${name}: File exists`, 550, options);
  }
}

/** The user may not do that. */
export class PermissionDeniedError extends FTPCmdError {
  static {
    PermissionDeniedError.prototype.name = 'PermissionDeniedError';
  }
  override readonly code: string = 'ERR_FTP_PERMISSION_DENIED';

  constructor(name: string, options?: ErrorOptions) {
    super(`${name}: Permission denied`, 550, options);
  }
}

/** A file is wanted, and this is a folder. */
export class IsADirectoryError extends FTPCmdError {
  static {
    IsADirectoryError.prototype.name = 'IsADirectoryError';
  }
  override readonly code: string = 'ERR_FTP_IS_A_DIRECTORY';

  constructor(name: string, options?: ErrorOptions) {
    super(`${name}: Is a directory`, 550, options);
  }
}

/** A folder is wanted, and this is none. */
export class IsNotADirectoryError extends FTPCmdError {
  static {
    IsNotADirectoryError.prototype.name = 'IsNotADirectoryError';
  }
  override readonly code: string = 'ERR_FTP_IS_NOT_A_DIRECTORY';

  constructor(name: string, options?: ErrorOptions) {
    super(`${name}: Not a directory`, 550, options);
  }
}

/** A folder that is to be removed has something in it. */
export class DirectoryNotEmptyError extends FTPCmdError {
  static {
    DirectoryNotEmptyError.prototype.name = 'DirectoryNotEmptyError';
  }
  override readonly code: string = 'ERR_FTP_DIRECTORY_NOT_EMPTY';

  constructor(name: string, options?: ErrorOptions) {
    super(`${name}: Directory not empty`, 550, options);
  }
}

/** Anonymous users change nothing. */
export class AnonUserDeniedError extends FTPCmdError {
  static {
    AnonUserDeniedError.prototype.name = 'AnonUserDeniedError';
  }
  override readonly code: string = 'ERR_FTP_ANONYMOUS_DENIED';

  constructor(options?: ErrorOptions) {
    super('Anonymous users are forbidden to change the filesystem', 550, options);
  }
}

/** There is no room: the disk is full, or the user's quota used up. */
export class StorageExceededError extends FTPCmdError {
  static {
    StorageExceededError.prototype.name = 'StorageExceededError';
  }
  override readonly code: string = 'ERR_FTP_STORAGE_EXCEEDED';

  constructor(name: string, options?: ErrorOptions) {
    super(`${name}: Exceeded storage allocation`, 552, options);
  }
}

/** The name may not be used for a file. */
export class FileNameNotAllowedError extends FTPCmdError {
  static {
    FileNameNotAllowedError.prototype.name = 'FileNameNotAllowedError';
  }
  override readonly code: string = 'ERR_FTP_FILE_NAME';

  constructor(name: string, options?: ErrorOptions) {
    super(`${name}: File name not allowed`, 553, options);
  }
}

/** A path leads out of the root, or has characters that no name has. Twisted: `InvalidPath`. */
export class InvalidPath extends Error {
  static {
    InvalidPath.prototype.name = 'InvalidPath';
  }
  readonly code: string = 'ERR_FTP_INVALID_PATH';
  /** The path, as it was given. */
  readonly path: string;

  constructor(path: string) {
    super(`Bad path ${JSON.stringify(path)}: it leads out of the root, or no name can be so`);
    this.path = path;
  }
}

/** The error for what the system says of a file; what has no error of its own is given back as it is. */
export function errorOfSystem(error: unknown, name: string): unknown {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  const options = { cause: error };
  switch (code) {
    case 'ENOENT':
      return new FileNotFoundError(name, options);
    case 'EEXIST':
      return new FileExistsError(name, options);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ELOOP':
    case 'ENXIO': // the file of a socket, or a pipe that nobody reads
    case 'ENODEV':
      return new PermissionDeniedError(name, options);
    case 'EISDIR':
      return new IsADirectoryError(name, options);
    case 'ENOTDIR':
      return new IsNotADirectoryError(name, options);
    case 'ENOTEMPTY':
      return new DirectoryNotEmptyError(name, options);
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new StorageExceededError(name, options);
    case 'ENAMETOOLONG':
    case 'EINVAL':
      return new FileNameNotAllowedError(name, options);
    default:
      return error;
  }
}
