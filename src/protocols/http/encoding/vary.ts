import { listTokens } from '../field-lists.ts';
import type { Request } from '../request.ts';

/** Says that the answer depends on the request's field `name`, besides what it was said to depend on before. */
export function addVary(request: Request, name: string): void {
  const before = request.getResponseHeader('vary');
  if (before === undefined) {
    request.setHeader('Vary', name);
    return;
  }
  const names = listTokens(before);
  if (!names.includes('*') && !names.includes(name.toLowerCase())) {
    request.setHeader('Vary', `${before}, ${name}`);
  }
}
