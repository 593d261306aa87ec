import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import * as strand from '../../src/index.ts';
import {
  ConnectBindError,
  ConnectError,
  ConnectionAborted,
  ConnectionClosed,
  ConnectionDone,
  ConnectionLost,
  ConnectionRefusedError,
  getConnectError,
  NoRouteError,
  ProcessDone,
  ProcessTerminated,
  TCPTimedOutError,
  TimeoutError,
  UnknownHostError,
  UserError,
} from '../../src/reactor/index.ts';

function osError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`connect ${code}`), { code });
}

describe('The errors of the reactor', () => {
  it('keep the tree of twisted.internet.error', () => {
    const parents: ReadonlyArray<readonly [unknown, unknown]> = [
      [ConnectionRefusedError, ConnectError],
      [TimeoutError, UserError],
      [UserError, ConnectError],
      [ConnectionAborted, ConnectionLost],
      [ConnectionLost, ConnectionClosed],
      [ConnectionDone, ConnectionClosed],
      [ProcessDone, ConnectionDone],
      [ProcessTerminated, ConnectionLost],
    ];
    for (const [child, parent] of parents) expect(Object.getPrototypeOf(child)).to.equal(parent);
  });

  it('getConnectError() finds the class for a system error and keeps that', () => {
    const cases: ReadonlyArray<readonly [string, new (...args: never[]) => Error]> = [
      ['ECONNREFUSED', ConnectionRefusedError],
      ['ENETUNREACH', NoRouteError],
      ['EHOSTUNREACH', NoRouteError],
      ['ETIMEDOUT', TCPTimedOutError],
      ['EINVAL', UnknownHostError],
      ['EADDRINUSE', ConnectBindError],
    ];
    for (const [code, Class] of cases) {
      const cause = osError(code);
      const error = getConnectError(cause, 'there');
      expect(error).to.be.instanceOf(Class);
      expect(error.osError).to.equal(cause);
      expect(error.message).to.equal(`Could not connect to there: connect ${code}`);
    }
    expect(getConnectError(osError('EWEIRD')).constructor).to.equal(ConnectError);
  });
});

describe('docs/errors.md', () => {
  const page = readFileSync(
    fileURLToPath(new URL('../../docs/errors.md', import.meta.url)),
    'utf8',
  );

  for (const [name, value] of Object.entries(strand)) {
    if (typeof value !== 'function' || !(value.prototype instanceof Error)) continue;
    it(`lists ${name}`, () => {
      expect(page).to.match(new RegExp(`^\\| \`${name}\` \\|`, 'm'));
    });
  }
});
