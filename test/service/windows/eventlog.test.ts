import { expect } from 'chai';
import { isWindowsError } from '../../../src/service/windows/errors.ts';
import { EventLog } from '../../../src/service/windows/eventlog.ts';
import { MemoryEventLog } from '../../../src/service/windows/eventlog-memory.ts';

describe('EventLog', () => {
  let api: MemoryEventLog;
  beforeEach(() => {
    api = new MemoryEventLog();
  });

  it('write() gives an event of its level, under its source', () => {
    const log = new EventLog('app', { api });
    log.info('one');
    log.warn('two', { id: 7, category: 3 });
    log.error('three', { data: Buffer.from('x') });
    expect(
      api.events.map(({ source, level, id, category, texts }) => [
        source,
        level,
        id,
        category,
        texts,
      ]),
    ).to.deep.equal([
      ['app', 'info', 1, 0, ['one']],
      ['app', 'warn', 7, 3, ['two']],
      ['app', 'error', 1, 0, ['three']],
    ]);
    expect(api.events[2]?.data).to.deep.equal(Buffer.from('x'));
  });

  it('opens the log once, and closes it', () => {
    const log = new EventLog('app', { api });
    expect(api.openCount).to.equal(0);
    log.info('a');
    log.info('b');
    expect(api.openCount).to.equal(1);
    log.close();
    log.close();
    expect(api.openCount).to.equal(0);
  });

  it('write() after close() throws error 6, also when nothing was written before', () => {
    for (const written of [true, false]) {
      const log = new EventLog('app', { api });
      if (written) log.info('a');
      log.close();
      expect(() => log.info('b'))
        .to.throw()
        .that.satisfies((e: unknown) => isWindowsError(e, 6));
    }
    expect(api.events).to.have.length(1);
  });

  it('splits a text that is too long, between letters, and loses nothing', () => {
    const text = `${'x'.repeat(31_799)}😀${'y'.repeat(40_000)}`;
    new EventLog('app', { api }).info(text);
    const texts = api.events.map((event) => event.texts[0] ?? '');
    expect(texts).to.have.length(3);
    for (const [n, part] of texts.entries()) {
      expect(part.startsWith(`(${n + 1}/3) `)).to.equal(true);
      expect(part.length).to.be.at.most(31_839);
      expect(Buffer.from(part).toString()).to.equal(part);
    }
    expect(texts.map((part) => part.slice(6)).join('')).to.equal(text);
  });

  it('does not split a text that just fits', () => {
    new EventLog('app', { api }).info('x'.repeat(31_800));
    expect(api.events.map((event) => event.texts[0]?.length)).to.deep.equal([31_800]);
  });

  it('writes an empty text', () => {
    new EventLog('app', { api }).info('');
    expect(api.events.map(({ texts }) => texts)).to.deep.equal([['']]);
  });

  it('keeps the viewer from filling in what is no place to be filled in', () => {
    new EventLog('app', { api }).info('fe80::1%1 is 100% of %%2, 5%\0');
    expect(api.events[0]?.texts).to.deep.equal(['fe80::1% 1 is 100% of %% 2, 5%\uFFFD']);
  });

  it('lets through what the log refuses', () => {
    api.failing = 1717;
    const log = new EventLog('app', { api });
    expect(() => log.info('a'))
      .to.throw()
      .that.satisfies((e: unknown) => isWindowsError(e, 1717));
  });

  it('another machine that does not answer is error 1722', () => {
    const log = new EventLog('app', { api, machine: 'elsewhere' });
    expect(() => log.info('a'))
      .to.throw()
      .that.satisfies((e: unknown) => isWindowsError(e, 1722));
  });

  it('register() and unregister() make a source known and unknown', () => {
    expect(EventLog.isRegistered('App', { api })).to.equal(false);
    EventLog.register('App', { api });
    EventLog.register('App', { api });
    expect(EventLog.isRegistered('aPP', { api })).to.equal(true);
    expect(EventLog.unregister('App', { api })).to.equal(true);
    expect(EventLog.unregister('App', { api })).to.equal(false);
    expect(EventLog.isRegistered('App', { api })).to.equal(false);
  });

  it('register() takes an administrator', () => {
    api.elevated = false;
    const refused = (e: unknown): boolean => isWindowsError(e, 5);
    expect(() => EventLog.register('App', { api }))
      .to.throw()
      .that.satisfies(refused);
    expect(() => EventLog.unregister('App', { api }))
      .to.throw()
      .that.satisfies(refused);
  });

  it('refuses names that no source can have', () => {
    for (const name of ['', 'a\\b', 'a\0', 'x'.repeat(256)]) {
      expect(() => new EventLog(name, { api }), name).to.throw(RangeError, 'as a source of events');
      expect(() => EventLog.register(name, { api }), name).to.throw(RangeError);
    }
  });

  it('is closed by the end of its block', () => {
    const log = new EventLog('app', { api });
    log.info('a');
    log[Symbol.dispose]();
    expect(api.openCount).to.equal(0);
  });

  it('on another system says that Windows is missing, when it is first used', function () {
    if (process.platform === 'win32') this.skip();
    const log = new EventLog('app');
    expect(() => log.info('a'))
      .to.throw(`Cannot call functions of Windows: this is '${process.platform}'`)
      .with.property('code', 'ERR_NATIVE_CALLS_UNAVAILABLE');
  });
});
