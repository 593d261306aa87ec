/**
 * The far end of `WindowsAgent`: a program that runs on Windows, connects to the port it is given, and calls what it is told to.
 *
 * A line of JSON in, `{ id, module, name, args }`; a line out, `{ id, value }` or `{ id, error }`. It ends when the connection does.
 */
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

interface Request {
  readonly id: number;
  readonly module: string;
  readonly name: string;
  readonly args: readonly unknown[];
}

/** BigInts and Buffers do not survive JSON by themselves. */
function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

async function call(request: Request): Promise<unknown> {
  const module: Record<string, unknown> = await import(pathToFileURL(resolve(request.module)).href);
  const f = module[request.name];
  if (typeof f !== 'function') throw new Error(`'${request.module}' exports no '${request.name}'`);
  return await f(...request.args);
}

function described(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  return { ...error, name: error.name, message: error.message, stack: error.stack };
}

const socket = connect(Number(process.argv[2]), '127.0.0.1');
socket.on('error', () => process.exit(1));
socket.on('close', () => process.exit(0));
for await (const line of createInterface({ input: socket })) {
  // Written by the other end of this connection, which is ours.
  const request = JSON.parse(line) as Request;
  call(request).then(
    (value) => socket.write(`${JSON.stringify({ id: request.id, value }, plain)}\n`),
    (error) =>
      socket.write(`${JSON.stringify({ id: request.id, error: described(error) }, plain)}\n`),
  );
}
