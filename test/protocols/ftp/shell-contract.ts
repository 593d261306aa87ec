/** What holds for every shell, whatever its files are. */
import { expect } from 'chai';
import { maybeDeferred } from '../../../src/deferred/index.ts';
import type {
  FactName,
  FactValues,
  FTPShellInterface,
  ReadFile,
  WriteFile,
} from '../../../src/protocols/ftp/index.ts';
import { toPath, toSegments } from '../../../src/protocols/ftp/index.ts';
import type { Consumer, Data, PullProducer, PushProducer } from '../../../src/reactor/index.ts';

/** Collects what is written to it. */
export class Collector implements Consumer {
  readonly pieces: Buffer[] = [];
  producer: PushProducer | PullProducer | null = null;
  streaming = false;
  #pumping = false;

  registerProducer(producer: PushProducer | PullProducer, streaming: boolean): void {
    this.producer = producer;
    this.streaming = streaming;
    if (!streaming) this.#pump();
  }

  unregisterProducer(): void {
    this.producer = null;
  }

  write(data: Data): void {
    this.pieces.push(Buffer.from(data as Buffer)); // a Buffer or text
    if (!this.streaming) this.#pump();
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString();
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      if (!this.streaming) this.producer?.resumeProducing();
    });
  }
}

export async function read(
  shell: FTPShellInterface,
  path: string,
  offset?: number,
): Promise<string> {
  const file = await shell.openForReading(
    toSegments([], path),
    offset === undefined ? {} : { offset },
  );
  return await readFrom(file);
}

export async function readFrom(file: ReadFile): Promise<string> {
  const collector = new Collector();
  try {
    await file.send(collector);
  } finally {
    await file.close();
  }
  expect(collector.producer).to.equal(null);
  if (file.size !== null) expect(Buffer.concat(collector.pieces)).to.have.lengthOf(file.size);
  return collector.text;
}

export interface Upload {
  readonly file: WriteFile;
  readonly receiver: Consumer;
  readonly log: string[];
}

/** Opens a file for writing, and is its producer. */
export async function upload(
  shell: FTPShellInterface,
  path: string,
  options = {},
): Promise<Upload> {
  const file = await shell.openForWriting(toSegments([], path), options);
  const receiver = await file.receive();
  const log: string[] = [];
  receiver.registerProducer(
    {
      pauseProducing: () => log.push('pause'),
      resumeProducing: () => log.push('resume'),
      stopProducing: () => log.push('stop'),
    },
    true,
  );
  return { file, receiver, log };
}

export async function write(
  shell: FTPShellInterface,
  path: string,
  data: Data,
  options = {},
): Promise<string> {
  const { file, receiver } = await upload(shell, path, options);
  receiver.write(data);
  receiver.unregisterProducer();
  await file.close();
  return file.name;
}

export async function names(shell: FTPShellInterface, path = '/'): Promise<string[]> {
  const found: string[] = [];
  for await (const [name, facts] of await shell.list(toSegments([], path), [])) {
    expect(facts).to.deep.equal([]);
    found.push(name);
  }
  return found.sort();
}

/** The code of the error that something fails with. */
export async function failure(work: () => unknown): Promise<string> {
  try {
    await maybeDeferred(work);
  } catch (error) {
    return String(Reflect.get(error as object, 'code')); // errors of this room have one
  }
  throw new Error('It did not fail');
}

export async function facts(
  shell: FTPShellInterface,
  path: string,
  keys: readonly FactName[],
): Promise<FactValues> {
  return await shell.stat(toSegments([], path), keys);
}

/** @param make a shell with '/file' ('content'), '/folder/inner' ('in') and '/empty/' */
export function itIsAShell(make: () => FTPShellInterface | Promise<FTPShellInterface>): void {
  let shell: FTPShellInterface;

  beforeEach(async () => {
    shell = await make();
  });

  it('lists folders', async () => {
    expect(await names(shell)).to.deep.equal(['empty', 'file', 'folder']);
    expect(await names(shell, '/folder')).to.deep.equal(['inner']);
    expect(await names(shell, '/empty')).to.deep.equal([]);
  });

  it('lists the facts that were asked for, in their order', async () => {
    const listed = new Map<string, FactValues>();
    for await (const [name, values] of await shell.list([], ['directory', 'size'])) {
      listed.set(name, values);
    }
    expect(listed.get('file')).to.deep.equal([false, 7]);
    expect(listed.get('folder')?.[0]).to.equal(true);
  });

  it('lists a file as itself', async () => {
    const listed = [];
    for await (const entry of await shell.list(['folder', 'inner'], ['size'])) listed.push(entry);
    expect(listed).to.deep.equal([['inner', [2]]]);
  });

  it('tells facts of files, all that there are by default', async () => {
    expect(await facts(shell, '/file', ['size', 'directory'])).to.deep.equal([7, false]);
    expect(await facts(shell, '/folder', ['directory'])).to.deep.equal([true]);
    expect(await shell.stat(['file'])).to.have.lengthOf(8);
    const [unique, other] = [
      await facts(shell, '/file', ['unique']),
      await facts(shell, '/folder', ['unique']),
    ];
    expect(unique).to.not.deep.equal(other);
  });

  it('lets folders be entered, and files not', async () => {
    await shell.access([]);
    await shell.access(['folder']);
    expect(await failure(() => shell.access(['file']))).to.equal('ERR_FTP_IS_NOT_A_DIRECTORY');
    expect(await failure(() => shell.access(['none']))).to.equal('ERR_FTP_FILE_NOT_FOUND');
  });

  it('sends files, or what is behind an offset', async () => {
    expect(await read(shell, '/file')).to.equal('content');
    expect(await read(shell, '/file', 3)).to.equal('tent');
    expect(await read(shell, '/file', 7)).to.equal('');
    expect(await failure(() => read(shell, '/file', 8))).to.equal('ERR_FTP_COMMAND');
  });

  it('sends no folders, and nothing that is not there', async () => {
    expect(await failure(() => read(shell, '/folder'))).to.equal('ERR_FTP_IS_A_DIRECTORY');
    expect(await failure(() => read(shell, '/none'))).to.equal('ERR_FTP_FILE_NOT_FOUND');
    expect(await failure(() => shell.stat(['none']))).to.equal('ERR_FTP_FILE_NOT_FOUND');
    expect(await failure(() => shell.list(['none']))).to.equal('ERR_FTP_FILE_NOT_FOUND');
    const below = await failure(() => read(shell, '/file/x'));
    expect(below).to.be.oneOf(['ERR_FTP_IS_NOT_A_DIRECTORY', 'ERR_FTP_FILE_NOT_FOUND']);
  });

  it('reads a stretch of a file', async () => {
    for (const [offset, end, expected] of [
      [0, 3, 'con'],
      [2, 5, 'nte'],
      [5, 100, 'nt'],
      [7, 7, ''],
    ] as const) {
      const file = await shell.openForReading(['file'], { offset, end });
      expect(await readFrom(file)).to.equal(expected);
    }
  });

  it('ends a sending that is cancelled', async () => {
    const file = await shell.openForReading(['file']);
    const collector = new Collector();
    const sent = maybeDeferred(() => file.send(collector));
    sent.cancel();
    let outcome = 'none';
    sent.addErrback(() => {
      outcome = 'failed';
    });
    expect(outcome).to.equal('failed');
    expect(collector.producer).to.equal(null);
    await file.close();
  });

  it('fails a sending that the consumer stops', async () => {
    const file = await shell.openForReading(['file']);
    const collector = new Collector();
    const sent = maybeDeferred(() => file.send(collector));
    collector.producer?.stopProducing();
    expect(await failure(() => sent)).to.equal('ERR_TRANSFER_STOPPED');
    await file.close();
  });
}

/** The same shell, if it can be changed. */
export function itCanBeChanged(make: () => FTPShellInterface | Promise<FTPShellInterface>): void {
  let shell: FTPShellInterface;

  beforeEach(async () => {
    shell = await make();
  });

  it('makes folders, once', async () => {
    await shell.makeDirectory(['folder', 'new']);
    expect(await names(shell, '/folder')).to.deep.equal(['inner', 'new']);
    for (const path of [['folder', 'new'], ['file'], []]) {
      const code = await failure(() => shell.makeDirectory(path));
      expect(code, toPath(path)).to.equal('ERR_FTP_FILE_EXISTS');
    }
    expect(await failure(() => shell.makeDirectory(['none', 'new']))).to.equal(
      'ERR_FTP_FILE_NOT_FOUND',
    );
  });

  it('removes folders that are empty', async () => {
    await shell.removeDirectory(['empty']);
    expect(await names(shell)).to.deep.equal(['file', 'folder']);
    const codes: string[] = [];
    for (const path of [['folder'], ['file'], ['none'], []]) {
      codes.push(await failure(() => shell.removeDirectory(path)));
    }
    expect(codes).to.deep.equal([
      'ERR_FTP_DIRECTORY_NOT_EMPTY',
      'ERR_FTP_IS_NOT_A_DIRECTORY',
      'ERR_FTP_FILE_NOT_FOUND',
      'ERR_FTP_PERMISSION_DENIED',
    ]);
  });

  it('removes files', async () => {
    await shell.removeFile(['folder', 'inner']);
    expect(await names(shell, '/folder')).to.deep.equal([]);
    expect(await failure(() => shell.removeFile(['folder']))).to.equal('ERR_FTP_IS_A_DIRECTORY');
    expect(await failure(() => shell.removeFile(['none']))).to.equal('ERR_FTP_FILE_NOT_FOUND');
  });

  it('renames files and folders', async () => {
    await shell.rename(['file'], ['folder', 'moved']);
    await shell.rename(['folder'], ['empty2']);
    expect(await names(shell)).to.deep.equal(['empty', 'empty2']);
    expect(await read(shell, '/empty2/moved')).to.equal('content');
  });

  it('replaces a file by renaming, but no folder by a file', async () => {
    await shell.rename(['folder', 'inner'], ['file']);
    expect(await read(shell, '/file')).to.equal('in');
    await shell.rename(['file'], ['file']);
    expect(await failure(() => shell.rename(['file'], ['folder']))).to.match(/^ERR_FTP_/);
    expect(await failure(() => shell.rename(['none'], ['x']))).to.equal('ERR_FTP_FILE_NOT_FOUND');
    expect(await failure(() => shell.rename([], ['x']))).to.equal('ERR_FTP_PERMISSION_DENIED');
    expect(await failure(() => shell.rename(['folder'], ['folder', 'x']))).to.equal(
      'ERR_FTP_FILE_NAME',
    );
  });

  it('stores nothing before it is closed', async () => {
    const { file, receiver } = await upload(shell, '/new');
    receiver.write('some');
    expect(await names(shell)).to.not.include('new');
    receiver.write(Buffer.from(' thing'));
    await file.close();
    expect(await read(shell, '/new')).to.equal('some thing');
  });

  it('stores an empty file', async () => {
    const { file } = await upload(shell, '/new');
    await file.close();
    expect(await facts(shell, '/new', ['size'])).to.deep.equal([0]);
  });

  it('leaves what is there alone until the upload is complete', async () => {
    const { file, receiver } = await upload(shell, '/file');
    receiver.write('other');
    expect(await read(shell, '/file')).to.equal('content');
    await file.close();
    expect(await read(shell, '/file')).to.equal('other');
  });

  it('leaves what is there alone when an upload fails', async () => {
    for (const options of [{}, { append: true }, { offset: 3 }, { offset: 7 }]) {
      const { file, receiver } = await upload(shell, '/file', options);
      receiver.write('XXXXXXXXXXXXXXX');
      await file.abort();
      await file.abort();
      expect(await read(shell, '/file')).to.equal('content');
    }
    const { file, receiver } = await upload(shell, '/new');
    receiver.write('XXX');
    await file.abort();
    expect(await names(shell)).to.deep.equal(['empty', 'file', 'folder']);
  });

  it('appends', async () => {
    await write(shell, '/file', 's', { append: true });
    expect(await read(shell, '/file')).to.equal('contents');
    await write(shell, '/new', 'begun', { append: true });
    expect(await read(shell, '/new')).to.equal('begun');
  });

  it('resumes at an offset: what was behind it is gone', async () => {
    await write(shell, '/file', 'XY', { offset: 3 });
    expect(await read(shell, '/file')).to.equal('conXY');
    await write(shell, '/file', 'Z', { offset: 5 });
    expect(await read(shell, '/file')).to.equal('conXYZ');
    expect(await failure(() => write(shell, '/file', '!', { offset: 7 }))).to.equal(
      'ERR_FTP_COMMAND',
    );
    expect(await failure(() => write(shell, '/new', '!', { offset: 1 }))).to.equal(
      'ERR_FTP_COMMAND',
    );
  });

  it('finds a name that is not there yet', async () => {
    expect(await write(shell, '/folder/u', 'one', { unique: true })).to.equal('u');
    const second = await upload(shell, '/folder/u', { unique: true });
    expect(await write(shell, '/folder/u', 'three', { unique: true })).to.equal('u.2');
    second.receiver.write('two');
    await second.file.close();
    expect(second.file.name).to.equal('u.1');
    expect(await names(shell, '/folder')).to.deep.equal(['inner', 'u', 'u.1', 'u.2']);
    expect(await read(shell, '/folder/u.1')).to.equal('two');
  });

  it('holds no unique name for an upload that failed', async () => {
    const { file } = await upload(shell, '/u', { unique: true });
    await file.abort();
    expect(await names(shell)).to.not.include('u');
  });

  it('stores nothing where a folder is, or none', async () => {
    const codes: string[] = [];
    for (const path of ['/folder', '/', '/none/x', '/file/x']) {
      codes.push(await failure(() => write(shell, path, 'x')));
    }
    expect(codes.slice(0, 3)).to.deep.equal([
      'ERR_FTP_IS_A_DIRECTORY',
      codes[1],
      'ERR_FTP_FILE_NOT_FOUND',
    ]);
    expect(codes[1]).to.be.oneOf(['ERR_FTP_IS_A_DIRECTORY', 'ERR_FTP_PERMISSION_DENIED']);
    expect(codes[3]).to.be.oneOf(['ERR_FTP_IS_NOT_A_DIRECTORY', 'ERR_FTP_FILE_NOT_FOUND']);
  });

  it('sets when a file was changed, and its mode', async () => {
    await shell.setModified?.(['file'], 1_000_000_000);
    await shell.changeMode?.(['file'], 0o600);
    expect(await facts(shell, '/file', ['modified', 'permissions'])).to.deep.equal([
      1_000_000_000, 0o600,
    ]);
  });
}
