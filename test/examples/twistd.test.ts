import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { loadConfig } from '../../src/service/twistd/config.ts';
import { killChildren, start } from '../support/twistd-child.ts';

const FOLDER = fileURLToPath(new URL('../../docs/examples', import.meta.url));

describe("the examples of twistd's page", function () {
  this.timeout(30_000);
  afterEach(killChildren);

  it('tell the time, as a sub-command of the config', async () => {
    const config = await loadConfig(FOLDER);
    expect(config).to.deep.include({ twistd: { logLevel: 'debug', admin: 8081 } });
    const child = start(['--admin', '0', 'clock'], { cwd: FOLDER });
    await child.waitForLine(/Admin endpoint at/);
    await child.waitForLine(/Started clock/);
    const client = connect(8013, '127.0.0.1');
    const [data] = await once(client.setEncoding('utf8'), 'data');
    expect(data).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z\n$/);
    client.destroy();
    expect((await child.stop()).code).to.equal(0);
  });
});
