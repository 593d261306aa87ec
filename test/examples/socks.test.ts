/** The examples of SOCKS do what they say. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { fetchThrough } from '../../docs/examples/socks-client.ts';
import { Factory, hashPassword, Protocol } from '../../src/protocols/index.ts';
import { SOCKSAuthenticationError, SOCKSRefusedError } from '../../src/protocols/socks/index.ts';
import { reactor } from '../../src/reactor/index.ts';
import { killChildren, start } from '../support/twistd-child.ts';

class Hello extends Protocol {
  override dataReceived(): void {
    this.transport.write('HTTP/1.0 200 OK\r\n\r\nhello');
    this.transport.loseConnection();
  }
}

async function failureOf(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('Expected a failure');
}

describe('The examples of SOCKS', function () {
  this.timeout(60_000);
  afterEach(killChildren);

  it('socks-server.ts lets users in, and socks-client.ts is one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'strand-socks-'));
    const factory = Factory.forProtocol(Hello);
    factory.noisy = false;
    const web = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    try {
      const users = join(folder, 'passwords');
      writeFileSync(users, `alice:${await hashPassword('pw')}\n`);
      const serve = async (
        allow: string,
      ): Promise<{ port: number; stop: () => PromiseLike<{ code: number | null }> }> => {
        const child = start(['--service', 'docs/examples/socks-server.ts'], {
          env: { PORT: '0', SOCKS_USERS: users, SOCKS_ALLOW: allow },
        });
        return { port: await child.port(), stop: () => child.stop() };
      };
      const { port } = web.getHost();
      const alice = { username: 'alice', password: 'pw' };
      const open = await serve('127.0.0.0/8');
      expect(await fetchThrough(open.port, 'localhost', port, alice)).to.match(/hello$/);
      const wrong = { ...alice, password: 'no' };
      const stranger = await failureOf(fetchThrough(open.port, 'localhost', port, wrong));
      expect(stranger).to.be.instanceOf(SOCKSAuthenticationError);
      const nobody = await failureOf(fetchThrough(open.port, 'localhost', port));
      expect(nobody).to.be.instanceOf(SOCKSAuthenticationError);
      expect((await open.stop()).code).to.equal(0);
      const closed = await serve('10.1.0.0/16');
      const outside = await failureOf(fetchThrough(closed.port, 'localhost', port, alice));
      expect(outside).to.be.instanceOf(SOCKSRefusedError);
      expect((await closed.stop()).code).to.equal(0);
    } finally {
      await web.stopListening();
      rmSync(folder, { recursive: true });
    }
  });
});
