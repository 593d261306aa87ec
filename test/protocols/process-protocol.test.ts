import { expect } from 'chai';
import { Failure } from '../../src/deferred/index.ts';
import { ProcessProtocol } from '../../src/protocols/process-protocol.ts';
import { LibuvReactor, ProcessDone, type ProcessTransport } from '../../src/reactor/index.ts';
import { spawnProcess } from '../../src/reactor/libuv/process.ts';

class Recorder extends ProcessProtocol {
  readonly calls: string[] = [];

  override connectionMade(): void {
    this.calls.push('made');
  }
  override outReceived(data: Buffer): void {
    this.calls.push(`out ${data}`);
  }
  override errReceived(data: Buffer): void {
    this.calls.push(`err ${data}`);
  }
  override inConnectionLost(): void {
    this.calls.push('in lost');
  }
  override outConnectionLost(): void {
    this.calls.push('out lost');
  }
  override errConnectionLost(): void {
    this.calls.push('err lost');
  }
}

describe('ProcessProtocol', () => {
  it('makeConnection() takes the transport before it calls connectionMade()', () => {
    const transport = {} as ProcessTransport; // nothing of it is used
    const seen: unknown[] = [];
    class Greeter extends ProcessProtocol {
      override connectionMade(): void {
        seen.push(this.transport);
      }
    }
    new Greeter().makeConnection(transport);
    expect(seen).to.deep.equal([transport]);
  });

  it('childDataReceived() hands descriptors 1 and 2 on, and no other', () => {
    const protocol = new Recorder();
    protocol.childDataReceived(1, Buffer.from('a'));
    protocol.childDataReceived(2, Buffer.from('b'));
    protocol.childDataReceived(3, Buffer.from('c'));
    expect(protocol.calls).to.deep.equal(['out a', 'err b']);
  });

  it('childConnectionLost() hands descriptors 0 to 2 on, and no other', () => {
    const protocol = new Recorder();
    for (const fd of [0, 1, 2, 3]) protocol.childConnectionLost(fd);
    expect(protocol.calls).to.deep.equal(['in lost', 'out lost', 'err lost']);
  });

  it('returns what async methods return, so that the reactor learns of their failures', async () => {
    class Late extends ProcessProtocol {
      override async connectionMade(): Promise<void> {
        throw new Error('made');
      }
      override async outReceived(): Promise<void> {
        throw new Error('out');
      }
      override async errReceived(): Promise<void> {
        throw new Error('err');
      }
      override async inConnectionLost(): Promise<void> {
        throw new Error('lost 0');
      }
      override async outConnectionLost(): Promise<void> {
        throw new Error('lost 1');
      }
      override async errConnectionLost(): Promise<void> {
        throw new Error('lost 2');
      }
    }
    const protocol = new Late();
    const results = await Promise.allSettled([
      protocol.makeConnection({} as ProcessTransport), // nothing of it is used
      protocol.childDataReceived(1, Buffer.alloc(1)),
      protocol.childDataReceived(2, Buffer.alloc(1)),
      ...[0, 1, 2].map((fd) => protocol.childConnectionLost(fd)),
    ]);
    const reasons = results.map((result) =>
      result.status === 'rejected' ? result.reason.message : 'nothing',
    );
    expect(reasons).to.deep.equal(['made', 'out', 'err', 'lost 0', 'lost 1', 'lost 2']);
  });

  it('does nothing by itself', () => {
    const protocol = new ProcessProtocol();
    const reason = new Failure(new ProcessDone());
    protocol.makeConnection({} as ProcessTransport); // nothing of it is used
    for (const fd of [0, 1, 2, 3]) {
      protocol.childDataReceived(fd, Buffer.from('x'));
      protocol.childConnectionLost(fd);
    }
    expect(protocol.processExited(reason)).to.equal(undefined);
    expect(protocol.processEnded(reason)).to.equal(undefined);
  });

  it('is named by its class in the log', () => {
    expect(new ProcessProtocol().logPrefix()).to.equal('ProcessProtocol');
    expect(new Recorder().logPrefix()).to.equal('Recorder');
  });

  it('talks to a real child', async () => {
    const reactor = new LibuvReactor();
    const protocol = new (class extends Recorder {
      ended!: (reason: Failure) => void;
      readonly whenEnded = new Promise<Failure>((resolve) => {
        this.ended = resolve;
      });
      override connectionMade(): void {
        super.connectionMade();
        this.transport.write('hello');
        this.transport.closeStdin();
      }
      override processExited(): void {
        this.calls.push('exited');
      }
      override processEnded(reason: Failure): void {
        this.calls.push('ended');
        this.ended(reason);
      }
    })();
    const code = 'process.stdin.pipe(process.stdout)';
    spawnProcess(reactor, protocol, process.execPath, ['node', '-e', code]);
    const reason = await protocol.whenEnded;
    expect(reason.value).to.be.instanceOf(ProcessDone);
    expect(protocol.calls.slice(0, 1).concat(protocol.calls.slice(-1))).to.deep.equal([
      'made',
      'ended',
    ]);
    expect([...protocol.calls].sort()).to.deep.equal(
      ['made', 'out hello', 'in lost', 'out lost', 'err lost', 'exited', 'ended'].sort(),
    );
    expect(reactor.openCount).to.equal(0);
  });
});
