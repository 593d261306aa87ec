/** Folders with all that is in them. */
import { lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { inlineCallbacks, wait } from '../../../deferred/index.ts';
import type { FTPClient } from './client.ts';
import { CommandFailed, UnsafeName } from './errors.ts';
import type { OnProgress } from './local-files.ts';

/** Options of transfers of whole folders. */
export interface TreeOptions {
  /** Folders within folders that are gone into. Default 64. */
  readonly maxDepth?: number;
  /** Whether files are gone on with from where they end. Default false. */
  readonly resume?: boolean;
  /** Hears how far each file is, after each part. */
  readonly onProgress?: OnProgress;
}

const MAX_DEPTH = 64;

/**
 * A name as it may stand in a path.
 * @throws {UnsafeName} when it would lead elsewhere
 */
export function safeName(name: string, platform: string = process.platform): string {
  const isBad =
    name === '' ||
    name === '.' ||
    name === '..' ||
    /[/\0\r\n]/.test(name) ||
    // A drive, a stream of a file, or a device.
    (platform === 'win32' &&
      /[\\:*?"<>|]|[. ]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i.test(name));
  if (isBad)
    throw new UnsafeName(
      `Cannot use the name ${JSON.stringify(name)}: it would lead out of its folder`,
    );
  return name;
}

function below(path: string, name: string): string {
  return path === '' ? name : `${path.replace(/\/+$/, '')}/${name}`;
}

/** See `FTPClient.downloadDirectory`. */
export const downloadDirectory = inlineCallbacks(function* (
  client: FTPClient,
  path: string,
  folder: string,
  options: TreeOptions,
) {
  const { maxDepth = MAX_DEPTH, resume = false, onProgress } = options;
  const forFiles = { resume, ...(onProgress === undefined ? {} : { onProgress }) };
  yield* wait(mkdir(folder, { recursive: true }));
  const left: Array<readonly [path: string, folder: string, depth: number]> = [[path, folder, 0]];
  let count = 0;
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [from, to, depth] = next;
    if (depth > maxDepth)
      throw new UnsafeName(
        `Cannot go into ${JSON.stringify(from)}: it is more than ${maxDepth} folders deep`,
      );
    for (const file of yield* wait(client.files(from))) {
      if (file.type === 'link' || file.type === 'other') continue;
      const source = below(from, file.name);
      const target = join(to, safeName(file.name));
      yield* wait(refuseLink(target));
      if (file.type === 'directory') {
        yield* wait(mkdir(target, { recursive: true }));
        left.push([source, target, depth + 1]);
      } else {
        yield* wait(client.download(source, target, forFiles));
        count += 1;
      }
    }
  }
  return count;
});

/** A link that is there already would lead out of the folder. */
async function refuseLink(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (found?.isSymbolicLink())
    throw new UnsafeName(`Cannot write to ${JSON.stringify(path)}: it is a link`);
}

/** See `FTPClient.uploadDirectory`. */
export const uploadDirectory = inlineCallbacks(function* (
  client: FTPClient,
  folder: string,
  path: string,
  options: TreeOptions,
) {
  const { maxDepth = MAX_DEPTH, resume = false, onProgress } = options;
  const forFiles = { resume, ...(onProgress === undefined ? {} : { onProgress }) };
  yield* wait(client.ensureDirectory(path));
  const left: Array<readonly [folder: string, path: string, depth: number]> = [[folder, path, 0]];
  let count = 0;
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [from, to, depth] = next;
    if (depth > maxDepth)
      throw new UnsafeName(
        `Cannot go into ${JSON.stringify(from)}: it is more than ${maxDepth} folders deep`,
      );
    for (const entry of yield* wait(readdir(from, { withFileTypes: true }))) {
      const source = join(from, entry.name);
      const target = below(to, entry.name);
      if (entry.isDirectory()) {
        yield* wait(makeUnlessThere(client, target));
        left.push([source, target, depth + 1]);
      } else if (entry.isFile()) {
        yield* wait(client.upload(source, target, forFiles));
        count += 1;
      }
    }
  }
  return count;
});

/** Servers do not say why they have not made a folder. If it was there, what follows works; if not, that says why. */
const makeUnlessThere = inlineCallbacks(function* (client: FTPClient, path: string) {
  try {
    yield* wait(client.makeDirectory(path));
  } catch (error) {
    if (!(error instanceof CommandFailed) || error.replyCode < 500) throw error;
    return error;
  }
  return null;
});

/** See `FTPClient.ensureDirectory`. */
export const ensureDirectory = inlineCallbacks(function* (client: FTPClient, path: string) {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  let [at, refusal]: [string, CommandFailed | null] = [path.startsWith('/') ? '/' : '', null];
  for (const name of names) {
    at = at === '/' ? `/${name}` : below(at, name);
    refusal = yield* wait(makeUnlessThere(client, at));
  }
  if (refusal === null) return;
  // It was refused: because it is there? One can go there then, and back.
  const before = yield* wait(client.getDirectory());
  try {
    yield* wait(client.cwd(at));
  } catch (error) {
    if (error instanceof CommandFailed) throw refusal;
    throw error;
  }
  yield* wait(client.cwd(before));
});

/** See `FTPClient.removeTree`. */
export const removeTree = inlineCallbacks(function* (client: FTPClient, path: string) {
  const folders: string[] = [];
  const left: Array<readonly [path: string, depth: number]> = [[path, 0]];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [at, depth] = next;
    if (depth > MAX_DEPTH)
      throw new UnsafeName(
        `Cannot go into ${JSON.stringify(at)}: it is more than ${MAX_DEPTH} folders deep`,
      );
    folders.push(at);
    for (const file of yield* wait(client.files(at))) {
      // A server that lists '..' must not have something else removed.
      const full = below(at, safeName(file.name, 'posix'));
      if (file.type === 'directory') left.push([full, depth + 1]);
      else yield* wait(client.removeFile(full));
    }
  }
  for (const folder of folders.reverse()) yield* wait(client.removeDirectory(folder));
});
