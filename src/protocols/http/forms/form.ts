import { reportFailure } from '../../../deferred/index.ts';
import { checkLimits } from '../../option-checks.ts';
import { mediaType } from '../field-lists.ts';
import type { Request } from '../request.ts';
import type { RequestBody } from '../request-body.ts';
import { HTTPError } from '../status.ts';
import { readMultipart } from './multipart.ts';
import type { UploadedFile, UploadInfo, UploadSink } from './upload.ts';
import { parseURLEncoded, type URLEncodedLimits } from './urlencoded.ts';

/** Options of `parseForm`. Sizes are in bytes; a form beyond one of them is answered with 413. */
export interface FormOptions extends URLEncodedLimits {
  /** Bytes of all names and values of fields together. Default 4 MiB. */
  readonly maxFieldsLength?: number | undefined;
  /** Files in one form. Default 20; 0 for none. */
  readonly maxFiles?: number | undefined;
  /** Bytes of one file. Default 100 MiB. */
  readonly maxFileLength?: number | undefined;
  /** Bytes of the whole body. Default 256 MiB. */
  readonly maxLength?: number | undefined;
  /** The folder for files until they are moved. Default the system's for temporary files. */
  readonly folder?: string | undefined;
  /** Who takes a file instead, or null to have it put into a temporary file. Default null for all. */
  readonly onFile?:
    | ((info: UploadInfo) => UploadSink | null | PromiseLike<UploadSink | null>)
    | undefined;
}

const LIMITS = [
  'maxFields',
  'maxNameLength',
  'maxValueLength',
  'maxFieldsLength',
  'maxFiles',
  'maxFileLength',
  'maxLength',
] as const;

/** What was sent in a form. */
export class Form {
  /** The fields by name, each with the values it came with, in order. */
  readonly fields: Map<string, string[]>;
  /** The files, in the order in which they came. */
  readonly files: UploadedFile[] = [];

  constructor(fields: Map<string, string[]> = new Map()) {
    this.fields = fields;
  }

  /** @internal */
  addField(name: string, value: string): void {
    const values = this.fields.get(name);
    if (values === undefined) this.fields.set(name, [value]);
    else values.push(value);
  }

  /** The last value of a field; undefined if it did not come. */
  get(name: string): string | undefined {
    return this.fields.get(name)?.at(-1);
  }

  /** All values of a field. */
  getAll(name: string): readonly string[] {
    return this.fields.get(name) ?? [];
  }

  /** The last file of a field; undefined if none came. */
  file(name: string): UploadedFile | undefined {
    return this.files.findLast((file) => file.name === name);
  }

  /** Removes all files that were not moved. Called by itself when the request is answered, or its client is gone. */
  async dispose(): Promise<void> {
    await Promise.all(this.files.map((file) => file.remove()));
  }
}

async function* once(content: Buffer): AsyncGenerator<Buffer, void, undefined> {
  yield content;
}

async function collect(source: AsyncIterable<Buffer>, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of source) {
    length += chunk.length;
    if (length > most) throw new HTTPError(413, `The form is longer than ${most} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * Reads the form in a request's body: multipart/form-data, with files, or application/x-www-form-urlencoded. For files of any size use it in a resource with `streamsBody = true`: they go to disk, or
 * to `onFile`, as they come, and a slow disk makes the client wait. Otherwise the body was kept in memory before, under the server's limit.
 *
 * Files are removed when the request is answered, or could not be; move those that you keep.
 *
 * Fails with `HTTPError`, which becomes the answer if it is let through: 415 for what is no form, 400 for one that is broken, 413 beyond a limit; and with `RequestAborted` when the client goes away. Fails with
 * `RangeError` for a limit that is not a number of 0 or more.
 *
 * @example
 * class Upload extends Resource {
 *   override streamsBody = true;
 *   override async render_POST(request: Request<RequestBody>): Promise<string> {
 *     const form = await parseForm(request, { maxFileLength: 10_000_000 });
 *     await form.file('photo')?.moveTo('/srv/photos/new.jpg');
 *     return 'Thank you.\n';
 *   }
 * }
 */
export async function parseForm(
  request: Request | Request<RequestBody>,
  options: FormOptions = {},
): Promise<Form> {
  checkLimits(options, LIMITS);
  const contentType = request.getHeader('content-type') ?? '';
  const type = mediaType(contentType);
  const { content } = request;
  if (type === 'application/x-www-form-urlencoded') {
    const { maxFieldsLength = 4_194_304 } = options;
    const body = await collect(Buffer.isBuffer(content) ? once(content) : content, maxFieldsLength);
    return new Form(parseURLEncoded(body, options));
  }
  if (type !== 'multipart/form-data') {
    throw new HTTPError(415, 'Expected a form');
  }
  const form = new Form();
  const source = Buffer.isBuffer(content) ? once(content) : content;
  await readMultipart(source, contentType, form, options);
  request.notifyFinish().addBoth(() => {
    form.dispose().catch((error) => reportFailure(error, 'Cannot remove an upload'));
  });
  return form;
}
