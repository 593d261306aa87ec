/** Responses that were tampered with, cut anywhere: the same outcome, in bounded time, and nothing left behind. */
import { expect } from 'chai';
import fc from 'fast-check';
import { Failure } from '../../../src/deferred/index.ts';
import { type RequestHead, RequestParser } from '../../../src/protocols/http/index.ts';
import { byteByByte, cutAt, someCuts } from '../support.ts';
import { Memory, ok } from './memory.ts';

interface Outcome {
  code: number | string;
  body: string;
  end: string;
  /** Whether the connection may be used again. */
  kept: boolean;
  told: string;
}

function nameOf(failure: Failure): string {
  const error = failure.value as { code?: string; reasons?: readonly Failure[] }; // all of ours have one
  const reasons = (error.reasons ?? []).map(nameOf);
  // What is wrong may be seen at once, or when the connection has ended.
  const seen = reasons.length > 1 ? reasons.filter((name) => !name.includes('_DONE')) : reasons;
  return [error.code, ...seen].join('<');
}

/** What a client makes of a response that comes in these pieces, after which the connection ends. */
function outcomeOf(pieces: readonly Buffer[], method: string): Outcome {
  const memory = new Memory();
  const outcome: Outcome = { code: 'none', body: '', end: 'none', kept: false, told: '' };
  const asked = memory.agent.request(method, 'http://host/', null, null, {
    onInformation: ({ status }) => {
      outcome.told += `${status} `;
    },
  });
  const { connection } = memory;
  asked.addCallbacks(
    (response) => {
      outcome.code = response.code;
      if (response.head.framing === 'tunnel') return;
      response.deliverTo({
        write: (chunk) => {
          outcome.body += chunk.toString('latin1');
        },
        end: () => {
          outcome.end = `complete ${response.trailers.join(' ')}`;
        },
        fail: (error) => {
          outcome.end = nameOf(new Failure(error));
        },
      });
    },
    (failure) => {
      outcome.code = nameOf(failure);
    },
  );
  for (const piece of pieces) if (!connection.closing) connection.protocol.dataReceived(piece);
  outcome.kept = memory.pool.idleConnections() === 1 && !connection.closing;
  if (connection.aborted) connection.break();
  else connection.lose();
  expect(asked.called).to.equal(true);
  expect(memory.pool.idleConnections()).to.equal(0);
  expect(memory.clock.getDelayedCalls()).to.have.lengthOf(0);
  return outcome;
}

const wholes = [
  ok('body', 'ETag: "x"'),
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n3;a=b\r\nxyz\r\n0\r\nX-Sum: 1\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.0 200 OK\r\nServer: x\r\n\r\nuntil the end',
  'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n',
  'HTTP/1.1 301 Moved\r\nLocation: /x\r\nKeep-Alive: timeout=5\r\nContent-Length: 3\r\n\r\nabc',
  'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nrest',
] as const;

/** What does harm where it stands. */
const poison = fc.oneof(
  fc.constantFrom(
    '\r\n',
    '\n',
    '\r',
    '\0',
    ' ',
    ':',
    '\r\n\r\n',
    '0\r\n\r\n',
    '-1',
    'Content-Length: 7\r\n',
    'Transfer-Encoding: chunked\r\n',
    'HTTP/1.1 200 OK\r\n',
    'ffffffffffffffff\r\n',
    '\x80',
    ';',
  ),
  fc.string({ maxLength: 5, unit: 'binary-ascii' }),
);

const tampered = fc
  .tuple(
    fc.constantFrom(...wholes),
    fc.array(fc.tuple(fc.nat(1000), fc.nat(3), poison), { maxLength: 3 }),
    fc.nat(1000),
  )
  .map(([text, changes, cut]) => {
    let changed: string = text;
    for (const [place, removed, added] of changes) {
      const at = Math.floor((place / 1000) * changed.length);
      changed = changed.slice(0, at) + added + changed.slice(at + removed);
    }
    // Often whole, otherwise cut off.
    return Buffer.from(
      cut > 700 ? changed.slice(0, Math.floor((cut / 1000) * changed.length)) : changed,
      'latin1',
    );
  });

describe('Any response', () => {
  it('has the same outcome whole, byte by byte, and cut anywhere', () => {
    fc.assert(
      fc.property(
        tampered,
        someCuts,
        fc.constantFrom('GET', 'HEAD', 'POST'),
        (bytes, cuts, method) => {
          const whole = outcomeOf([bytes], method);
          expect(outcomeOf(cutAt(bytes, cuts), method)).to.deep.equal(whole);
          expect(outcomeOf(byteByByte(bytes), method)).to.deep.equal(whole);
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('that is as it should be is read as it is', () => {
    const outcomes = wholes.map((text) => outcomeOf([Buffer.from(text)], 'GET'));
    expect(outcomes.map(({ code, body, kept }) => [code, body, kept])).to.deep.equal([
      [200, 'body', true],
      [200, 'bodyxyz', true],
      [404, '', true],
      [200, 'until the end', false],
      [204, '', false],
      [301, 'abc', true],
      ['ERR_HTTP_RESPONSE_FAILED<ERR_HTTP_CLIENT_STATE', '', false],
    ]);
  });
});

describe('Any request that leaves', () => {
  const nasty = fc.oneof(
    fc.constantFrom(
      '\r\n',
      'a\r\nX: y',
      '\n',
      'a b',
      '',
      '/',
      'GET',
      '\0',
      'é',
      '\u4f60',
      'HTTP/1.1',
      ': ',
    ),
    fc.string({ maxLength: 12 }),
    fc.string({ maxLength: 8, unit: 'binary' }),
  );

  it('is one request, with what it was given and nothing else', () => {
    let sent = 0;
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom('GET', 'POST'), nasty),
        nasty,
        fc.array(fc.tuple(nasty, nasty), { maxLength: 3 }),
        fc.option(nasty, { nil: null }),
        (method, path, headers, body) => {
          const memory = new Memory();
          const asked = memory.agent.request(method, `http://host/${path}`, headers, body);
          asked.addErrback(() => undefined);
          const [connection] = memory.server.connections;
          if (connection === undefined) return;
          sent += 1;
          const heads: RequestHead[] = [];
          const bodies: string[] = [];
          const parser = new RequestParser(
            {
              onHead: (head) => heads.push(head),
              onBody: (chunk) => bodies.push(chunk.toString()),
              onEnd: () => bodies.push('end'),
              onError: (error) => bodies.push(error.message),
            },
            { lenient: { missingHost: true } },
          );
          parser.push(connection.transport.value());
          parser.finish();
          expect(heads).to.have.lengthOf(1);
          expect(bodies.join('')).to.equal(`${Buffer.from(body ?? '').toString()}end`);
          const names = heads[0]?.rawHeaders.filter((_, at) => at % 2 === 0) ?? [];
          const own = names.filter((name) => /^(host|content-length|connection)$/i.test(name));
          const given = headers.map(([name]) => name.toLowerCase());
          for (const name of names) {
            if (!own.includes(name)) expect(given).to.include(name.toLowerCase());
          }
          expect(heads[0]?.method).to.equal(method);
        },
      ),
      { numRuns: 1500 },
    );
    expect(sent).to.be.greaterThan(100);
  });
});
