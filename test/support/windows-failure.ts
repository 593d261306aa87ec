/** The error that a call of a `WindowsAgent` ends with, as the program described it. */
export async function failure(call: Promise<unknown>): Promise<Record<string, unknown>> {
  try {
    await call;
  } catch (error) {
    return error as Record<string, unknown>; // made by the agent, with all of its properties
  }
  throw new Error('It did not fail');
}
