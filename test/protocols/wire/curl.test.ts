/** The small classics, asked by a program that is not ours. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Factory } from '../../../src/protocols/index.ts';
import { Daytime, Finger, QOTD } from '../../../src/protocols/wire/index.ts';
import { type IProtocol, LibuvReactor } from '../../../src/reactor/index.ts';

describe('curl', () => {
  async function curl(
    protocol: new () => IProtocol,
    url: (port: number) => string,
  ): Promise<string> {
    const reactor = new LibuvReactor();
    const factory = Factory.forProtocol(protocol);
    factory.noisy = false;
    const port = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    try {
      const args = ['-s', '--noproxy', '*', '--max-time', '10', url(port.getHost().port)];
      return (await promisify(execFile)('curl', args)).stdout;
    } finally {
      await port.stopListening();
    }
  }

  class Staff extends Finger {
    override getUser(_slashW: boolean, user: string): string {
      return `${user} is at lunch`;
    }
  }

  it('asks Finger as it would ask a gopher', async () => {
    expect(await curl(Staff, (port) => `gopher://127.0.0.1:${port}/0ada`)).to.equal(
      'ada is at lunch\r\n',
    );
  });

  it('takes what Daytime and QOTD say', async () => {
    const any = (port: number): string => `gopher://127.0.0.1:${port}/0`;
    expect(await curl(Daytime, any)).to.match(/^\w{3} .* UTC\r\n$/);
    expect(await curl(QOTD, any)).to.match(/\r\n$/);
  });
});
