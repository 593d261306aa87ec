/** Users write `async` methods where nobody waits for what they return. An error in one is an error in user code like any other. */

/** Has `failed` called if `result` is a promise and is rejected. Costs a comparison where a method returns nothing. */
export function onRejection(result: unknown, failed: (error: unknown) => void): void {
  if (result instanceof Promise) result.catch(failed);
}
