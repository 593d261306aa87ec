/** Media types by the ending of a file's name. */

import type { Mime } from 'mime';
import { mediaType } from '../field-lists.ts';

/** The types that nearly every site is made of. Others come from the package mime, which is loaded when one is first asked for. */
const COMMON: Readonly<Record<string, string>> = {
  '.avif': 'image/avif',
  '.bin': 'application/octet-stream',
  '.css': 'text/css',
  '.csv': 'text/csv',
  '.gif': 'image/gif',
  '.gz': 'application/gzip',
  '.htm': 'text/html',
  '.html': 'text/html',
  '.ico': 'image/vnd.microsoft.icon',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.map': 'application/json',
  '.md': 'text/markdown',
  '.mjs': 'text/javascript',
  '.mp3': 'audio/mpeg',
  '.mp4': 'video/mp4',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
  '.txt': 'text/plain',
  '.wasm': 'application/wasm',
  '.webm': 'video/webm',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.xml': 'text/xml',
  '.zip': 'application/zip',
};

let mime: Mime | undefined;
let loading: Promise<void> | undefined;

/** What an ending is, or undefined for one that nobody knows; a promise of it the first time an uncommon one is asked for. */
export function typeOfEnding(ending: string): string | undefined | Promise<string | undefined> {
  const common = COMMON[ending];
  if (common !== undefined) return common;
  if (ending === '') return undefined;
  if (mime !== undefined) return mime.getType(ending) ?? undefined;
  loading ??= import('mime').then((loaded) => {
    mime = loaded.default;
  });
  return loading.then(() => mime?.getType(ending) ?? undefined);
}

/** The ending of a file's name, with its dot and in lower case; '' when it has none. A dot in front makes no ending. */
export function endingOf(name: string): string {
  const slash = Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\'));
  const dot = name.lastIndexOf('.');
  return dot > slash + 1 ? name.slice(dot).toLowerCase() : '';
}

/** `type` with `charset`, if it is text that does not name one yet. */
export function withCharset(type: string, charset: string | null): string {
  return charset !== null && type.startsWith('text/') && !type.includes(';')
    ? `${type}; charset=${charset}`
    : type;
}

/** Whether bytes of this type get smaller when they are compressed. Those that are compressed already, pictures and films above all, only cost time. */
export function isCompressible(type: string): boolean {
  const bare = mediaType(type);
  if (bare.startsWith('text/')) return true;
  return (
    /[+/](?:json|xml|javascript|x-javascript|yaml|wasm|rtf|toml|sql|graphql)$/.test(bare) ||
    COMPRESSIBLE.has(bare)
  );
}

const COMPRESSIBLE: ReadonlySet<string> = new Set([
  'application/dns-json',
  'application/geo+json-seq',
  'application/ld+json',
  'application/manifest+json',
  'application/ndjson',
  'application/vnd.ms-fontobject',
  'application/x-ndjson',
  'application/x-sh',
  'application/x-tar',
  'application/x-www-form-urlencoded',
  'font/otf',
  'font/ttf',
  'image/bmp',
  'image/vnd.microsoft.icon',
  'image/x-icon',
]);
