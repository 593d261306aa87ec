import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { killChildren, ROOT, start } from '../support/twistd-child.ts';

describe('The bank example', () => {
  afterEach(killChildren);

  it('moves money once, and nothing when there is not enough', async () => {
    const { code, stdout, stderr } = await start([], { program: `${ROOT}docs/examples/bank.ts` })
      .ended;
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(stdout.trim().split('\n')).to.deep.equal([
      'Moved 60',
      'Moved nothing: not enough',
      '{ id: 1, balance: 40 }',
      '{ id: 2, balance: 60 }',
    ]);
  });

  it('is in the documentation as it runs', () => {
    const page = readFileSync(`${ROOT}docs/adbapi.md`, 'utf8');
    const example = readFileSync(`${ROOT}docs/examples/bank.ts`, 'utf8');
    const code = example.slice(example.indexOf('import '));
    expect(page).to.include(code.replace('../../src/adbapi/index.ts', 'strand/adbapi'));
  });
});
