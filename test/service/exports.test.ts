import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import * as adbapi from '../../src/adbapi/index.ts';
import * as deferred from '../../src/deferred/index.ts';
import * as root from '../../src/index.ts';
import * as protocols from '../../src/protocols/index.ts';
import * as manhole from '../../src/protocols/manhole/index.ts';
import * as portforward from '../../src/protocols/portforward/index.ts';
import * as socks from '../../src/protocols/socks/index.ts';
import * as websocket from '../../src/protocols/websocket/index.ts';
import * as reactor from '../../src/reactor/index.ts';
import * as service from '../../src/service/index.ts';
import { ROOT } from '../support/twistd-child.ts';

const ROOMS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  deferred,
  reactor,
  protocols,
  manhole,
  portforward,
  socks,
  websocket,
  adbapi,
  service,
};
const ALL: Readonly<Record<string, unknown>> = root;

/** What the root calls otherwise, because two rooms have one of that name. */
const RENAMED: Readonly<Record<string, string>> = { 'reactor TimeoutError': 'ConnectTimeoutError' };

describe('entry points', () => {
  for (const [room, exported] of Object.entries(ROOMS)) {
    it(`every export of ${room} is there, and the root exports the same`, () => {
      for (const [name, value] of Object.entries(exported)) {
        expect(value, `${room} ${name}`).not.to.equal(undefined);
        expect(ALL[RENAMED[`${room} ${name}`] ?? name], `root ${name}`).to.equal(value);
      }
    });
  }

  it('the root exports nothing of its own', () => {
    const known = new Set(Object.values(ROOMS).flatMap((exported) => Object.keys(exported)));
    // Another name for one, and what is kept together.
    expect(Object.keys(root).filter((name) => !known.has(name))).to.have.members([
      ...['ConnectTimeoutError', 'amp', 'telnet', 'wire'],
    ]);
  });

  it('every exported class of errors has a name of its own', () => {
    for (const [name, value] of Object.entries(root)) {
      if (typeof value !== 'function' || !(value.prototype instanceof Error)) continue;
      expect(value.name, name).to.equal(name === 'ConnectTimeoutError' ? 'TimeoutError' : name);
    }
  });

  it('importing everything loads none of the libraries that are used later, if at all', async () => {
    const program = `
      await import(${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)});
      const { createRequire } = await import('node:module');
      const loaded = Object.keys(createRequire(import.meta.url).cache);
      console.log(JSON.stringify(loaded.filter((path) => /node_modules.(pino|sonic-boom|commander|rxjs|koffi|tough-cookie|tldts|prom-client)/.test(path))));`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', program],
      { cwd: ROOT },
    );
    expect(JSON.parse(stdout)).to.deep.equal([]);
  });
});
