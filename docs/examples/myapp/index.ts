/**
 * One application with three doors: a live page for browsers, lines for people with `nc`, and FTP for files. What comes in at one is seen at the others at once, and kept in SQLite.
 *
 *     npx tsx twistd.ts --service docs/examples/myapp                  # http://localhost:8080/, nc localhost 8023, ftp://localhost:2121/
 *     npx tsx twistd.ts --service docs/examples/myapp -- --help
 *
 * MYAPP_PASSWORD closes the drop box to all but the user `drop` with that password.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  defineOptions,
  type IService,
  Logger,
  type MaybeDeferred,
  type MultiService,
  TCPServer,
  TimerService,
} from '../../../src/index.ts';
import { ConsoleFactory } from './console.ts';
import { Digester } from './digester.ts';
import { DropBox } from './dropbox.ts';
import { makeSite } from './page.ts';
import { Board, SHOWN } from './store.ts';

/** Seconds from one look at what other processes have changed to the next; and from one tidying to the next. */
const LOOK = 1;
const TIDY = 60;

export const Options = defineOptions(
  {
    http: { type: 'port', default: 8080, description: 'TCP port of the page' },
    console: { type: 'port', default: 8023, description: 'TCP port of the console' },
    ftp: { type: 'port', default: 2121, description: 'TCP port of the drop box' },
    interface: {
      type: 'string',
      value: 'ADDRESS',
      default: '127.0.0.1',
      description: 'address to listen on',
    },
    data: {
      type: 'string',
      value: 'DIR',
      default: 'myapp-data',
      description: 'folder for the database and the files, made if it is not there',
    },
    keep: {
      type: 'integer',
      min: SHOWN,
      default: 1000,
      description: 'how many entries are kept, and their files',
    },
  },
  { description: 'A board: post by page or console, drop files by FTP, and watch.' },
);

/** The board, with a folder that is there before all else. */
class BoardInFolder extends Board {
  readonly #files: string;

  constructor(folder: string, files: string) {
    super(join(folder, 'board.db'));
    this.#files = files;
  }

  // Not before the start: only then is the process the user that the folder is to belong to.
  override startService(): MaybeDeferred {
    mkdirSync(this.#files, { recursive: true });
    return super.startService();
  }
}

/** Makes what twistd runs. */
export function makeService(options: InstanceType<typeof Options>): MultiService {
  const folder = resolve(options.data);
  const files = join(folder, 'files');
  const log = new Logger('myapp');
  const board = new BoardInFolder(folder, files);
  board.setName('myapp');

  const digester = new Digester(board, files);
  const dropBox = new DropBox({
    folder: files,
    password: process.env['MYAPP_PASSWORD'] || undefined,
    onDrop: async (author, name, size) => {
      await board.dropped(author, name, size);
      digester.wake();
    },
  });
  const tidy = async (): Promise<void> => {
    digester.wake();
    try {
      for (const name of await board.trim(options.keep)) await dropBox.remove(name);
    } catch (error) {
      log.warn('Cannot tidy up: {error}', { error: String(error) });
    }
  };

  const on = { interface: options.interface };
  const children: Array<[name: string, service: IService]> = [
    ['digester', digester],
    ['look', new TimerService(LOOK, () => board.tell())],
    ['tidy', new TimerService(TIDY, tidy)],
    ['page', new TCPServer(options.http, makeSite(board, files), on)],
    ['console', new TCPServer(options.console, new ConsoleFactory(board), on)],
    ['drop box', new TCPServer(options.ftp, dropBox, on)],
  ];
  for (const [name, service] of children) {
    service.setName(name);
    service.setServiceParent(board);
  }
  return board;
}
