import type { PullProducer, PushProducer } from './interfaces.ts';

/** A registered producer, by kind; a push producer is paused at most once until it is resumed. */
export type ProducerSlot =
  | { readonly kind: 'push'; readonly producer: PushProducer; paused: boolean }
  | { readonly kind: 'pull'; readonly producer: PullProducer };
