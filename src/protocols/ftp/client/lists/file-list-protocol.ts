import { LineOnlyReceiver } from '../../../line-only-receiver.ts';
import { ResponseTooLong } from '../errors.ts';

/** One file as {@link FTPFileListProtocol} tells of it, with Twisted's names. */
export interface ListedFileRecord {
  /** The first letter: '-' a file, 'd' a folder, 'l' a link. */
  readonly filetype: string;
  /** 'rw-r--r--'. */
  readonly perms: string;
  /** How many links there are to it. */
  readonly nlinks: number;
  /** Name or number of its owner. */
  readonly owner: string;
  /** Name or number of its group. */
  readonly group: string;
  /** Bytes. */
  readonly size: number;
  /** 'Jan 01 10:00' or 'Jan 01  2020', as it came. */
  readonly date: string;
  /** Its name. */
  readonly filename: string;
  /** Where a link leads; null for anything else. */
  readonly linktarget: string | null;
}

/** The most that is listed, lines and their ends, in bytes. */
const MAX_LISTING = 40 * 1024 * 1024;

/**
 * Takes a listing as Unix servers send it for LIST; give it to `FTPClient.list`, then read `files`. `FTPClient.files` knows other servers as well, and MLSD.
 *
 * Twisted: `twisted.protocols.ftp.FTPFileListProtocol`.
 *
 * @example
 * const listing = new FTPFileListProtocol();
 * await client.list('.', listing);
 * for (const file of listing.files) console.log(file.filename, file.size);
 */
export class FTPFileListProtocol extends LineOnlyReceiver {
  override delimiter: Buffer | string = '\n';
  /** What a line is to look like; its groups are named as the fields of a record. */
  fileLinePattern: RegExp =
    /^(?<filetype>.)(?<perms>.{9})[.+@]?\s+(?<nlinks>\d+)\s+(?<owner>\S+)\s+(?<group>\S+)\s+(?<size>\d+)\s+(?<date>\S+\s+\S+\s+\S+)\s(?<filename>.+?)(?: -> (?<linktarget>.*))?$/;
  /** What was listed so far. */
  files: ListedFileRecord[] = [];
  /** Bytes that a listing may have; the connection is ended by more. */
  maxListing: number = MAX_LISTING;
  #length = 0;

  override lineReceived(line: Buffer): void {
    this.#length += line.length + 1;
    if (this.#length > this.maxListing) {
      throw new ResponseTooLong(`Listing is longer than ${this.maxListing} bytes`);
    }
    const text = line.toString('utf8').replace(/\r$/, '');
    const record = this.parseDirectoryLine(text);
    if (record === null) this.unknownLine(text);
    else this.addFile(record);
  }

  /** A line as a record; null if it does not match `fileLinePattern`. */
  parseDirectoryLine(line: string): ListedFileRecord | null {
    const groups = this.fileLinePattern.exec(line)?.groups;
    if (groups === undefined) return null;
    const { filetype = '', perms = '', owner = '', group = '', date = '', filename = '' } = groups;
    const { linktarget } = groups;
    return {
      filetype,
      perms,
      nlinks: Number(groups['nlinks']),
      owner,
      group,
      size: Number(groups['size']),
      date,
      // Some servers escape blanks.
      filename: filename.replaceAll('\\ ', ' '),
      linktarget: linktarget === undefined ? null : linktarget.replaceAll('\\ ', ' '),
    };
  }

  /** A file was listed. Keeps it in `files`. */
  addFile(record: ListedFileRecord): void {
    this.files.push(record);
  }

  /** A line came that is no file: 'total 8', or another kind of listing. Does nothing unless overridden. */
  unknownLine(_line: string): void {}
}
