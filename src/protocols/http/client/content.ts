/** What may be sent as the body of a request. */
import type { Data } from '../../../reactor/index.ts';
import { bytesOf } from '../../data.ts';
import { type BodyProducer, UNKNOWN_LENGTH } from './body-producer.ts';
import { IterableBodyProducer } from './iterable-body.ts';

/** What may be sent as a body. Text is sent as UTF-8. */
export type RequestBodySource = Data | BodyProducer | AsyncIterable<Data> | Iterable<Data>;

/** A body to send: bytes, or what makes them. */
export type RequestContent = Buffer | BodyProducer;

function isProducer(source: object): source is BodyProducer {
  return 'startProducing' in source && typeof source.startProducing === 'function';
}

function isIterable(source: object): source is AsyncIterable<Data> | Iterable<Data> {
  return Symbol.asyncIterator in source || Symbol.iterator in source;
}

/**
 * What `source` is to be sent as; null if there is none.
 * @throws {TypeError} for anything else
 */
export function contentOf(source: RequestBodySource | null | undefined): RequestContent | null {
  if (source === null || source === undefined) return null;
  if (typeof source !== 'object' || source instanceof Uint8Array) {
    return bytesOf(source, 'send a body');
  }
  if (isProducer(source)) {
    const { length } = source;
    if (length === UNKNOWN_LENGTH || (Number.isSafeInteger(length) && length >= 0)) return source;
    throw new TypeError(`Cannot send a body of length ${String(length)}: expected a whole number`);
  }
  if (isIterable(source)) return new IterableBodyProducer(source);
  throw new TypeError(
    'Cannot send a body of type object: expected data, a body producer or something to iterate over',
  );
}

/** Whether a body can be sent a second time. */
export function isReplayable(content: RequestContent | null): boolean {
  return content === null || Buffer.isBuffer(content) || content.replayable === true;
}
