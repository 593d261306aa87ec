import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Failure } from '../../../src/deferred/index.ts';
import { Factory, Protocol } from '../../../src/protocols/index.ts';
import {
  SpewingFactory,
  type TrafficLog,
  TrafficLoggingFactory,
} from '../../../src/protocols/policies/index.ts';
import {
  ConnectionDone,
  type LogEvent,
  StringTransport,
  setLogObserver,
} from '../../../src/reactor/index.ts';
import { Progress } from '../../support/recorder.ts';

const DONE = new Failure(new ConnectionDone());

class Echo extends Protocol {
  override dataReceived(data: Buffer): void {
    this.transport.write(data);
  }
}

function quiet(): Factory {
  const factory = Factory.forProtocol(Echo);
  factory.noisy = false;
  return factory;
}

class Lines implements TrafficLog {
  text = '';
  ended = false;
  write(line: string): void {
    this.text += line;
  }
  end(): void {
    this.ended = true;
  }
}

describe('TrafficLoggingFactory', () => {
  it('records all that passes, and what happens', () => {
    const logs: Lines[] = [];
    const factory = new TrafficLoggingFactory(quiet(), () => {
      const log = new Lines();
      logs.push(log);
      return log;
    });
    const transport = new StringTransport();
    const wrapper = factory.buildProtocol(transport.getPeer());
    wrapper?.makeConnection(transport);
    wrapper?.dataReceived(Buffer.from('GET "\\\r\n\t\0ä'));
    wrapper?.writeSequence(['a', Buffer.from('b')]);
    wrapper?.loseConnection();
    wrapper?.abortConnection();
    wrapper?.connectionLost(DONE);
    expect(logs[0]?.text.split('\n')).to.deep.equal([
      `* 1: connection with ${transport.getPeer()}`,
      String.raw`C 1: "GET \"\\\r\n\t\x00\xc3\xa4"`,
      String.raw`S 1: "GET \"\\\r\n\t\x00\xc3\xa4"`,
      'S 1: "ab"',
      '* 1: we close it',
      '* 1: we abort it',
      `* 1: connection lost: ${DONE.getErrorMessage()}`,
      '',
    ]);
    expect(logs[0]?.ended).to.equal(true);
    expect(transport.value().toString()).to.equal('GET "\\\r\n\t\0äab');
    factory.buildProtocol(transport.getPeer())?.makeConnection(transport);
    expect(logs[1]?.text).to.match(/^\* 2: /);
    factory.resetCounter();
    factory.buildProtocol(transport.getPeer())?.makeConnection(transport);
    expect(logs[2]?.text).to.match(/^\* 1: /);
  });

  it('shows as much of each piece as it may', () => {
    const log = new Lines();
    const factory = new TrafficLoggingFactory(quiet(), () => log, { lengthLimit: 4 });
    const transport = new StringTransport();
    const wrapper = factory.buildProtocol(transport.getPeer());
    wrapper?.makeConnection(transport);
    log.text = '';
    wrapper?.write('abcdefgh');
    wrapper?.write('abcd');
    expect(log.text).to.equal('S 1: "abcd"... (8 bytes)\nS 1: "abcd"\n');
    expect(transport.value().toString()).to.equal('abcdefghabcd');
  });

  it('refuses what is no data at once, like any transport', () => {
    const factory = new TrafficLoggingFactory(quiet(), () => new Lines());
    const transport = new StringTransport();
    const wrapper = factory.buildProtocol(transport.getPeer());
    wrapper?.makeConnection(transport);
    expect(() => wrapper?.write(5 as unknown as string)).to.throw(TypeError);
    expect(() => wrapper?.writeSequence('text')).to.throw(TypeError);
  });

  it('keeps the record of each connection in a file of its own, for its owner only', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'strand-traffic-'));
    try {
      const progress = new Progress();
      const closed: string[] = [];
      class Watched extends TrafficLoggingFactory {
        protected override open(...args: Parameters<TrafficLoggingFactory['open']>): TrafficLog {
          const file = super.open(...args) as TrafficLog & NodeJS.EventEmitter; // a stream
          file.on('close', () => {
            closed.push('closed');
            progress.changed();
          });
          return file;
        }
      }
      const factory = new Watched(quiet(), join(folder, 'echo'));
      for (const text of ['one', 'two']) {
        const transport = new StringTransport();
        const wrapper = factory.buildProtocol(transport.getPeer());
        wrapper?.makeConnection(transport);
        wrapper?.dataReceived(Buffer.from(text));
        wrapper?.connectionLost(DONE);
      }
      await progress.until(() => closed.length === 2);
      expect(readFileSync(join(folder, 'echo-1'), 'utf8')).to.include('C 1: "one"\nS 1: "one"\n');
      expect(readFileSync(join(folder, 'echo-2'), 'utf8')).to.include('C 2: "two"\nS 2: "two"\n');
      if (process.platform !== 'win32') {
        expect(statSync(join(folder, 'echo-1')).mode & 0o777).to.equal(0o600);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('says that it cannot record, and goes on', async () => {
    const logged: LogEvent[] = [];
    const progress = new Progress();
    const before = setLogObserver((event) => {
      logged.push(event);
      progress.changed();
    });
    try {
      const factory = new TrafficLoggingFactory(quiet(), join(tmpdir(), 'strand-no-such', 'x'));
      const transport = new StringTransport();
      const wrapper = factory.buildProtocol(transport.getPeer());
      wrapper?.makeConnection(transport);
      await progress.until(() => logged.length > 0);
      expect(logged[0]).to.include({ level: 'warn' });
      expect(logged[0]?.message).to.match(/^Cannot record traffic: ENOENT/);
      wrapper?.dataReceived(Buffer.from('x'));
      wrapper?.connectionLost(DONE);
      expect(transport.value().toString()).to.equal('x');
    } finally {
      setLogObserver(before);
    }
  });
});

describe('SpewingFactory', () => {
  it('logs all that passes', () => {
    const logged: LogEvent[] = [];
    const before = setLogObserver((event) => logged.push(event));
    try {
      const transport = new StringTransport();
      const wrapper = new SpewingFactory(quiet()).buildProtocol(transport.getPeer());
      wrapper?.makeConnection(transport);
      wrapper?.dataReceived(Buffer.from('x\n'));
      wrapper?.writeSequence(['y']);
      expect(() => wrapper?.writeSequence('text')).to.throw(TypeError);
      expect(logged.map(({ level, system, message }) => [level, system, message])).to.deep.equal([
        ['debug', 'Echo (SpewingProtocol)', 'Received: "x\\n"'],
        ['debug', 'Echo (SpewingProtocol)', 'Sending: "x\\n"'],
        ['debug', 'Echo (SpewingProtocol)', 'Sending: "y"'],
      ]);
      expect(transport.value().toString()).to.equal('x\ny');
    } finally {
      setLogObserver(before);
    }
  });
});
