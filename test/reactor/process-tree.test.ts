import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { expect } from 'chai';
import { killTree } from '../../src/reactor/libuv/process-tree.ts';

describe('killTree()', () => {
  let child: ChildProcess | undefined;

  afterEach(() => child?.kill('SIGKILL'));

  it('stops each process before it looks for its children, so that none slips away', async function () {
    if (process.platform !== 'linux') this.skip();
    child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)']);
    const exited = once(child, 'exit');
    const sent: unknown[] = [];
    const { kill } = process;
    process.kill = (...args) => {
      sent.push(args);
      return kill.apply(process, args);
    };
    try {
      killTree(child.pid ?? 0);
    } finally {
      process.kill = kill;
    }
    expect(sent).to.deep.equal([
      [child.pid, 'SIGSTOP'],
      [child.pid, 'SIGKILL'],
    ]);
    await exited;
  });

  it('kills at least the child where /proc cannot be read', async function () {
    if (process.platform !== 'linux') this.skip();
    child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)']);
    const exited = once(child, 'exit');
    const { readdirSync } = fs;
    fs.readdirSync = (() => {
      throw new Error('not mounted');
    }) as unknown as typeof readdirSync; // only that it throws matters
    syncBuiltinESMExports();
    try {
      killTree(child.pid ?? 0);
    } finally {
      fs.readdirSync = readdirSync;
      syncBuiltinESMExports();
    }
    expect(await exited).to.deep.equal([null, 'SIGKILL']);
  });
});
