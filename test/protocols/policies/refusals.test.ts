import { expect } from 'chai';
import { Refusals } from '../../../src/protocols/policies/refusals.ts';
import { Clock, type LogEvent, setLogObserver } from '../../../src/reactor/index.ts';

describe('Refusals', () => {
  it('are said once a minute at most, with how many there were', () => {
    const logged: LogEvent[] = [];
    const before = setLogObserver((event) => logged.push(event));
    try {
      const clock = new Clock();
      const refusals = new Refusals(() => clock.seconds());
      for (let i = 0; i < 500; i++) {
        expect(refusals.refuse('me', 'full')).to.equal(null);
        clock.advance(0.125);
      }
      clock.rightNow = -1000;
      refusals.refuse('me', 'full');
      expect(logged).to.deep.equal([
        { level: 'warn', system: 'me', message: 'Refusing connections: full' },
        {
          level: 'warn',
          system: 'me',
          message: 'Refusing connections: full; 479 others were refused since this was said last',
        },
        {
          level: 'warn',
          system: 'me',
          message: 'Refusing connections: full; 19 others were refused since this was said last',
        },
      ]);
    } finally {
      setLogObserver(before);
    }
  });
});
