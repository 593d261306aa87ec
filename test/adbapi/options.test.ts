import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { ConnectionPool } from '../../src/adbapi/index.ts';
import {
  NUMBER_OPTIONS,
  type NumberRule,
  OTHER_OPTIONS,
  resolveOptions,
} from '../../src/adbapi/options.ts';
import { MEASUREMENTS } from '../../src/adbapi/pool/measurements.ts';
import { Clock } from '../../src/reactor/index.ts';
import { FakeDriver } from './fake-driver.ts';

const page = readFileSync(new URL('../../docs/adbapi.md', import.meta.url), 'utf8');
describe("A pool's measurements", () => {
  for (const [key, [name, type]] of Object.entries(MEASUREMENTS)) {
    it(`${name} is in the documentation beside ${key}`, () => {
      const row = page.split('\n').find((line) => line.includes(`\`${name}\``)) ?? '';
      const [, stats = '', measured = '', what = ''] = row.split('|');
      const words = (text: string): string[] => text.match(/\w+/g) ?? [];
      expect(words(measured)[words(stats).indexOf(key)]).to.equal(name);
      expect(what).to.match(new RegExp(`^ ${type}s?:`));
    });
  }
});

const rules: Array<[string, NumberRule]> = Object.entries(NUMBER_OPTIONS);

describe('The options of a ConnectionPool', () => {
  it('have the defaults of the table', () => {
    const { pool } = resolveOptions({});
    for (const [name, { initial }] of rules)
      expect(Reflect.get(pool, name), name).to.equal(initial);
  });

  for (const [name, { least, most, whole, nullable, initial }] of rules) {
    it(`${name} takes what it may be, and refuses the rest with the reason`, () => {
      const value = (given: unknown): unknown =>
        Reflect.get(resolveOptions({ [name]: given }).pool, name);
      if (name !== 'cp_min' && name !== 'cp_backoff_max') expect(value(least)).to.equal(least);
      expect(value(undefined)).to.equal(initial);
      if (nullable === true) expect(value(null)).to.equal(null);
      else expect(() => value(null)).to.throw(TypeError, `option ${name}: null: expected a`);
      expect(() => value('5')).to.throw(TypeError, `Cannot use option ${name}: '5': expected a`);
      expect(() => value(Number.NaN)).to.throw(TypeError, name);
      expect(() => value(Number.POSITIVE_INFINITY)).to.throw(RangeError, name);
      expect(() => value(least - 1)).to.throw(RangeError, `number of ${least} or more`);
      if (most !== undefined) expect(() => value(most + 1)).to.throw(RangeError, `${most} at most`);
      if (whole === true) expect(() => value(least + 1.5)).to.throw(RangeError, 'a whole number');
    });

    it(`${name} is in the documentation as it is in the code`, () => {
      expect(page).to.include(row(name, NUMBER_OPTIONS[name as keyof typeof NUMBER_OPTIONS]));
    });
  }

  for (const [name, { initial, reason }] of Object.entries(OTHER_OPTIONS)) {
    it(`${name} is in the documentation as it is in the code`, () => {
      expect(page).to.include(`| \`${name}\` | ${initial} | | ${reason} |`);
    });
  }

  it('cp_min is held to cp_max', () => {
    expect(resolveOptions({ cp_min: 10, cp_max: 4 }).pool.cp_min).to.equal(4);
  });

  it('cp_backoff_max is cp_backoff at the least', () => {
    expect(resolveOptions({ cp_backoff: 9 }).pool.cp_backoff_max).to.equal(9);
    expect(resolveOptions({ cp_backoff: 9, cp_backoff_max: 20 }).pool.cp_backoff_max).to.equal(20);
  });

  it('that nobody knows are refused, with a list of those there are', () => {
    expect(() => new ConnectionPool(new FakeDriver(), { cp_maximum: 5 } as never)).to.throw(
      TypeError,
      /^Cannot use option cp_maximum: unknown; known are cp_acquire_timeout, .*cp_watchdog$/,
    );
  });

  it('have to be an object', () => {
    expect(() => new ConnectionPool('sqlite', 'shop.db' as never)).to.throw(
      TypeError,
      "Cannot use 'shop.db' as options of a pool: expected an object",
    );
  });

  it('of the wrong type are refused', () => {
    const cases: Record<string, unknown> = {
      cp_name: '',
      cp_reactor: {},
      cp_noisy: 1,
      cp_openfun: 'set names utf8',
      cp_reconnect: 'yes',
      cp_good_sql: 5,
      cp_metrics: 'all',
    };
    for (const [name, value] of Object.entries(cases)) {
      expect(() => resolveOptions({ [name]: value }), name).to.throw(
        TypeError,
        `Cannot use option ${name}: ${inspect(value)}`,
      );
    }
  });

  it('of the driver are not shown: not by inspect(), not as text', async () => {
    const driver = new FakeDriver();
    const pool = new ConnectionPool(() => Object.assign(driver, { password: 'hunter2' }), {
      cp_reactor: new Clock(),
      user: 'me',
      password: 'hunter2',
    });
    const shown = [
      inspect(pool, { depth: 10, showHidden: true }),
      String(pool),
      JSON.stringify(pool),
    ];
    for (const text of shown) expect(text).to.not.match(/hunter2/);
    expect(shown[0]).to.match(/^ConnectionPool 'pool' \(.*\): 0 open \(0 busy, 0 idle\)/);
  });
});

/** A row of the table in the documentation. */
function row(name: string, { initial, least, most, reason }: NumberRule): string {
  const limit = most === undefined ? `${least}` : `${least} to ${most}`;
  return `| \`${name}\` | ${initial === null ? '`null`' : initial} | ${limit} | ${reason} |`;
}
