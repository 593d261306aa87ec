import { expect } from 'chai';
import * as win32service from '../../../src/service/windows/win32service.ts';

describe("pywin32's names", () => {
  const numbers = (prefix: RegExp): number[] =>
    Object.entries(win32service)
      .filter(([name]) => prefix.test(name))
      .map(([, value]) => value)
      .sort((a, b) => a - b);

  it('stand for the numbers of winsvc.h, each of which has one', () => {
    expect(win32service).to.include({
      SERVICE_STOPPED: 1,
      SERVICE_RUNNING: 4,
      SERVICE_PAUSED: 7,
      SERVICE_ACCEPT_STOP: 1,
      SERVICE_ACCEPT_SESSIONCHANGE: 0x80,
      SERVICE_ACCEPT_PRESHUTDOWN: 0x100,
      SERVICE_CONTROL_STOP: 1,
      SERVICE_CONTROL_PARAMCHANGE: 6,
      SERVICE_CONTROL_SESSIONCHANGE: 14,
      SERVICE_CONTROL_TRIGGEREVENT: 32,
    });
    expect(numbers(/^SERVICE_(?!ACCEPT|CONTROL)/)).to.deep.equal([1, 2, 3, 4, 5, 6, 7]);
    expect(numbers(/^SERVICE_ACCEPT_/)).to.deep.equal(
      Array.from({ length: 11 }, (_, bit) => 1 << bit),
    );
    expect(numbers(/^SERVICE_CONTROL_/)).to.deep.equal([
      ...Array.from({ length: 16 }, (_, n) => n + 1),
      32,
    ]);
  });
});
