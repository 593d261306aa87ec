import { expect } from 'chai';
import {
  Interpreter,
  type InterpreterOptions,
  ManholeError,
} from '../../../src/protocols/manhole/index.ts';

let said: unknown[][] = [];
const console_ = { log: (...args: unknown[]): void => void said.push(args) };

const make = (options: InterpreterOptions = {}): Interpreter => new Interpreter(console_, options);

/** The value of code that is complete and right. */
function value(interpreter: Interpreter, code: string): unknown {
  const evaluation = interpreter.evaluate(code);
  if (evaluation.kind !== 'value')
    expect.fail(
      `${code}: ${JSON.stringify(evaluation)} ${String((evaluation as { error?: unknown }).error)}`,
    );
  return evaluation.kind === 'value' ? evaluation.value : undefined;
}

function error(interpreter: Interpreter, code: string): unknown {
  const evaluation = interpreter.evaluate(code);
  return evaluation.kind === 'error' ? evaluation.error : `no error: ${evaluation.kind}`;
}

describe('Interpreter', () => {
  beforeEach(() => {
    said = [];
  });

  it('evaluate() gives the value of the last expression', () => {
    const js = make();
    expect(value(js, '1 + 1')).to.equal(2);
    expect(value(js, 'const a = 3; a * 2')).to.equal(6);
    expect(value(js, 'a')).to.equal(3);
    expect(value(js, 'let b = 1')).to.equal(undefined);
    expect(JSON.stringify(value(js, '{ x: 1, y: [2] }'))).to.equal('{"x":1,"y":[2]}');
    expect(value(js, '{ let q = 5; q }')).to.equal(5);
    expect(value(js, '// nothing')).to.equal(undefined);
  });

  it('evaluate() finds the namespace, and all that Node has', () => {
    const app = { hits: 1 };
    const js = make({ namespace: { app } });
    value(js, 'app.hits += 1');
    expect(app.hits).to.equal(2);
    expect(value(js, 'process.pid')).to.equal(process.pid);
    expect(value(js, 'Buffer')).to.equal(Buffer);
    expect(value(js, 'typeof setTimeout + typeof URL + typeof structuredClone')).to.equal(
      'functionfunctionfunction',
    );
    expect(value(js, 'crypto.randomUUID().length')).to.equal(36);
    expect(value(js, 'performance.now() > 0 && global === globalThis && this === global')).to.equal(
      true,
    );
    expect(value(js, 'crypto = 1; crypto + 1')).to.equal(2);
    expect(typeof crypto).to.equal('object');
    value(js, 'app = 5; leak = 6');
    expect('leak' in globalThis || 'app' in globalThis).to.equal(false);
    expect(value(make(), 'typeof leak')).to.equal('undefined');
  });

  it('evaluate() gives errors, of compiling and of running', () => {
    const js = make();
    expect(error(js, 'x = ]')).to.be.instanceOf(SyntaxError);
    expect(error(js, 'nowhere')).to.have.property('name', 'ReferenceError');
    expect(error(js, 'throw 5')).to.equal(5);
    expect(error(js, 'await ]')).to.be.instanceOf(SyntaxError);
  });

  it('evaluate() says when more has to follow', () => {
    const js = make();
    for (const code of [
      'function f() {',
      '[1,',
      '`a',
      'if (true)',
      'x = ',
      '1 +',
      'f(1',
      'class A',
      '/* a',
      'for (;;) {',
      'async () => {',
      'await f(',
    ]) {
      expect(js.evaluate(code).kind, code).to.equal('incomplete');
    }
    for (const code of ['"a', ')', 'if (', 'a b'].filter((each) => each !== 'if (')) {
      expect(js.evaluate(code).kind, code).to.equal('error');
    }
  });

  it('evaluate() ends what does not end', () => {
    const js = make({ evalTimeout: 0.05 });
    expect(error(js, 'while (true) {}')).to.have.property('code', 'ERR_SCRIPT_EXECUTION_TIMEOUT');
    expect(value(js, '1')).to.equal(1);
    expect(value(make({ evalTimeout: null }), '1')).to.equal(1);
  });

  it('evaluate() takes await outside of functions, and keeps what is declared', async () => {
    const js = make({ namespace: { later: (x: unknown) => Promise.resolve(x) } });
    const awaited = async (code: string): Promise<unknown> => {
      const evaluation = js.evaluate(code);
      if (evaluation.kind !== 'value' || !evaluation.awaited)
        expect.fail(`${code}: ${JSON.stringify(evaluation)}`);
      return evaluation.kind === 'value' ? evaluation.value : undefined;
    };
    expect(await awaited('await later(1)')).to.equal(1);
    expect(await awaited('(await later(1)) + 1;')).to.equal(2);
    expect(await awaited('const a = await later(5)')).to.equal(undefined);
    expect(value(js, 'a')).to.equal(5);
    expect(
      await awaited('const { b, c: [d] } = await later({ b: 1, c: [2] }), e = 3\nb + d + e'),
    ).to.equal(6);
    expect(await awaited('let n = 0\nfor (const x of await later([1, 2])) { n += x }\nn')).to.equal(
      3,
    );
    expect(
      await awaited('let s = ""\nfor await (const x of [later("p"), "q"]) s += x\ns'),
    ).to.equal('pq');
    expect(await awaited('function f() { return 7 }\nclass K { static k = 8 }\nawait 0')).to.equal(
      0,
    );
    expect(value(js, 'f() + K.k')).to.equal(15);
    expect(await awaited('if (await later(true)) { z = 1 } else { z = 2 }')).to.equal(undefined);
    expect(value(js, 'z')).to.equal(1);
    expect(await awaited('try { await later(1) } catch {}\n4')).to.equal(4);
    expect(await awaited(`const t = \`;\n\${await later(1)}\`; // a comment\nt`)).to.equal(';\n1');
    await awaited('throw await later(new Error("x"))').then(
      () => expect.fail('it did not fail'),
      (failure: unknown) => expect(failure).to.have.property('message', 'x'),
    );
  });

  it('evaluate() leaves await within functions alone', () => {
    const js = make();
    const evaluation = js.evaluate(
      'async function g() { await 1 }\nconst h = async () => await 2\n3',
    );
    expect(evaluation).to.deep.equal({ kind: 'value', value: 3, awaited: false });
    expect(value(js, '"await"')).to.equal('await');
  });

  it('evaluate() can import', async () => {
    const js = make();
    const evaluation = js.evaluate('(await import("node:path")).sep');
    expect(evaluation.kind === 'value' && (await evaluation.value)).to.equal('/');
  });

  it('has a console of its own', () => {
    value(make(), 'console.log("a", 1)');
    expect(said).to.deep.equal([['a', 1]]);
  });

  it('last is _', () => {
    const js = make();
    js.last = 5;
    expect(value(js, '_ + 1')).to.equal(6);
    js.last = 6;
    expect(value(js, '_')).to.equal(6);
  });

  describe('in the application', () => {
    it('evaluate() sees and changes its scope', () => {
      const app = { a: [] };
      const js = make({ useGlobal: true, namespace: { manholeTest: app } });
      try {
        expect(value(js, 'manholeTest.a instanceof Array && [] instanceof Array')).to.equal(true);
        js.last = 9;
        expect(value(js, '_')).to.equal(9);
        value(js, 'console.log("here")');
        expect(said).to.deep.equal([['here']]);
        expect(console).to.not.equal(console_);
      } finally {
        js.close();
      }
      expect('manholeTest' in globalThis || '_' in globalThis).to.equal(false);
      expect(Object.getOwnPropertyDescriptor(globalThis, 'console')).to.have.property('value');
      js.close();
    });

    it('two share what is the same, and the last one takes it back', () => {
      const namespace = { manholeTest: {} };
      const [one, two] = [
        make({ useGlobal: true, namespace }),
        make({ useGlobal: true, namespace }),
      ];
      one.close();
      expect(value(two, 'typeof manholeTest')).to.equal('object');
      two.close();
      expect('manholeTest' in globalThis).to.equal(false);
    });

    it('refuses a name that is taken', () => {
      expect(() => make({ useGlobal: true, namespace: { manholeTest: 1, process: {} } })).to.throw(
        ManholeError,
        'Cannot put "process"',
      );
      expect('manholeTest' in globalThis).to.equal(false);
    });
  });
});
