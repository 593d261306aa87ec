import { expect } from 'chai';
import fc from 'fast-check';
import { type EditorOptions, KeyParser, LineEditor } from '../../../src/protocols/manhole/index.ts';
import { byteByByte, cutAt, someCuts } from '../support.ts';

/** Text as it is, keys in angle brackets. */
function keys(pieces: readonly Buffer[]): string {
  let all = '';
  const parser = new KeyParser({
    text: (character) => (all += character),
    key: (name) => (all += `<${name}>`),
  });
  for (const piece of pieces) parser.receive(piece);
  return all;
}

function parse(text: string): string {
  const bytes = Buffer.from(text);
  const expected = keys([bytes]);
  expect(keys(byteByByte(bytes))).to.equal(expected);
  return expected;
}

describe('KeyParser', () => {
  it('receive() tells text from keys', () => {
    expect(parse('aé😀\x7f\b\r\t')).to.equal('aé😀<backspace><backspace><enter><tab>');
    expect(parse('\x01\x02\x03\x04\x05\x06\v\f\x0e\x10\x15\x17')).to.equal(
      '<home><left><interrupt><end-of-file><end><right><kill-end><clear><down><up><kill-line><kill-word>',
    );
  });

  it('receive() knows the sequences of terminals', () => {
    expect(parse('\x1b[A\x1b[B\x1b[C\x1b[D\x1b[H\x1b[F')).to.equal(
      '<up><down><right><left><home><end>',
    );
    expect(parse('\x1bOA\x1bOH\x1b[1~\x1b[4~\x1b[7~\x1b[8~\x1b[3~')).to.equal(
      '<up><home><home><end><home><end><delete>',
    );
    expect(parse('\x1b[1;5C\x1b[1;3D\x1bb\x1bf\x1b\x7f')).to.equal(
      '<word-right><word-left><word-left><word-right><kill-word>',
    );
  });

  it('receive() passes over sequences that mean nothing here', () => {
    expect(parse('a\x1b[200~b\x1b[31mc\x1b]d\x1b[<1;2;3Me\x1bOPf\0g')).to.equal('abcdefg');
    expect(parse(`a\x1b[${'1'.repeat(24)}2b`)).to.equal('ab');
    expect(parse('\x1b\x1b[A')).to.equal('<up>');
  });

  it('receive() takes CR LF for one key', () => {
    expect(parse('a\r\nb\nc\r\rd')).to.equal('a<enter>b<enter>c<enter><enter>d');
  });

  it('receive() finds the same keys however the bytes are cut', () => {
    const likely = fc.oneof(
      fc.constantFrom('\x1b', '[', 'O', '1;5', 'C', '~', 'é', '😀', '\r', '\n'),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(
        fc.array(likely, { maxLength: 30 }),
        fc.uint8Array({ maxLength: 5 }),
        someCuts,
        (parts, junk, cuts) => {
          const bytes = Buffer.concat([Buffer.from(parts.join('')), junk]);
          const whole = keys([bytes]);
          expect(keys(cutAt(bytes, cuts))).to.equal(whole);
          expect(keys(byteByByte(bytes))).to.equal(whole);
        },
      ),
    );
  });
});

const SHOWN = new RegExp(`${'\x1b'}\\[\\d*[A-Z]|[\\s\\S]`, 'gu');

/** A terminal of one line, which knows what an editor uses. */
class Terminal {
  readonly lines: Array<string | null> = [];
  readonly events: string[] = [];
  readonly editor: LineEditor;
  readonly #keys: KeyParser;
  cells: string[] = [];
  column = 0;
  bells = 0;

  constructor(options: EditorOptions = {}, columns = 80) {
    this.editor = new LineEditor(
      {
        show: (text) => this.#show(text),
        line: (text) => {
          this.lines.push(text);
          if (text !== null) this.editor.remember(text);
          this.editor.begin();
        },
        interrupt: () => this.events.push('interrupt'),
        endOfFile: () => this.events.push('eof'),
      },
      options,
    );
    this.editor.columns = columns;
    this.editor.echo = true;
    this.editor.prompt = '> ';
    this.#keys = new KeyParser(this.editor);
    this.editor.begin();
  }

  type(text: string): this {
    this.#keys.receive(Buffer.from(text));
    return this;
  }

  /** What can be seen, with the cursor as a bar. */
  get seen(): string {
    const cells = [...this.cells];
    cells.splice(this.column, 0, '|');
    return cells.join('');
  }

  #show(text: string): void {
    for (const [part] of text.matchAll(SHOWN)) {
      if (part === '\r') this.column = 0;
      else if (part === '\n') {
        this.cells = [];
        this.column = 0;
      } else if (part === '\x07') this.bells += 1;
      else if (part === '\x1b[K') this.cells.length = this.column;
      else if (part.startsWith('\x1b[') && part.endsWith('C'))
        this.column = Number(/\d+/.exec(part)?.[0]);
      else if (part === '\x1b[H' || part === '\x1b[2J') this.cells = [];
      else {
        this.cells[this.column] = part;
        this.column += 1;
      }
    }
    expect(this.cells.length).to.be.at.most(this.editor.columns);
  }
}

const LEFT = '\x1b[D';
const UP = '\x1b[A';
const DOWN = '\x1b[B';

describe('LineEditor', () => {
  it('shows what is typed, and where', () => {
    const terminal = new Terminal().type('helo');
    expect(terminal.seen).to.equal('> helo|');
    terminal.type(LEFT).type('l');
    expect(terminal.seen).to.equal('> hell|o');
    terminal.type('\x01x\x05y');
    expect(terminal.seen).to.equal('> xhelloy|');
    terminal.type('\r');
    expect(terminal.lines).to.deep.equal(['xhelloy']);
    expect(terminal.seen).to.equal('> |');
  });

  it('erases characters, words and what is on either side', () => {
    const terminal = new Terminal().type('one two.three');
    terminal.type('\x17');
    expect(terminal.seen).to.equal('> one two.|');
    terminal.type('\x1bb\x0b');
    expect(terminal.seen).to.equal('> one |');
    terminal.type(`\x7f${LEFT}\x1b[3~`);
    expect(terminal.seen).to.equal('> on|');
    terminal.type(`${LEFT}\x15`);
    expect(terminal.seen).to.equal('> |n');
    terminal.type('\x04\x7f');
    expect(terminal.seen).to.equal('> |');
    expect(terminal.bells).to.equal(1);
    terminal.type('\x04\x03');
    expect(terminal.events).to.deep.equal(['eof', 'interrupt']);
  });

  it('remembers lines, and the one that is new', () => {
    const terminal = new Terminal().type('one\rtwo\rtwo\r  \rnew');
    terminal.type(UP);
    expect(terminal.seen).to.equal('> two|');
    terminal.type(UP);
    expect(terminal.seen).to.equal('> one|');
    terminal.type(UP);
    expect(terminal.bells).to.equal(1);
    terminal.type(`${DOWN}${DOWN}`);
    expect(terminal.seen).to.equal('> new|');
    terminal.type(`${UP}!\r`);
    expect(terminal.lines.at(-1)).to.equal('two!');
    expect(new Terminal({ historySize: 1 }).type(`a\rb\r${UP}${UP}`).seen).to.equal('> b|');
  });

  it('shows a part of a line that is wider than the terminal', () => {
    const terminal = new Terminal({}, 20).type('abcdefghijklmnopqrstuvwxyz');
    expect(terminal.seen).to.match(/^> [i-j]\w+z\|$/);
    terminal.type('\x01');
    expect(terminal.seen).to.equal('> |abcdefghijklmnopq');
    terminal.type('\r');
    expect(terminal.lines).to.deep.equal(['abcdefghijklmnopqrstuvwxyz']);
  });

  it('gives null for a line that is too long, and never a part of it', () => {
    const terminal = new Terminal({ maxLineLength: 5 }).type('12345\r123456\x7f\r1\r');
    expect(terminal.lines).to.deep.equal(['12345', null, '1']);
  });

  it('shows nothing where the terminal does it itself', () => {
    const shown: string[] = [];
    const editor = new LineEditor({
      show: (text) => shown.push(text),
      line: () => {},
      interrupt: () => {},
      endOfFile: () => {},
    });
    editor.prompt = '> ';
    editor.begin();
    new KeyParser(editor).receive(Buffer.from('ab\x7f\x01c\n'));
    expect(shown).to.deep.equal(['> ']);
  });

  it('shows the line as it is, whatever was typed', () => {
    const typed = fc.constantFrom(
      ...[
        'a',
        'bc',
        ' ',
        LEFT,
        '\x1b[C',
        '\x01',
        '\x05',
        '\x7f',
        '\x1b[3~',
        '\x17',
        '\x15',
        '\x0b',
        '\x1bb',
        '\x1bf',
        UP,
        DOWN,
        '\f',
      ],
    );
    fc.assert(
      fc.property(
        fc.array(typed, { maxLength: 60 }),
        fc.integer({ min: 14, max: 40 }),
        (some, columns) => {
          const terminal = new Terminal({}, columns).type('first\rsecond line\r');
          terminal.lines.length = 0;
          for (const each of some) terminal.type(each);
          const { seen } = terminal;
          expect(seen).to.match(/^> /);
          terminal.type('\r');
          const line = terminal.lines[0] ?? '';
          const text = seen.slice(2).replace('|', '');
          expect(line).to.include(text);
          if (line.length < columns - 3) expect(text).to.equal(line);
        },
      ),
      { numRuns: 300 },
    );
  });
});
