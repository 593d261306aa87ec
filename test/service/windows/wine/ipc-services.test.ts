/** Services watched on Windows. */
import { expect } from 'chai';
import { wine } from '../../../support/wine.ts';
import { type Program, twoPrograms } from '../ipc/two-programs.ts';

const NAME = 'strand-watched';

describe('On Windows, services that are watched', function () {
  this.timeout(60_000);
  const windows = wine();
  const [one, two] = twoPrograms();
  const create = () => windows.tool('sc', ['create', NAME, 'binPath=', 'c:\\nothing.exe']);
  const remove = () => windows.tool('sc', ['delete', NAME]);
  afterEach(async () => {
    await Promise.all([one.call('unwatch'), two.call('unwatch')]);
    await remove();
  });

  /** Waits until a program was told something that looks so. Gives all that it was told. */
  async function told(program: Program, pattern: RegExp): Promise<string[]> {
    const until = performance.now() + 20_000;
    for (;;) {
      const values = (await program.call('watched')) as unknown[]; // as the fixture says
      const texts = values.map((value) => JSON.stringify(value));
      if (texts.some((text) => pattern.test(text))) return texts;
      if (performance.now() > until) throw new Error(`No ${pattern} among ${texts.join('\n')}`);
    }
  }

  it('tell each of its watchers what becomes of them', async () => {
    await two.call('watch');
    await told(two, /"added"/);
    await create();
    await told(two, new RegExp(`"added".*${NAME}`));
    await one.call('watch', NAME);
    const [first] = await told(one, /stopped/);
    expect(JSON.parse(first ?? '')).to.include({ state: 'stopped', pid: 0 });
    await remove();
    expect(await told(one, /complete/)).to.deep.equal([first, '"complete"']);
    await told(two, new RegExp(`"removed".*${NAME}`));
  });

  it('are told to be missing', async () => {
    await one.call('watch', NAME);
    const [error] = (await one.call('watched')) as unknown[];
    expect(error).to.include({ winerror: 1060, code: 'ERROR_SERVICE_DOES_NOT_EXIST' });
  });
});
