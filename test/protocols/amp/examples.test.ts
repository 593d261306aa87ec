/** The examples of AMP do what they say. */
import { expect } from 'chai';
import { getProcessOutputAndValue } from '../../../src/reactor/index.ts';
import { killChildren, start } from '../../support/twistd-child.ts';

describe('The examples of AMP', function () {
  this.timeout(60_000);
  afterEach(killChildren);

  it('amp-client.ts asks amp-server.ts, and is told of changes', async () => {
    const child = start(['--service', 'docs/examples/amp-server.ts'], { env: { PORT: '0' } });
    const port = await child.port();
    const [out, err, code] = await getProcessOutputAndValue(process.execPath, [
      ...['--import', import.meta.resolve('tsx'), 'docs/examples/amp-client.ts'],
      ...[String(port), 'tea', 'beer'],
    ]);
    expect([String(out), String(err), code]).to.deep.equal([
      'Prices of tea and coffee may change\ntea: 5.00\nWe do not have beer\n',
      '',
      0,
    ]);
    expect((await child.stop()).code).to.equal(0);
  });
});
