/** WebSockets as Observables. The only file here that knows rxjs, which is loaded when first needed. */
import { createRequire } from 'node:module';
import type { Observable, Subscription } from 'rxjs';
import type { Data } from '../../reactor/index.ts';
import type { WebSocketMessage, WebSocketStream } from './stream.ts';
import type { WebSocketTransport } from './transport.ts';

let loaded: typeof import('rxjs') | undefined;

function rxjs(): typeof import('rxjs') {
  // What require returns has no type; this is the package's own.
  loaded ??= createRequire(import.meta.url)('rxjs') as typeof import('rxjs');
  return loaded;
}

/**
 * The messages of a WebSocket as an Observable. It completes when both ends have said goodbye, and fails with what the connection was lost by otherwise; unsubscribing closes the connection. An
 * Observable cannot make its source wait, so each message is handed on as it comes. To be subscribed to once.
 */
export function observeMessages(socket: WebSocketStream): Observable<WebSocketMessage> {
  const { from } = rxjs();
  return from(socket);
}

/**
 * Sends what an Observable emits, and says goodbye when it completes: 1000, or 1011 when it fails. It is unsubscribed from when the connection is over.
 *
 * What the peer does not read in time waits, up to the connection's `maxBuffered`.
 * @returns the subscription; unsubscribing stops the sending and leaves the connection open
 */
export function sendFrom(transport: WebSocketTransport, source: Observable<Data>): Subscription {
  const subscription = source.subscribe({
    next: (data) => {
      if (transport.connected && !transport.disconnecting) transport.sendMessage(data);
      // Within `subscribe` there is no subscription yet.
      else queueMicrotask(() => subscription.unsubscribe());
    },
    error: () => transport.close(1011, 'The source of messages failed'),
    complete: () => transport.close(),
  });
  return subscription;
}
