import { expect } from 'chai';
import * as room from '../../src/deferred/index.ts';
import {
  CancelledError,
  DeferredLock,
  DeferredQueue,
  Failure,
  FailureGroup,
  FirstError,
  NotACoroutineError,
  TimeoutError,
} from '../../src/deferred/index.ts';

class AppError extends Error {}
class SpecialError extends AppError {
  readonly code = 'E_SPECIAL';
}

describe('Failure', () => {
  it('value is what was thrown, the same object; type is its class', () => {
    const error = new SpecialError('x');
    const failure = new Failure(error);
    expect(failure.value).to.equal(error);
    expect(failure.type).to.equal(SpecialError);
    expect(new Failure('text').value).to.equal('text');
    expect(new Failure('text').type).to.equal(undefined);
    expect(new Failure(null).type).to.equal(undefined);
    expect(new Failure(Object.create(null)).type).to.equal(undefined);
    expect(new Failure([]).type).to.equal(Array);
  });

  it('of a Failure is a copy; Failure.of() returns it', () => {
    const failure = new Failure(new AppError('x'));
    const copy = new Failure(failure);
    expect(copy).to.not.equal(failure);
    expect(copy.value).to.equal(failure.value);
    expect(Failure.of(failure)).to.equal(failure);
    expect(Failure.of(1).value).to.equal(1);
  });

  it('check() returns the first type that matches, subclasses included, or null', () => {
    const failure = new Failure(new SpecialError('x'));
    expect(failure.check(TypeError, AppError, SpecialError)).to.equal(AppError);
    expect(failure.check(TypeError, RangeError)).to.equal(null);
    expect(failure.check()).to.equal(null);
    expect(new Failure('text').check(Error)).to.equal(null);
  });

  it('check() takes names, of the class, of one above, or the error’s own', () => {
    const failure = new Failure(new SpecialError('x'));
    expect(failure.check('TypeError', 'AppError')).to.equal('AppError');
    expect(failure.check('SpecialError')).to.equal('SpecialError');
    expect(failure.check('Error')).to.equal('Error');
    expect(failure.check('Special')).to.equal(null);
    expect(new Failure('Error').check('Error', 'String')).to.equal(null);
    expect(new Failure(new DOMException('x', 'AbortError')).check('AbortError')).to.equal(
      'AbortError',
    );
    expect(new Failure(Object.create(null)).check('Object')).to.equal(null);
  });

  it('trap() returns the match, or throws the original', () => {
    const error = new SpecialError('x');
    const failure = new Failure(error);
    expect(failure.trap(TypeError, AppError)).to.equal(AppError);
    try {
      failure.trap(TypeError, 'RangeError');
      expect.fail('trap() returned');
    } catch (thrown) {
      expect(thrown).to.equal(error);
    }
  });

  it('raiseException() throws the original', () => {
    try {
      new Failure('text').raiseException();
      expect.fail('raiseException() returned');
    } catch (thrown) {
      expect(thrown).to.equal('text');
    }
  });

  it('throwExceptionIntoGenerator() throws it at the yield, and returns what is yielded next', () => {
    const seen: unknown[] = [];
    function* body(): Generator<string, string, undefined> {
      try {
        yield 'first';
      } catch (error) {
        seen.push(error);
      }
      yield 'second';
      return 'end';
    }
    const generator = body();
    generator.next();
    expect(new Failure('x').throwExceptionIntoGenerator(generator)).to.deep.equal({
      value: 'second',
      done: false,
    });
    expect(seen).to.deep.equal(['x']);
  });

  it('getErrorMessage() is the message, or the text that was thrown', () => {
    expect(new Failure(new Error('boom')).getErrorMessage()).to.equal('boom');
    expect(new Failure(new Error()).getErrorMessage()).to.equal('');
    expect(new Failure('text').getErrorMessage()).to.equal('text');
    expect(new Failure(undefined).getErrorMessage()).to.equal('undefined');
    expect(new Failure({ a: 1 }).getErrorMessage()).to.equal('{ a: 1 }');
  });

  it('toString() is one line', () => {
    expect(String(new Failure(new TypeError('boom')))).to.equal(
      '[Failure instance: TypeError: boom]',
    );
    expect(String(new Failure(new TypeError()))).to.equal('[Failure instance: TypeError]');
    expect(String(new Failure('text'))).to.equal("[Failure instance: 'text']");
  });

  it('takes no stack of its own: it is an object with one field', () => {
    expect(Object.keys(new Failure(1))).to.deep.equal(['value']);
    expect(new Failure(1).getTraceback()).to.equal('Thrown value, not an Error: 1\n');
  });

  describe('getTraceback()', () => {
    const root = new Error('root');
    const middle = new AppError('middle', { cause: root });
    const top = new SpecialError('top', { cause: middle });

    it('is the stack, and those of the causes', () => {
      const text = new Failure(top).getTraceback();
      expect(text).to.equal(`${top.stack}\nCaused by: ${middle.stack}\nCaused by: ${root.stack}\n`);
    });

    it('brief is a line per error', () => {
      const text = 'Error: top\nCaused by: Error: middle\nCaused by: Error: root\n';
      expect(new Failure(top).getTraceback({ detail: 'brief' })).to.equal(text);
      expect(new Failure(top).getBriefTraceback()).to.equal(text);
    });

    it('verbose has the errors’ own properties', () => {
      expect(new Failure(top).getTraceback({ detail: 'verbose' })).to.include(
        "\n  code: 'E_SPECIAL'\n",
      );
      expect(new Failure(top).getTraceback()).to.not.include('E_SPECIAL');
    });

    it('shows the parts of an AggregateError, and ends where causes go round', () => {
      const circle = new Error('circle');
      circle.cause = circle;
      const text = new Failure(new AggregateError([circle, 'text'], 'all')).getBriefTraceback();
      expect(text).to.equal(
        "AggregateError: all\n  Part of it: Error: circle\nCaused by: Error: circle (seen above)\n  Part of it: Thrown value, not an Error: 'text'\n",
      );
    });

    it('shows a message that was changed, and an error without a stack', () => {
      const changed = new Error('before');
      void changed.stack;
      changed.message = 'after';
      expect(new Failure(changed).getTraceback()).to.match(/^Error: after\nError: before\n {4}at /);
      const bare = new Error('bare');
      Reflect.deleteProperty(bare, 'stack');
      expect(new Failure(bare).getTraceback()).to.equal('Error: bare\n');
    });

    it('elideFrameworkCode leaves out our frames and Node’s', () => {
      const error = new Error('x');
      const ours = new URL('../../src/deferred/chain.ts', import.meta.url);
      error.stack = [
        'Error: x',
        '    at mine (/app/main.ts:1:1)',
        `    at run (${ours.href}:2:2)`,
        `    at run (${ours.pathname}:2:2)`,
        '    at emit (node:events:1:1)',
        '    at node:internal/x:1:1',
        '    at other (/app/other.ts:3:3)',
      ].join('\n');
      expect(new Failure(error).getTraceback({ elideFrameworkCode: true })).to.equal(
        'Error: x\n    at mine (/app/main.ts:1:1)\n    at other (/app/other.ts:3:3)\n',
      );
      expect(new Failure(error).getTraceback()).to.include('node:events');
    });

    it('printTraceback() writes it', () => {
      let text = '';
      const out = {
        write(chunk: string): void {
          text += chunk;
        },
      };
      new Failure('x').printTraceback(out);
      expect(text).to.equal("Thrown value, not an Error: 'x'\n");
      new Failure(top).printTraceback(out, { detail: 'brief' });
      expect(text).to.include('Caused by: Error: root\n');
    });
  });
});

describe('The errors', () => {
  it('have a class, a name, and a code each', () => {
    const codes = new Set<unknown>();
    let count = 0;
    for (const [name, exported] of Object.entries(room)) {
      if (typeof exported !== 'function' || !(exported.prototype instanceof Error)) continue;
      const error: unknown = Reflect.construct(
        exported,
        name === 'FailureGroup' ? [[]] : [new Failure('x'), 0],
      );
      count += 1;
      expect(error).to.have.property('name', name);
      expect(error)
        .to.have.property('code')
        .that.matches(/^ERR_[A-Z_]+$/);
      expect(error)
        .to.have.property('stack')
        .that.matches(new RegExp(`^${name}`));
      if (error instanceof Error && 'code' in error) codes.add(error.code);
    }
    expect(count).to.be.at.least(12);
    expect(codes.size).to.equal(count);
  });

  it('FirstError has the failure and its place, and equals() another of the same', () => {
    const failure = new Failure(new Error('boom'));
    const error = new FirstError(failure, 3);
    expect(error.message).to.equal('FirstError[#3, [Failure instance: Error: boom]]');
    expect(error.cause).to.equal(failure.value);
    expect(error.equals(new FirstError(failure, 3))).to.equal(true);
    expect(error.equals(new FirstError(failure, 2))).to.equal(false);
    expect(error.equals(new FirstError(new Failure('x'), 3))).to.equal(false);
    expect(error.equals(failure)).to.equal(false);
  });

  it('FailureGroup has the failures, and their errors', () => {
    const group = new FailureGroup([new Failure(new Error('a')), new Failure('b')]);
    expect(group.message).to.equal('All of 2 Deferreds failed: a; b');
    expect(group.errors).to.deep.equal([group.failures[0]?.value, 'b']);
    expect(new Failure(group).getBriefTraceback()).to.include('Part of it: Error: a');
  });

  it('TimeoutError has its seconds, or a message', () => {
    expect(new TimeoutError(3, 'Locking')).to.include({
      seconds: 3,
      message: 'Locking timed out after 3 s',
    });
    expect(new TimeoutError()).to.include({ seconds: undefined, message: 'Deferred timed out' });
    expect(new TimeoutError('own words').message).to.equal('own words');
  });

  it('CancelledError and NotACoroutineError are what they should be', () => {
    expect(new CancelledError().message).to.equal('Deferred was cancelled');
    expect(new NotACoroutineError('x')).to.be.instanceOf(TypeError);
  });

  it('misuse has a code', () => {
    expect(() => new DeferredLock().release())
      .to.throw()
      .with.property('code', 'ERR_NOT_ACQUIRED');
    expect(() => new DeferredQueue(0).put(1))
      .to.throw()
      .with.property('code', 'ERR_QUEUE_OVERFLOW');
  });
});
