import { expect } from 'chai';
import {
  Int8StringReceiver,
  LineOnlyReceiver,
  LineReceiver,
  NetstringReceiver,
  type Protocol,
} from '../../src/protocols/index.ts';
import { FailureTrap } from '../support/recorder.ts';
import { connect } from './support.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function fails(): Promise<never> {
  throw new RangeError('broke');
}

class Line extends LineReceiver {
  override lineReceived = fails;
}
class Raw extends LineReceiver {
  override lineMode = false;
  override rawDataReceived = fails;
}
class OnlyLine extends LineOnlyReceiver {
  override lineReceived = fails;
}
class Netstring extends NetstringReceiver {
  override stringReceived = fails;
}
class Int8 extends Int8StringReceiver {
  override stringReceived = fails;
}

class LongString extends Int8StringReceiver {
  override MAX_LENGTH = 4;
  override lengthLimitExceeded = fails;
}
class LongLine extends LineReceiver {
  override MAX_LENGTH = 4;
  override lineLengthExceeded = fails;
}
class LongOnlyLine extends LineOnlyReceiver {
  override MAX_LENGTH = 4;
  override lineLengthExceeded = fails;
}

describe('An async callback of a receiver', () => {
  let trap: FailureTrap;
  beforeEach(() => {
    trap = new FailureTrap();
  });
  afterEach(() => trap.restore());

  const cases: ReadonlyArray<readonly [new () => Protocol, string]> = [
    [Line, 'x\r\n'],
    [Raw, 'x'],
    [OnlyLine, 'x\r\n'],
    [Netstring, '1:x,'],
    [Int8, '\x01x'],
  ];
  for (const [Receiver, texts] of [
    [LongString, ['\x05']],
    [LongLine, ['12345\r\n']],
    [LongOnlyLine, ['12345\r\n12345\r\n', '']],
  ] as const) {
    it(`costs the connection when it fails, of what is too long: ${Receiver.name}`, async () => {
      const protocol = new Receiver();
      const transport = connect(protocol);
      protocol.paused = true;
      for (const text of texts) protocol.dataReceived(Buffer.from(text));
      // Nobody sees what this returns.
      protocol.resumeProducing();
      await turn();
      expect(transport.disconnected).to.equal(true);
      expect(trap.caught.length).to.be.within(1, 2);
    });
  }

  for (const [Receiver, text] of cases) {
    it(`costs the connection when it fails: ${Receiver.name}`, async () => {
      const protocol = new Receiver();
      const transport = connect(protocol);
      protocol.dataReceived(Buffer.from(text));
      await turn();
      expect(transport.disconnected).to.equal(true);
      expect(trap.caught.map(({ origin, failure }) => `${origin}: ${failure.value}`)).to.deep.equal(
        [`Unhandled error in ${Receiver.name}: RangeError: broke`],
      );
    });
  }
});
