import { expect } from 'chai';
import fc from 'fast-check';
import { Failure } from '../../../src/deferred/index.ts';
import {
  AlreadyDisabled,
  AlreadyEnabled,
  AlreadyNegotiating,
  DO,
  DONT,
  type OptionHost,
  OptionNegotiator,
  OptionRefused,
  type OptionSide,
  WILL,
  WONT,
} from '../../../src/protocols/telnet/index.ts';
import { assertNoResult } from '../../../src/reactor/index.ts';
import { failureResultOf, successResultOf } from '../support.ts';

const NAMES = new Map([
  [WILL, 'WILL'],
  [WONT, 'WONT'],
  [DO, 'DO'],
  [DONT, 'DONT'],
]);

class Host implements OptionHost {
  readonly negotiator = new OptionNegotiator(this);
  readonly told: string[] = [];
  readonly out: Array<[number, number]> = [];
  readonly agrees: (option: number) => boolean;

  constructor(agrees: (option: number) => boolean = () => false) {
    this.agrees = agrees;
  }

  sendNegotiation(command: number, option: number): void {
    this.told.push(`${NAMES.get(command)} ${option}`);
    this.out.push([command, option]);
  }
  enableLocal(option: number): boolean {
    this.told.push(`+us ${option}`);
    return this.agrees(option);
  }
  enableRemote(option: number): boolean {
    this.told.push(`+him ${option}`);
    return this.agrees(option);
  }
  disableLocal(option: number): void {
    this.told.push(`-us ${option}`);
  }
  disableRemote(option: number): void {
    this.told.push(`-him ${option}`);
  }

  /** What came of it since the last time. */
  news(): string {
    return this.told.splice(0).join(', ');
  }
}

/** The words of both sides: what is asked with, and what is answered. */
const SIDES: ReadonlyArray<
  [OptionSide, on: string, off: string, yes: number, no: number, who: string]
> = [
  ['local', 'WILL', 'WONT', DO, DONT, 'us'],
  ['remote', 'DO', 'DONT', WILL, WONT, 'him'],
];

for (const [side, on, off, yes, no, who] of SIDES) {
  describe(`OptionNegotiator, ${side}`, () => {
    it('hear() answers an offer with what the host says', () => {
      const host = new Host((option) => option === 1);
      host.negotiator.hear(yes, 1);
      expect(host.news()).to.equal(`+${who} 1, ${on} 1`);
      expect(host.negotiator.isEnabled(side, 1)).to.equal(true);
      host.negotiator.hear(yes, 2);
      expect(host.news()).to.equal(`+${who} 2, ${off} 2`);
      expect(host.negotiator.isEnabled(side, 2)).to.equal(false);
    });

    it('hear() says nothing to what changes nothing', () => {
      const host = new Host(() => true);
      host.negotiator.hear(no, 1);
      expect(host.news()).to.equal('');
      host.negotiator.hear(yes, 1);
      host.news();
      host.negotiator.hear(yes, 1);
      expect(host.news()).to.equal('');
    });

    it('hear() always does as told when an option is to be off', () => {
      const host = new Host(() => true);
      host.negotiator.hear(yes, 1);
      host.news();
      host.negotiator.hear(no, 1);
      expect(host.news()).to.equal(`${off} 1, -${who} 1`);
      expect(host.negotiator.isEnabled(side, 1)).to.equal(false);
    });

    it('ask() fires once the peer agrees, and does not answer that', () => {
      const host = new Host();
      const asked = host.negotiator.ask(side, 1, true);
      expect(host.news()).to.equal(`${on} 1`);
      assertNoResult(asked);
      host.negotiator.hear(yes, 1);
      expect(successResultOf(asked)).to.equal(true);
      expect(host.news()).to.equal(`+${who} 1`);
      const stopped = host.negotiator.ask(side, 1, false);
      expect(host.news()).to.equal(`${off} 1`);
      host.negotiator.hear(no, 1);
      expect(successResultOf(stopped)).to.equal(true);
      expect(host.news()).to.equal(`-${who} 1`);
    });

    it('ask() fails when the peer refuses', () => {
      const host = new Host();
      const asked = host.negotiator.ask(side, 1, true);
      host.negotiator.hear(no, 1);
      expect(failureResultOf(asked).value)
        .to.be.instanceOf(OptionRefused)
        .with.property('option', 1);
      expect(host.negotiator.isEnabled(side, 1)).to.equal(false);
    });

    it('ask() fails for what is so already, or is asked already', () => {
      const host = new Host();
      const { negotiator } = host;
      const error = (enable: boolean): unknown =>
        failureResultOf(negotiator.ask(side, 1, enable)).value;
      expect(error(false)).to.be.instanceOf(AlreadyDisabled);
      negotiator.ask(side, 1, true);
      expect(error(true)).to.be.instanceOf(AlreadyNegotiating);
      negotiator.hear(yes, 1);
      expect(error(true)).to.be.instanceOf(AlreadyEnabled);
      negotiator.ask(side, 1, false);
      expect(error(false)).to.be.instanceOf(AlreadyNegotiating);
      expect(host.news()).to.equal(`${on} 1, +${who} 1, ${off} 1`);
    });

    it('ask() for the opposite waits for the answer', () => {
      const host = new Host();
      const { negotiator } = host;
      const first = negotiator.ask(side, 1, true);
      const second = negotiator.ask(side, 1, false);
      for (const again of [true, false]) {
        expect(failureResultOf(negotiator.ask(side, 1, again)).value).to.be.instanceOf(
          AlreadyNegotiating,
        );
      }
      expect(host.news()).to.equal(`${on} 1`);
      negotiator.hear(yes, 1);
      expect(host.news()).to.equal(`+${who} 1, ${off} 1`);
      expect(successResultOf(first)).to.equal(true);
      assertNoResult(second);
      negotiator.hear(no, 1);
      expect(successResultOf(second)).to.equal(true);
    });

    it('ask() for the opposite has nothing to do when the peer refuses', () => {
      const host = new Host();
      const first = host.negotiator.ask(side, 1, true);
      const second = host.negotiator.ask(side, 1, false);
      host.negotiator.hear(no, 1);
      expect(failureResultOf(first).value).to.be.instanceOf(OptionRefused);
      expect(successResultOf(second)).to.equal(true);
      expect(host.news()).to.equal(`${on} 1`);
    });

    it('hear() takes "I begin" for an answer to "stop", as RFC 1143 has it', () => {
      const host = new Host(() => true);
      const { negotiator } = host;
      negotiator.hear(yes, 1);
      const stopped = negotiator.ask(side, 1, false);
      negotiator.hear(yes, 1);
      expect(negotiator.isEnabled(side, 1)).to.equal(false);
      successResultOf(stopped);
      negotiator.hear(yes, 1);
      const off2 = negotiator.ask(side, 1, false);
      const on2 = negotiator.ask(side, 1, true);
      host.news();
      negotiator.hear(yes, 1);
      expect(negotiator.isEnabled(side, 1)).to.equal(true);
      expect(host.news()).to.equal('');
      successResultOf(off2);
      successResultOf(on2);
    });

    it('failAll() fails what is open, and what is asked later', () => {
      const host = new Host();
      const open = [host.negotiator.ask(side, 1, true), host.negotiator.ask(side, 1, false)];
      host.negotiator.failAll(new Failure(new Error('gone')));
      for (const each of open) expect(failureResultOf(each).getErrorMessage()).to.equal('gone');
      host.news();
      const later = [host.negotiator.ask(side, 1, true), host.negotiator.ask(side, 2, true)];
      for (const each of later) expect(failureResultOf(each).getErrorMessage()).to.equal('gone');
      expect(host.news()).to.equal('');
    });
  });
}

describe('Two OptionNegotiators', () => {
  it('come to an end and to the same opinion, whatever both want', () => {
    const wish = fc.record({
      who: fc.boolean(),
      side: fc.constantFrom<OptionSide>('local', 'remote'),
      option: fc.nat({ max: 2 }),
      on: fc.boolean(),
      deliver: fc.nat({ max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 20 }), fc.nat({ max: 63 }), (wishes, agreeing) => {
        const a = new Host((option) => ((agreeing >> option) & 1) === 1);
        const b = new Host((option) => ((agreeing >> (option + 3)) & 1) === 1);
        let steps = 0;
        const deliver = (from: Host, to: Host): boolean => {
          const message = from.out.shift();
          if (message === undefined) return false;
          steps += 1;
          to.negotiator.hear(...message);
          return true;
        };
        for (const { who, side, option, on, deliver: n } of wishes) {
          (who ? a : b).negotiator.ask(side, option, on).addErrback(() => undefined);
          for (let i = 0; i < n; i++) deliver(...((i % 2 === 0 ? [a, b] : [b, a]) as [Host, Host])); // a pair
        }
        for (let going = true; going; ) {
          going = [deliver(a, b), deliver(b, a)].includes(true);
          expect(steps).to.be.below(500);
        }
        for (const option of [0, 1, 2]) {
          for (const [ours, theirs] of [
            ['local', 'remote'],
            ['remote', 'local'],
          ] as const) {
            expect(a.negotiator.isEnabled(ours, option)).to.equal(
              b.negotiator.isEnabled(theirs, option),
            );
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});
