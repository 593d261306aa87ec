import type { Readable } from 'node:stream';
import { type Consumer, Deferred } from '../../src/index.ts';

/** Sends a stream of Node's, at the pace of whoever reads: what `stream.pipe(socket)` does. Fires at its end, fails with its error. */
export function sendStream(stream: Readable, consumer: Consumer): Deferred<void> {
  const sent = new Deferred<void>();
  const producer = {
    pauseProducing: () => void stream.pause(),
    resumeProducing: () => void stream.resume(),
    // The connection is gone.
    stopProducing: () => void stream.destroy(),
  };
  consumer.registerProducer(producer, true);
  stream.on('data', (data: Buffer | string) => consumer.write(data));
  stream.once('error', (error) => sent.errback(error));
  stream.once('close', () => {
    consumer.unregisterProducer();
    if (sent.called) return;
    if (stream.readableEnded) sent.callback();
    else sent.errback(new Error('Nobody wants the rest'));
  });
  return sent;
}
