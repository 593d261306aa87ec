import { expect } from 'chai';
import { CallsFromThreads } from '../../src/reactor/threads/calls-from-threads.ts';
import { TAG } from '../../src/reactor/threads/from-thread.ts';
import type { Work } from '../../src/reactor/threads/work.ts';

describe('Calls from threads', () => {
  it('are made in the order they came, though finding the work takes one longer than the next', async () => {
    const seen: string[] = [];
    const name = 'strandSeenByCallsFromThreads';
    const done = new Promise<void>((resolve) => {
      Reflect.set(globalThis, name, (what: string) => {
        seen.push(what);
        if (seen.length === 2) resolve();
      });
    });
    try {
      const calls = new CallsFromThreads();
      const take = (work: Work): void =>
        calls.take({ tag: TAG, call: { work, args: { values: [], buffers: [] } } });
      // A module has to be imported first; a text is there.
      const source = `export function f() { globalThis.${name}('first'); }`;
      const module = `data:text/javascript,${encodeURIComponent(source)}`;
      take({ kind: 'export', module, name: 'f' });
      take({ kind: 'text', text: `() => globalThis.${name}('second')`, name: 'g' });
      calls.take('somebody else’s message');
      await done;
      expect(seen).to.deep.equal(['first', 'second']);
    } finally {
      Reflect.deleteProperty(globalThis, name);
    }
  });
});
