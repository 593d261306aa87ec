import { EMPTY } from '../../data.ts';
import type { Selection } from './answer.ts';

/** The selected bytes of a body that is in memory. */
export function frameBuffer(body: Buffer, selection: Selection): Buffer {
  if (selection.kind === 'whole') return body;
  if (selection.kind === 'none') return EMPTY;
  const { ranges, frame } = selection;
  const cuts = ranges.map(({ first, last }) => body.subarray(first, last + 1));
  if (frame === null) return cuts[0] ?? EMPTY;
  const parts = cuts.flatMap((cut, at) => [frame.heads[at] ?? EMPTY, cut]);
  return Buffer.concat([...parts, frame.tail]);
}
