/** Bodies of type multipart/form-data (RFC 7578), on @fastify/busboy, which is loaded when the first of them comes. */
import type { BusboyFileStream, BusboyInstance } from '@fastify/busboy';
import { HTTPError } from '../status.ts';
import type { Form, FormOptions } from './form.ts';
import { TemporaryFile, UploadedFile, type UploadSink } from './upload.ts';

/** Bytes that the fields before a part's content may have. */
const MAX_PART_HEAD = 16_384;
/** RFC 2046 5.1.1 */
const MAX_BOUNDARY = 70;

/** One form being read: what can go wrong at any time, wherever the reading stands, is kept in one place. */
class Reading {
  readonly #form: Form;
  readonly #options: FormOptions;
  readonly #busboy: BusboyInstance;
  readonly #streams: Set<BusboyFileStream> = new Set();
  /** In the order in which they began; null for what was not completed. */
  readonly #uploads: Promise<UploadedFile | null>[] = [];
  #fieldBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #finished = false;
  #wake: (() => void) | undefined;

  constructor(form: Form, options: FormOptions, busboy: BusboyInstance) {
    this.#form = form;
    this.#options = options;
    this.#busboy = busboy;
    const { maxFiles = 20, maxFields = 1000 } = options;
    busboy.on('error', (error) =>
      this.#fail(new HTTPError(400, 'The form is broken', { cause: error })),
    );
    busboy.on('finish', () => {
      this.#finished = true;
      this.#wake?.();
    });
    busboy.on('drain', () => this.#wake?.());
    busboy.on('filesLimit', () =>
      this.#fail(new HTTPError(413, `The form has more than ${maxFiles} files`)),
    );
    for (const event of ['fieldsLimit', 'partsLimit'] as const) {
      busboy.on(event, () =>
        this.#fail(new HTTPError(413, `The form has more than ${maxFields} fields`)),
      );
    }
    busboy.on('field', (name, value, _nameCut, valueCut) => this.#field(name, value, valueCut));
    busboy.on('file', (name, stream, filename, _encoding, type) => {
      this.#uploads.push(
        this.#upload(name, filename ?? '', type, stream).catch((error) => {
          this.#fail(error);
          return null;
        }),
      );
    });
  }

  async read(source: AsyncIterable<Buffer>): Promise<void> {
    const { maxLength = 268_435_456 } = this.#options;
    let length = 0;
    try {
      for await (const chunk of source) {
        length += chunk.length;
        if (length > maxLength)
          throw new HTTPError(413, `The form is longer than ${maxLength} bytes`);
        if (!this.#busboy.write(chunk)) await this.#news(() => !this.#busboy.writableNeedDrain);
        if (this.#failure !== undefined) throw this.#failure.error;
      }
      this.#busboy.end();
      await this.#news(() => this.#finished);
      const files = await Promise.all(this.#uploads);
      if (this.#failure !== undefined) throw this.#failure.error;
      for (const file of files) if (file !== null) this.#form.files.push(file);
    } catch (error) {
      await this.#giveUp(error);
      throw error;
    }
  }

  /** Waits until it is so, or something went wrong, which is thrown. */
  async #news(isSo: () => boolean): Promise<void> {
    while (this.#failure === undefined && !isSo()) {
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  async #giveUp(error: unknown): Promise<void> {
    this.#fail(error);
    for (const stream of this.#streams) stream.destroy(error as Error); // whatever it is, the one who reads the stream gets it
    const files = await Promise.all(this.#uploads);
    this.#busboy.destroy();
    await Promise.all(files.map((file) => file?.remove()));
  }

  #checkName(name: string | undefined): string {
    const { maxNameLength = 200 } = this.#options;
    if (name === undefined) throw new HTTPError(400, 'A part of the form has no name');
    if (Buffer.byteLength(name) > maxNameLength) {
      throw new HTTPError(413, `A field's name is longer than ${maxNameLength} bytes`);
    }
    return name;
  }

  #field(name: string | undefined, value: string, cut: boolean): void {
    const { maxValueLength = 1_048_576, maxFieldsLength = 4_194_304 } = this.#options;
    try {
      const known = this.#checkName(name);
      if (cut) throw new HTTPError(413, `A field is longer than ${maxValueLength} bytes`);
      this.#fieldBytes += Buffer.byteLength(known) + Buffer.byteLength(value);
      if (this.#fieldBytes > maxFieldsLength) {
        throw new HTTPError(413, `The fields are longer than ${maxFieldsLength} bytes together`);
      }
      this.#form.addField(known, value);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #upload(
    name: string | undefined,
    filename: string,
    type: string,
    stream: BusboyFileStream,
  ): Promise<UploadedFile> {
    this.#streams.add(stream);
    // Before anybody iterates, and after, nobody else would take its errors.
    stream.on('error', () => {});
    const { maxFileLength = 104_857_600, onFile, folder } = this.#options;
    // busboy drops what is beyond the limit, and would go on to.
    stream.on('limit', () =>
      this.#fail(new HTTPError(413, `A file is longer than ${maxFileLength} bytes`)),
    );
    try {
      const info = { name: this.#checkName(name), filename, type };
      const sink: UploadSink = (await onFile?.(info)) ?? (await TemporaryFile.create(folder));
      const path = sink instanceof TemporaryFile ? sink.path : null;
      const file = new UploadedFile(info, path);
      try {
        for await (const piece of stream) {
          const chunk = piece as Buffer; // the stream was not told to give anything else
          file.length += chunk.length;
          await sink.write(chunk);
        }
        // It may have been given up while nothing of it was under way.
        if (this.#failure !== undefined) throw this.#failure.error;
        await sink.end();
      } catch (error) {
        await sink.abort?.(error);
        throw error;
      }
      return file;
    } finally {
      stream.destroy();
      this.#streams.delete(stream);
    }
  }
}

/** Checks what busboy would take its own way. */
function checkBoundary(contentType: string): void {
  const match = /;\s*boundary=(?:"([^"]*)"|([^\s;"]+))/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2] ?? '';
  if (boundary === '' || boundary.length > MAX_BOUNDARY) {
    throw new HTTPError(400, 'The form has no boundary, or one that is too long');
  }
}

/** Reads a form from `source` into `form`. When it fails, all files are removed again. */
export async function readMultipart(
  source: AsyncIterable<Buffer>,
  contentType: string,
  form: Form,
  options: FormOptions,
): Promise<void> {
  checkBoundary(contentType);
  const { Busboy } = await import('@fastify/busboy');
  const { maxFiles = 20, maxFields = 1000, maxFileLength = 104_857_600 } = options;
  let busboy: BusboyInstance;
  try {
    busboy = new Busboy({
      headers: { 'content-type': contentType },
      limits: {
        fieldSize: options.maxValueLength ?? 1_048_576,
        fields: maxFields,
        fileSize: maxFileLength,
        files: maxFiles,
        parts: maxFields + maxFiles,
        headerPairs: 32,
        headerSize: MAX_PART_HEAD,
      },
    });
  } catch (error) {
    throw new HTTPError(400, 'The form is broken', { cause: error });
  }
  await new Reading(form, options, busboy).read(source);
}
