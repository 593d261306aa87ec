import { expect } from 'chai';
import {
  ACCEPT_BITS,
  bitsOf,
  CONTROL_CODES,
  nameOf,
  namesOf,
  SERVICE_RIGHT_BITS,
  STATE_CODES,
} from '../../../src/service/windows/constants.ts';
import { controlEvent, decodeControl } from '../../../src/service/windows/control-events.ts';

/** A reader over what Windows would point to. */
const over = (data: Buffer) => (length: number) => data.subarray(0, length);
const nothing = () => null;

describe('decodeControl()', () => {
  it('gives a plain control its name', () => {
    expect(decodeControl(1, 0, nothing)).to.deep.equal({ type: 'stop', code: 1 });
    expect(decodeControl(15, 0, nothing)).to.deep.equal({ type: 'preshutdown', code: 15 });
    for (const [name, code] of Object.entries(CONTROL_CODES)) {
      expect(decodeControl(code, 0, nothing).type).to.equal(name);
    }
  });

  it('tells controls of the service apart from unknown ones', () => {
    expect(controlEvent(128)).to.deep.equal({ type: 'custom', code: 128 });
    expect(controlEvent(255)).to.deep.equal({ type: 'custom', code: 255 });
    expect(decodeControl(127, 3, nothing)).to.deep.equal({
      type: 'unknown',
      code: 127,
      eventType: 3,
    });
    expect(controlEvent(256).type).to.equal('unknown');
  });

  it('reads the session of a session change', () => {
    const data = Buffer.alloc(8);
    data.writeUInt32LE(8, 0);
    data.writeUInt32LE(3, 4);
    expect(decodeControl(14, 5, over(data))).to.deep.equal({
      type: 'session-change',
      code: 14,
      change: 'logon',
      eventType: 5,
      sessionId: 3,
    });
    expect(decodeControl(14, 99, nothing)).to.include({ change: 'unknown', sessionId: 0 });
  });

  it('reads the setting of a power event', () => {
    const data = Buffer.concat([
      Buffer.from('599a3e5dd5e9004ba6bdff34ff516548', 'hex'),
      Buffer.from([4, 0, 0, 0]),
      Buffer.from([1, 0, 0, 0]),
    ]);
    expect(decodeControl(13, 0x8013, over(data))).to.deep.equal({
      type: 'power-event',
      code: 13,
      change: 'setting-change',
      eventType: 0x8013,
      setting: '5d3e9a59-e9d5-4b00-a6bd-ff34ff516548',
      data: Buffer.from([1, 0, 0, 0]),
    });
    expect(decodeControl(13, 4, nothing)).to.include({ change: 'suspend', setting: null });
  });

  it('does not believe a length that is out of all proportion', () => {
    const data = Buffer.alloc(24, 0xff);
    expect(decodeControl(13, 0x8013, over(data))).to.deep.include({ data: Buffer.alloc(0) });
    expect(decodeControl(11, 1, over(data))).to.deep.include({ data: Buffer.alloc(0) });
  });

  it('copies as much of a device event as it says it has', () => {
    const data = Buffer.from([6, 0, 0, 0, 1, 2, 99]);
    const event = decodeControl(11, 0x8000, over(data));
    data.fill(0);
    expect(event).to.deep.equal({
      type: 'device-event',
      code: 11,
      eventType: 0x8000,
      data: Buffer.from([6, 0, 0, 0, 1, 2]),
    });
  });

  it('reads the times of a change of time', () => {
    const data = Buffer.alloc(16);
    data.writeBigInt64LE(116_444_736_000_000_000n + 15_000_000n, 0); // 1.5 s after 1970 began
    data.writeBigInt64LE(116_444_736_000_000_000n, 8);
    expect(decodeControl(16, 0, over(data))).to.deep.equal({
      type: 'time-change',
      code: 16,
      newTime: 1.5,
      oldTime: 0,
    });
    expect(controlEvent('time-change')).to.include({ newTime: null, oldTime: null });
  });
});

describe('names and numbers', () => {
  it("bitsOf() and namesOf() are each other's inverse", () => {
    expect(bitsOf(ACCEPT_BITS, ['stop', 'preshutdown'])).to.equal(0x101);
    expect(namesOf(ACCEPT_BITS, 0x101)).to.deep.equal(['stop', 'preshutdown']);
    expect(namesOf(ACCEPT_BITS, 0x8000)).to.deep.equal([]);
  });

  it('a name of many bits is found only when all are there', () => {
    expect(namesOf(SERVICE_RIGHT_BITS, 0x1)).to.deep.equal(['query-config']);
    expect(namesOf(SERVICE_RIGHT_BITS, 0xf01ff)).to.include('all');
  });

  it('nameOf() finds the name of a number', () => {
    expect(nameOf(STATE_CODES, 7)).to.equal('paused');
    expect(nameOf(STATE_CODES, 8)).to.equal(undefined);
  });
});
