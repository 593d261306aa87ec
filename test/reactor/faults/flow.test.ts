import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

const FIXTURE = fileURLToPath(new URL('../../fixtures/faults/flow.ts', import.meta.url));
const MIB = 1024 * 1024;
const TOTAL = 1024 * MIB;
/** How much the whole process may grow, garbage that has yet to be collected included. The sender may have 1 MiB waiting. */
const BOUND = 64 * MIB;

/** How far the sender may be ahead of the reader: what the system holds for the two of them is megabytes on its own. */
const AHEAD = 32 * MIB;

/** Further kinds are added there and here. */
const KINDS = ['tcp', 'tls', 'unix'];

for (const kind of KINDS) {
  it(`1 GiB by ${kind} to a reader that stops and goes leaves the memory of the process flat`, async function () {
    // A gigabyte takes its time on a machine that has other things to do.
    this.timeout(120_000);
    if (kind === 'unix' && process.platform === 'win32') this.skip();
    const tsx = import.meta.resolve('tsx');
    const args = ['--expose-gc', '--import', tsx, FIXTURE, kind, String(TOTAL)];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const { read, sent, ahead, pauses, grown } = JSON.parse(stdout);
    expect(read).to.equal(TOTAL);
    expect(sent).to.equal(TOTAL);
    expect(pauses).to.be.above(0);
    expect(ahead).to.be.below(AHEAD);
    expect(grown.external).to.be.below(BOUND);
    expect(grown.rss).to.be.below(BOUND);
  });
}
