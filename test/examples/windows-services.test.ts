/** The examples of docs/windows-services.md do what it says, as far as that can be seen without Windows. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { expect } from 'chai';
import { registrationOf } from '../../docs/examples/windows-backup.ts';
import { TimeControls, TimeFactory } from '../../docs/examples/windows-service.ts';
import { Clock, successResultOf } from '../../src/reactor/index.ts';
import { installService, MemoryScm, removeService } from '../../src/service/index.ts';
import { controlEvent } from '../../src/service/windows/control-events.ts';
import { killChildren, ROOT, run, start } from '../support/twistd-child.ts';

async function answerOf(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await once(socket, 'close');
  return text;
}

describe('docs/windows-services.md', () => {
  afterEach(killChildren);

  it('shows the examples as they are', () => {
    const page = readFileSync(`${ROOT}docs/windows-services.md`, 'utf8');
    const listings = [...page.matchAll(/<!-- (docs\/examples\/\S+) -->\n```ts\n(.*?)```\n/gs)];
    expect(listings).to.have.length(2);
    for (const [, file = '', text] of listings) {
      const source = readFileSync(ROOT + file, 'utf8');
      expect(text, file).to.equal(source.replaceAll('../../src/index.ts', 'strand'));
    }
  });

  for (const verb of [[], ['debug']]) {
    it(`windows-service.ts tells the time under twistd ${verb.join(' ')}`, async () => {
      const app = ['--service', 'docs/examples/windows-service.ts'];
      const child = start([...app, ...verb], { env: { TIME_PORT: '0' } });
      const port = await child.port();
      await child.waitForLine(/Started time/);
      expect(await answerOf(port)).to.match(/^\d{4}-\d\d-\d\dT.*Z\n$/);
      expect((await child.stop('SIGINT')).code).to.equal(0);
    });
  }

  it('windows-service.ts pauses, goes on, and understands its own controls only', () => {
    const factory = new TimeFactory();
    const controls = new TimeControls(factory);
    controls.pauseService();
    expect(factory.answer()).to.equal('Come back later\n');
    controls.continueService();
    expect(factory.answer()).to.match(/Z\n$/);
    const events = [128, 129, 'param-change'] as const;
    expect(events.map((code) => controls.controlReceived(controlEvent(code)))).to.deep.equal([
      0, 120, 0,
    ]);
  });

  it('windows-framework.ts ticks until it is stopped', async () => {
    const child = start(['debug', '1'], { program: `${ROOT}docs/examples/windows-framework.ts` });
    await child.waitForLine(/^tick$/m);
    expect((await child.stop('SIGINT')).code).to.equal(0);
  });

  it('windows-backup.ts writes down all that makes a service', () => {
    const clock = new Clock();
    const scm = new MemoryScm({ clock });
    const how = { scm, clock };
    const setup = {
      ...{ name: 'time', imagePath: '"C:\\node.exe" x', startType: 'automatic' as const },
      ...{ description: 'd', delayedStart: true, environment: { A: '1' }, displayName: 'Time' },
    };
    successResultOf(installService(setup, how));
    const saved = registrationOf('time', scm);
    expect(saved).to.deep.include(setup);
    successResultOf(removeService('time', how));
    successResultOf(installService(JSON.parse(JSON.stringify(saved)), how));
    expect(registrationOf('time', scm)).to.deep.equal(saved);
  });

  it('windows-backup.ts shows its usage', async () => {
    const { code, stderr } = await run([], { program: `${ROOT}docs/examples/windows-backup.ts` });
    expect({ code, stderr }).to.deep.equal({
      code: 2,
      stderr: 'Usage: windows-backup save SERVICE FILE | restore FILE\n',
    });
  });
});
