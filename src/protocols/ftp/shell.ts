/** What an FTP server does with files: the contract between sessions and file systems (Twisted: `IFTPShell`, `IReadFile`, `IWriteFile`). */

import type { Consumer } from '../../reactor/index.ts';
import type { Eventually } from '../cred/index.ts';
import type { Segments } from './paths.ts';

/** What a realm is asked for when somebody logs in over FTP. */
export const IFTPShell: unique symbol = Symbol('IFTPShell');

/** What can be asked of a file. */
export interface FileFacts {
  /** Bytes. */
  readonly size: number;
  /** Whether it is a folder. */
  readonly directory: boolean;
  /** Permission bits, such as 0o644. */
  readonly permissions: number;
  /** How many links there are to it. */
  readonly hardlinks: number;
  /** Seconds since 1970, UTC. */
  readonly modified: number;
  /** Name or number of its owner. */
  readonly owner: string;
  /** Name or number of its group. */
  readonly group: string;
  /** Something that two names share if they are the same file; '' where nothing is known. */
  readonly unique: string;
}

/** The name of a fact about a file. */
export type FactName = keyof FileFacts;

/** Some facts, in the order in which they were asked for. Twisted's lists. */
export type FactValues = ReadonlyArray<FileFacts[FactName]>;

/** One name of a listing, and what was asked of it. */
export type ListedFile = readonly [name: string, facts: FactValues];

/** How to open a file for reading. */
export interface ReadOptions {
  /** Bytes to leave out at the beginning. Default 0. */
  readonly offset?: number;
  /** The first byte, from the beginning of the file, that is left out at the end; default: none. A shell may leave that alone: then the server does not offer it. */
  readonly end?: number;
}

/** How to open a file for writing. */
export interface WriteOptions {
  /** Bytes of the file that stay as they are; what comes follows them. Default 0. */
  readonly offset?: number;
  /** Whether what comes follows what is there. */
  readonly append?: boolean;
  /** Whether the name is one to begin with: a name that is not there yet is made of it, see `WriteFile.name`. */
  readonly unique?: boolean;
}

/** An open file that can be read once. Twisted: `IReadFile`. */
export interface ReadFile {
  /** Bytes that `send` will send; null where that is not known. */
  readonly size: number | null;
  /** Writes all of it to `consumer`, no faster than it takes it. The Deferred fires when the last byte is written; cancelling it ends the reading. */
  send(consumer: Consumer): Eventually<unknown>;
  /** Lets go of it. Called in any case, once. */
  close(): Eventually<unknown>;
}

/** Takes what is uploaded. It may ask its producer to pause; when it cannot go on it stops it, and `close` fails with the reason. */
export interface FileReceiver extends Consumer {
  /** If it has this, the server may set it: it is to be called with each piece that was written to the file, and is needed no more. Its memory is used again then. */
  release?: ((piece: Uint8Array) => void) | null;
}

/** An open file that can be written once. Nothing is where it belongs before `close` has succeeded. Twisted: `IWriteFile`. */
export interface WriteFile {
  /** The name that it has been given, of one that was asked to be unique. */
  readonly name: string;
  /** What to write to. */
  receive(): Eventually<FileReceiver>;
  /** All has been written: fires when it is safe in its place. */
  close(): Eventually<unknown>;
  /** The upload has failed: what was there before is as it was, unless partial files are to be kept. */
  abort(): Eventually<unknown>;
}

/**
 * What can be allowed, by pyftpdlib's letters: `e`nter a folder, `l`ist, `r`ead, `a`ppend to what is there, `d`elete, rename (`f`), `m`ake folders, `w`rite files, change
 * the `M`ode, change the `T`ime. Two are not among pyftpdlib's, and allowed only where they are named: change the `G`roup, make `S`ymbolic links.
 */
export type PermissionLetter =
  | 'e'
  | 'l'
  | 'r'
  | 'a'
  | 'd'
  | 'f'
  | 'm'
  | 'w'
  | 'M'
  | 'T'
  | 'G'
  | 'S';

/** Checksums that clients ask for. */
export type ChecksumName = 'crc32' | 'md5' | 'sha1' | 'sha256' | 'sha512';

/**
 * A user's files. Every method fails with an `FTPCmdError` that tells the client what is wrong; any other failure is logged, and the client told nothing of it. Twisted: `IFTPShell`.
 */
export interface FTPShellInterface {
  /** Whether the user may do that there: what the server asks before a command. Without it everything may be done that the other methods do. */
  permits?(letter: PermissionLetter, path: Segments): boolean;
  /** MKD: makes a folder. */
  makeDirectory(path: Segments): Eventually<unknown>;
  /** RMD: removes a folder that is empty. */
  removeDirectory(path: Segments): Eventually<unknown>;
  /** DELE: removes a file. */
  removeFile(path: Segments): Eventually<unknown>;
  /** RNFR and RNTO: gives something another name, or another place. */
  rename(from: Segments, to: Segments): Eventually<unknown>;
  /** Whether the folder can be entered: fails if not. */
  access(path: Segments): Eventually<unknown>;
  /** What is known of a file or folder: the facts that are asked for, in their order; by default all. */
  stat(path: Segments, keys?: readonly FactName[]): Eventually<FactValues>;
  /** What is in a folder; of a file, itself. An iterable is asked for no more than the client takes. */
  list(
    path: Segments,
    keys?: readonly FactName[],
  ): Eventually<Iterable<ListedFile> | AsyncIterable<ListedFile>>;
  /** RETR: opens a file. */
  openForReading(path: Segments, options?: ReadOptions): Eventually<ReadFile>;
  /** STOR, APPE and the like: opens a file, which is made if there is none. */
  openForWriting(path: Segments, options?: WriteOptions): Eventually<WriteFile>;
  /** Sets when a file was last changed, in seconds since 1970, UTC. */
  setModified?(path: Segments, seconds: number): Eventually<unknown>;
  /** SITE CHMOD: changes the permission bits. */
  changeMode?(path: Segments, mode: number): Eventually<unknown>;
  /** SITE CHGRP: gives a file or folder to a group, by its name or number. */
  changeGroup?(path: Segments, group: string): Eventually<unknown>;
  /** SITE SYMLINK: makes a symbolic link at `path` to something that is there. */
  makeSymlink?(target: Segments, path: Segments): Eventually<unknown>;
  /** The checksum of a file's bytes from `start` to (not including) `end`, in hexadecimal. */
  checksum?(
    path: Segments,
    algorithm: ChecksumName,
    start: number,
    end?: number,
  ): Eventually<string>;
}
