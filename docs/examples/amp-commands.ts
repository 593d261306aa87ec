import * as amp from '../../src/protocols/amp/index.ts';

export class UnknownItem extends Error {}

/** What an item costs. */
export const Price = new amp.Command('Price', {
  arguments: { item: new amp.Unicode(), amount: new amp.Integer({ optional: true }) },
  response: { total: new amp.Decimal(), since: new amp.DateTime() },
  errors: { UNKNOWN_ITEM: UnknownItem },
});

/** From now on the server says when prices change. */
export const Subscribe = new amp.Command('Subscribe');

/** Prices have changed: said by the server, and not answered. */
export const Changed = new amp.Command('Changed', {
  arguments: { items: new amp.ListOf(new amp.Unicode()) },
  requiresAnswer: false,
});
