import { expect } from 'chai';
import fc from 'fast-check';
import {
  Block,
  descriptionBlock,
  numberBlock,
  privilegesBlock,
  readConfig,
  readDescription,
  readListings,
  readPrivileges,
  readRecovery,
  readStatus,
  recoveryBlock,
  STATUS_PROCESS_SIZE,
  STATUS_SIZE,
  writeStatus,
} from '../../../../src/service/windows/ffi/structs.ts';
import { multiText, textAt, textsAt, wide } from '../../../../src/service/windows/ffi/text.ts';
import type { RecoveryPlan } from '../../../../src/service/windows/scm-api.ts';

const ADDRESS = 0x7ffe_0000_1000n;

/** Writes a block as if it lay at ADDRESS. */
function laidOut(block: Block): { bytes: Buffer; address: bigint } {
  const bytes = Buffer.alloc(block.size);
  block.write(bytes, ADDRESS);
  return { bytes, address: ADDRESS };
}

describe('structures of the service manager', () => {
  it('SERVICE_STATUS_PROCESS is read at its offsets', () => {
    const bytes = Buffer.alloc(STATUS_PROCESS_SIZE);
    for (const [n, value] of [0x110, 6, 0x103, 1066, 0x20000003, 4, 2500, 4711].entries()) {
      bytes.writeUInt32LE(value, 4 * n);
    }
    expect(readStatus(bytes)).to.deep.equal({
      type: 'own-process',
      state: 'pause-pending',
      accepts: ['stop', 'pause-continue', 'preshutdown'],
      win32ExitCode: 1066,
      serviceExitCode: 0x20000003,
      checkPoint: 4,
      waitHint: 2.5,
      pid: 4711,
    });
  });

  it('SERVICE_STATUS has no process', () => {
    const bytes = Buffer.alloc(STATUS_SIZE);
    bytes.writeUInt32LE(0x20, 0);
    bytes.writeUInt32LE(4, 4);
    expect(readStatus(bytes, 0, false)).to.include({
      type: 'share-process',
      state: 'running',
      pid: 0,
    });
  });

  it('writeStatus() writes what readStatus() reads', () => {
    const bytes = Buffer.alloc(STATUS_SIZE);
    const status = {
      state: 'stop-pending',
      accepts: ['stop', 'session-change'],
      win32ExitCode: 1066,
      serviceExitCode: 0xffffffff,
      checkPoint: 3,
      waitHint: 7.25,
    } as const;
    writeStatus(bytes, status, false);
    expect(readStatus(bytes, 0, false)).to.deep.equal({ ...status, type: 'own-process', pid: 0 });
    expect(bytes.readUInt32LE(24)).to.equal(7250);
    writeStatus(bytes, status, true);
    expect(bytes.readUInt32LE(0)).to.equal(0x20);
  });

  it('QUERY_SERVICE_CONFIG is read at its offsets, whatever lies behind it', () => {
    const block = new Block(64)
      .number(0, 0x120)
      .number(4, 2)
      .number(8, 3)
      .text(16, '"C:\\a b\\node.exe" x')
      .text(24, 'group')
      .number(32, 9)
      .pointer(40, multiText(['one', '+two']))
      .text(48, '.\\me')
      .text(56, 'Schön 😀');
    expect(readConfig(laidOut(block))).to.deep.equal({
      type: 'share-process',
      interactive: true,
      startType: 'automatic',
      errorControl: 'critical',
      imagePath: '"C:\\a b\\node.exe" x',
      loadOrderGroup: 'group',
      dependencies: ['one', '+two'],
      account: '.\\me',
      displayName: 'Schön 😀',
    });
  });

  it('null pointers, and pointers out of the answer, are empty', () => {
    const answer = laidOut(new Block(64).number(0, 0x10).number(4, 3));
    answer.bytes.writeBigUInt64LE(ADDRESS + 64n, 56);
    answer.bytes.writeBigUInt64LE(ADDRESS - 8n, 48);
    expect(readConfig(answer)).to.include({ imagePath: '', displayName: '', account: '' });
    expect(readConfig(answer).dependencies).to.deep.equal([]);
  });

  for (const withProcess of [true, false]) {
    it(`lists of services are read ${withProcess ? 'with' : 'without'} their process`, () => {
      const size = withProcess ? 56 : 48;
      const block = new Block(2 * size)
        .text(0, 'a')
        .text(8, 'The a')
        .number(16 + 4, 4)
        .text(size, 'b')
        .text(size + 8, 'The b')
        .number(size + 16 + 4, 1)
        .number(size + 16 + 12, 1077);
      if (withProcess) block.number(16 + 28, 12);
      const [a, b, ...more] = readListings(laidOut(block), 2, withProcess);
      expect(more).to.deep.equal([]);
      expect(a).to.include({ name: 'a', displayName: 'The a' });
      expect(a?.status).to.include({ state: 'running', pid: withProcess ? 12 : 0 });
      expect(b).to.include({ name: 'b', displayName: 'The b' });
      expect(b?.status).to.include({ state: 'stopped', win32ExitCode: 1077 });
    });
  }

  it('SERVICE_FAILURE_ACTIONS has its parts where Windows looks for them', () => {
    const { bytes } = laidOut(
      recoveryBlock({
        actions: [
          { type: 'restart', delay: 5 },
          { type: 'run-command', delay: 0.5 },
        ],
        resetPeriod: 86_400,
        rebootMessage: 'Bye',
        command: 'c.exe',
      }),
    );
    const at = (offset: number): number => Number(bytes.readBigUInt64LE(offset) - ADDRESS);
    expect(bytes.readUInt32LE(0)).to.equal(86_400);
    expect(textAt(bytes, at(8))).to.equal('Bye');
    expect(textAt(bytes, at(16))).to.equal('c.exe');
    expect(bytes.readUInt32LE(24)).to.equal(2);
    expect([0, 4, 8, 12].map((offset) => bytes.readUInt32LE(at(32) + offset))).to.deep.equal([
      1, 5000, 3, 500,
    ]);
    for (const pointer of [8, 16, 32]) expect(at(pointer) % 8, 'aligned').to.equal(0);
  });

  it('no actions are a pointer and a count of 0: a null pointer would change nothing', () => {
    const plan = { actions: [], resetPeriod: null, rebootMessage: '', command: '' };
    const { bytes } = laidOut(recoveryBlock(plan));
    expect(bytes.readUInt32LE(0)).to.equal(0xffffffff);
    expect(bytes.readUInt32LE(24)).to.equal(0);
    expect(bytes.readBigUInt64LE(32)).to.not.equal(0n);
  });

  it('a plan for recovery survives', () => {
    const text = fc.string({ maxLength: 20 }).map((value) => value.replaceAll('\0', ''));
    const plan: fc.Arbitrary<RecoveryPlan> = fc.record({
      actions: fc.array(
        fc.record({
          type: fc.constantFrom('none', 'restart', 'reboot', 'run-command'),
          delay: fc.integer({ min: 0, max: 4_000_000 }).map((ms) => ms / 1000),
        }),
      ),
      resetPeriod: fc.option(fc.integer({ min: 0, max: 0xfffffffe })),
      rebootMessage: text,
      command: text,
    });
    fc.assert(
      fc.property(plan, (value) => {
        expect(readRecovery(laidOut(recoveryBlock(value)))).to.deep.equal(value);
      }),
    );
  });

  it('descriptions, privileges and numbers survive', () => {
    expect(readDescription(laidOut(descriptionBlock('Was es tut')))).to.equal('Was es tut');
    expect(readDescription(laidOut(new Block(8)))).to.equal('');
    const names = ['SeBackupPrivilege', 'SeRestorePrivilege'];
    expect(readPrivileges(laidOut(privilegesBlock(names)))).to.deep.equal(names);
    expect(readPrivileges(laidOut(privilegesBlock([])))).to.deep.equal([]);
    expect(laidOut(numberBlock(0xfffffffe)).bytes.readUInt32LE()).to.equal(0xfffffffe);
  });
});

describe('texts of Windows', () => {
  it('wide() is UTF-16 and a zero', () => {
    expect(wide('aü')).to.deep.equal(Buffer.from([0x61, 0, 0xfc, 0, 0, 0]));
  });

  it('multiText() ends each text and the list by a zero; no texts are two zeroes', () => {
    expect(multiText(['a', 'b'])).to.deep.equal(Buffer.from('a\0b\0\0', 'utf16le'));
    expect(multiText([])).to.deep.equal(Buffer.alloc(4));
  });

  it('textsAt() reads what multiText() writes', () => {
    const texts = fc.array(fc.string({ minLength: 1 }).filter((text) => !text.includes('\0')));
    fc.assert(
      fc.property(
        texts,
        fc.nat(9).map((n) => 2 * n),
        (list, offset) => {
          const bytes = Buffer.concat([Buffer.alloc(offset, 1), multiText(list)]);
          expect(textsAt(bytes, offset)).to.deep.equal(list);
        },
      ),
    );
  });

  it('a text or list that is not ended stops at the end of the bytes', () => {
    expect(textAt(Buffer.from('abc', 'utf16le'), 2)).to.equal('bc');
    expect(textsAt(Buffer.from('a\0bc', 'utf16le'), 0)).to.deep.equal(['a', 'bc']);
    expect(textAt(Buffer.from([0x61, 0, 0x62]), 0)).to.equal('a');
    expect(textsAt(Buffer.alloc(0), 0)).to.deep.equal([]);
  });
});
