import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const FIXTURE = fileURLToPath(new URL('../../fixtures/faults/few-descriptors.ts', import.meta.url));
/** How many descriptors the server may have, and how many of them it still has when it is to run out. */
const LIMIT = 256;
const LEFT = 5;

describe('A server that runs out of descriptors', () => {
  let child: ChildProcess;
  let lines: Interface;
  let port: number;
  const sockets: Socket[] = [];

  before(async function () {
    if (process.platform === 'win32') this.skip();
    const node = [process.execPath, '--import', import.meta.resolve('tsx'), FIXTURE];
    child = spawn('sh', ['-c', `ulimit -n ${LIMIT}; exec "$@"`, 'sh', ...node], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (child.stdout === null) throw new Error('No pipe from the child');
    lines = createInterface({ input: child.stdout });
    port = Number(await ask('port'));
  });

  after(async () => {
    if (child === undefined) return;
    for (const socket of sockets) socket.destroy();
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    lines.close();
  });

  const ask = async (command: string): Promise<unknown> => {
    const answer = once(lines, 'line');
    child.stdin?.write(`${command}\n`);
    return JSON.parse(String((await answer)[0]));
  };

  /** Connects and says something: what comes of it. */
  const talk = (socket: Socket): Promise<'served' | 'turned away'> =>
    new Promise((resolve) => {
      socket.once('data', () => resolve('served'));
      socket.once('close', () => resolve('turned away'));
      socket.once('end', () => resolve('turned away'));
      socket.write('hello');
    });

  const dial = (): { socket: Socket; outcome: Promise<string> } => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    sockets.push(socket);
    return { socket, outcome: talk(socket) };
  };

  it('serves those it has, turns others away without spinning, and recovers', async () => {
    const first = dial();
    expect(await first.outcome).to.equal('served');
    expect(await ask('dial')).to.equal('connected');
    expect(await ask('listen')).to.equal('listening');
    expect(await ask('warnings')).to.deep.equal([]);

    await ask(String(LEFT));
    const crowd = Array.from({ length: 4 * LEFT }, dial);
    const outcomes = await Promise.all(crowd.map(({ outcome }) => outcome));
    expect(outcomes.filter((one) => one === 'served')).to.have.length(LEFT);
    expect(outcomes.filter((one) => one === 'turned away')).to.have.length(3 * LEFT);

    expect(await talk(first.socket)).to.equal('served');
    expect(await ask('load')).to.be.below(0.5);
    expect(await ask('events')).to.be.below(10);
    const warnings = process.platform === 'linux' ? ['Descriptors run out'] : [];
    const said = (await ask('warnings')) as string[]; // as the fixture has it
    expect(said.map((text) => text.split(':')[0])).to.deep.equal(warnings);

    // What else needs a descriptor fails as it should, and so costs nothing.
    await ask('0');
    expect(await ask('dial')).to.equal('EMFILE');
    expect(await ask('listen')).to.equal('EMFILE');
    expect(await talk(first.socket)).to.equal('served');

    // One goes: one can come.
    const gone = crowd.find((_, i) => outcomes[i] === 'served');
    gone?.socket.end();
    if (gone !== undefined) await once(gone.socket, 'close');
    expect(await dial().outcome).to.equal('served');
    expect(await dial().outcome).to.equal('turned away');

    await ask('free');
    const later = await Promise.all(Array.from({ length: 4 * LEFT }, () => dial().outcome));
    expect(new Set(later)).to.deep.equal(new Set(['served']));
    expect(await talk(first.socket)).to.equal('served');
  });
});
