/** What a reactor does to its process: signals, and when the process ends. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

type Child = ChildProcessByStdio<null, Readable, Readable>;

function start(name: string, ...args: string[]): Child {
  const file = fileURLToPath(new URL(`../fixtures/reactor/${name}.ts`, import.meta.url));
  return spawn(process.execPath, ['--import', import.meta.resolve('tsx'), file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Follows the child's output; calls `said` with each line. */
function follow(
  child: Child,
  said: (line: string) => void,
): Promise<{ code: number | null; lines: string[]; errors: string }> {
  const lines: string[] = [];
  let rest = '';
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) {
      lines.push(line);
      said(line);
    }
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, lines, errors })));
}

describe('A process that runs the reactor', () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`stops in good order on ${signal}`, async () => {
      const child = start('stops');
      const { code, lines } = await follow(child, (line) => {
        if (line === 'running') child.kill(signal);
      });
      expect(lines).to.deep.equal(['running', `stopping on ${signal}`, 'stopped']);
      expect(code).to.equal(0);
    });
  }

  it('ends at once on a second signal while the shutdown hangs', async () => {
    const child = start('stops', 'hang');
    const { code, lines, errors } = await follow(child, (line) => {
      if (line === 'running') child.kill('SIGTERM');
      else if (line.startsWith('stopping')) child.kill('SIGINT');
    });
    expect(lines).to.deep.equal(['running', 'stopping on SIGTERM']);
    expect(errors).to.contain('Exiting at once on SIGINT');
    expect(code).to.equal(128 + 2);
  });

  it('takes a first signal as asking, though it is stopping already', async () => {
    const child = start('stops', 'own');
    const { code, lines } = await follow(child, (line) => {
      if (line !== 'running') child.kill('SIGTERM');
    });
    expect(lines).to.deep.equal(['running', 'stopping on undefined', 'signalled', 'signalled']);
    expect(code).to.equal(128 + 15);
  });

  it('ends once the reactor has stopped, whatever was still to come', async () => {
    const { code, lines } = await follow(start('leftovers'), () => {});
    expect(lines).to.deep.equal(['lost', 'factory stopped', 'stopped']);
    expect(code).to.equal(0);
  });

  it('ends by itself when it does not run the reactor and its last call was cancelled', async () => {
    const { code, lines } = await follow(start('idle'), () => {});
    expect(lines).to.deep.equal(['done']);
    expect(code).to.equal(0);
  });
});
