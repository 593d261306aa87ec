/** Lets promises settle that are due: `count` rounds of microtasks. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await Promise.resolve();
}
