import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect } from 'chai';
import {
  type DirectWrite,
  directWrite,
  UNDER_WAY,
  type WritableHandle,
} from '../../src/reactor/libuv/direct-write.ts';

const [major = 0] = process.versions.node.split('.').map(Number);

function handleOf(socket: Socket): WritableHandle {
  // Node's own; not in the types.
  return (socket as unknown as { _handle: WritableHandle })._handle;
}

/** A waiter, and the promise of what it is told. */
function waiter(): { written: (status: number) => void; told: Promise<number> } {
  let written: (status: number) => void = () => {};
  const told = new Promise<number>((resolve) => {
    written = resolve;
  });
  return { written, told };
}

const NOBODY = {
  written(): never {
    throw new Error('Nobody waits for a write that was done at once');
  },
};

describe('directWrite()', () => {
  it('is there on the Nodes that make a request for each write, and only there', () => {
    expect(directWrite() !== undefined).to.equal(major <= 24);
  });

  it('is left alone where Node would warn of it', () => {
    const file = new URL('../../src/reactor/libuv/direct-write.ts', import.meta.url).href;
    const script = `import { directWrite } from ${JSON.stringify(file)}; console.log(directWrite())`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--pending-deprecation', '--import', 'tsx', '--input-type=module', '-e', script],
      { encoding: 'utf8' },
    );
    expect(stdout.trim()).to.equal('undefined');
    expect(stderr).not.to.contain('DEP0111');
  });

  describe('where it is there', () => {
    let write: DirectWrite;
    let near: Socket;
    let far: Socket;

    before(function () {
      const found = directWrite();
      if (found === undefined) this.skip();
      write = found;
    });

    beforeEach(async () => {
      const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      // A server that listens on TCP has such an address.
      near = connect((server.address() as AddressInfo).port, '127.0.0.1');
      [far] = await once(server, 'connection');
      if (near.connecting) await once(near, 'connect');
      near.on('error', () => {});
      server.close();
    });

    afterEach(() => {
      near?.destroy();
      far?.destroy();
    });

    it('sends bytes and text in their order', async () => {
      expect(write(handleOf(near), Buffer.from('one '), NOBODY)).to.equal(0);
      expect(write(handleOf(near), 'zw\u00f6lf ', NOBODY)).to.equal(0);
      expect(write(handleOf(near), new Uint8Array([33]), NOBODY)).to.equal(0);
      near.end();
      let text = '';
      for await (const chunk of far.setEncoding('utf8')) text += chunk;
      expect(text).to.equal('one zw\u00f6lf !');
    });

    for (const kind of ['bytes', 'text'] as const) {
      it(`tells when ${kind} that did not fit have left, and leaves other sockets free to write`, async () => {
        const size = 32 * 1024 * 1024;
        const { written, told } = waiter();
        const data = kind === 'text' ? 'x'.repeat(size) : Buffer.alloc(size, 'x');
        expect(write(handleOf(near), data, { written })).to.equal(UNDER_WAY);
        expect(write(handleOf(far), 'meanwhile', NOBODY)).to.equal(0);
        let received = 0;
        far.on('data', (chunk: Buffer) => {
          received += chunk.length;
        });
        far.resume();
        expect(await told).to.equal(0);
        near.end();
        await once(far, 'end');
        expect(received).to.equal(size);
      });
    }

    it('tells each of two that wait at the same time', async () => {
      const size = 32 * 1024 * 1024;
      const [one, other] = [waiter(), waiter()];
      expect(write(handleOf(near), Buffer.alloc(size), one)).to.equal(UNDER_WAY);
      expect(write(handleOf(far), Buffer.alloc(size), other)).to.equal(UNDER_WAY);
      far.resume();
      expect(await one.told).to.equal(0);
      near.resume();
      expect(await other.told).to.equal(0);
    });

    it('tells of a write that the end of the socket cut short', async () => {
      const { written, told } = waiter();
      expect(write(handleOf(near), Buffer.alloc(32 * 1024 * 1024), { written })).to.equal(
        UNDER_WAY,
      );
      near.destroy();
      expect(await told).to.be.below(0);
    });

    it('returns the error of a write that cannot be, and the next one is not harmed', async () => {
      const handle = handleOf(near);
      near.end();
      await once(near, 'finish');
      expect(write(handle, 'late', NOBODY)).to.be.below(0);
      expect(write(handleOf(far), 'fine', NOBODY)).to.equal(0);
      near.setEncoding('utf8');
      expect(await once(near, 'data')).to.deep.equal(['fine']);
    });
  });
});
