/** Edits one line in a terminal, with a history. Pure: keys in; lines, and what the terminal is to show, out. */
import type { KeyEvents, KeyName } from './keys.ts';

/** Hears of lines and shows them. */
export interface EditorHost {
  /** Has the terminal show something. */
  show(text: string): void;
  /** A line is complete; null: it was longer than it may be. */
  line(text: string | null): void;
  /** Whoever types wants out of what goes on. */
  interrupt(): void;
  /** ^D in an empty line. */
  endOfFile(): void;
}

/** Options of a `LineEditor`. */
export interface EditorOptions {
  /** Characters of a line. Default 4096. */
  maxLineLength?: number;
  /** Lines that are remembered. Default 500. */
  historySize?: number;
}

const BELL = '\x07';
const ERASE_TO_END = '\x1b[K';
const CLEAR = '\x1b[H\x1b[2J';

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const NARROW = /\p{Mn}|\p{Me}|\p{Cf}/u;

/** Columns that characters take, near enough. */
function widthOf(characters: readonly string[]): number {
  let width = 0;
  for (const character of characters) {
    if (character < '\u0300') width += 1;
    else if (WIDE.test(character)) width += 2;
    else if (!NARROW.test(character)) width += 1;
  }
  return width;
}

/** A line that is wider than the terminal is shown in part, around the cursor. */
export class LineEditor implements KeyEvents {
  /** What stands before the line. */
  prompt = '';
  /** Columns of the terminal. */
  columns = 80;
  /** Whether it is up to us to show what is typed. If not, lines come as they are, and nothing is shown but the prompt. */
  echo = false;
  readonly #host: EditorHost;
  readonly #maxLength: number;
  readonly #historySize: number;
  readonly #history: string[] = [];
  /** Where in the history we are; its length for the line that is new. */
  #at = 0;
  /** The new line, while an old one is looked at. */
  #draft: string[] = [];
  #line: string[] = [];
  #cursor = 0;
  /** The first character that is shown. */
  #from = 0;
  #tooLong = false;

  constructor(host: EditorHost, options: EditorOptions = {}) {
    this.#host = host;
    this.#maxLength = options.maxLineLength ?? 4096;
    this.#historySize = options.historySize ?? 500;
  }

  /** Begins a new line. */
  begin(): void {
    this.#line = [];
    this.#draft = [];
    this.#cursor = 0;
    this.#from = 0;
    this.#tooLong = false;
    this.#at = this.#history.length;
    this.#host.show(this.prompt);
  }

  /** Takes the line off the terminal, so that something else can be shown; then `redraw`. */
  hide(): void {
    if (this.echo) this.#host.show(`\r${ERASE_TO_END}`);
    else this.#host.show('\n');
  }

  /** Shows the line as it is. */
  redraw(): void {
    if (!this.echo) {
      this.#host.show(this.prompt);
      return;
    }
    const before = widthOf(Array.from(this.prompt));
    const room = Math.max(10, this.columns - before - 1);
    // As far to the left as the cursor allows, and as the end of the line does.
    this.#from = Math.max(
      Math.min(this.#from, this.#cursor, this.#backFrom(this.#line.length, room)),
      this.#backFrom(this.#cursor, room),
    );
    let to = this.#from;
    for (let width = 0; to < this.#line.length; to += 1) {
      width += widthOf([this.#line[to] ?? '']);
      if (width > room) break;
    }
    const column = before + widthOf(this.#line.slice(this.#from, this.#cursor));
    const shown = this.#line.slice(this.#from, to).join('');
    const back = to === this.#cursor ? '' : `\r\x1b[${column}C`;
    this.#host.show(`\r${this.prompt}${shown}${ERASE_TO_END}${back}`);
  }

  /** From where on what is before `end` has room. */
  #backFrom(end: number, room: number): number {
    let from = end;
    for (let width = 0; from > 0; from -= 1) {
      width += widthOf([this.#line[from - 1] ?? '']);
      if (width > room) break;
    }
    return from;
  }

  /** Puts a line into the history. */
  remember(line: string): void {
    if (line.trim() === '' || line === this.#history.at(-1)) return;
    this.#history.push(line);
    if (this.#history.length > this.#historySize) this.#history.shift();
  }

  text(character: string): void {
    if (this.#line.length >= this.#maxLength) {
      this.#tooLong = true;
      this.#ring();
      return;
    }
    const last = this.#cursor === this.#line.length;
    this.#line.splice(this.#cursor, 0, character);
    this.#cursor += 1;
    if (!this.echo) return;
    // What is typed at the end, and has room, needs no more than itself.
    const width = widthOf(Array.from(this.prompt)) + widthOf(this.#line.slice(this.#from));
    if (last && width < this.columns) this.#host.show(character);
    else this.redraw();
  }

  /** A key that is no character: moves, deletes, ends the line, or fetches one of before. */
  key(name: KeyName): void {
    switch (name) {
      case 'enter':
        this.#enter();
        return;
      case 'tab':
        this.text(' ');
        this.text(' ');
        return;
      case 'interrupt':
        this.#host.interrupt();
        return;
      case 'end-of-file':
        if (this.#line.length === 0) this.#host.endOfFile();
        else this.#cut(this.#cursor, this.#cursor + 1);
        return;
      case 'clear':
        if (this.echo) this.#host.show(CLEAR);
        this.redraw();
        return;
      case 'up':
      case 'down':
        this.#recall(name === 'up' ? -1 : 1);
        return;
      case 'backspace':
        this.#cut(this.#cursor - 1, this.#cursor);
        return;
      case 'delete':
        this.#cut(this.#cursor, this.#cursor + 1);
        return;
      case 'kill-line':
        this.#cut(0, this.#cursor);
        return;
      case 'kill-end':
        this.#cut(this.#cursor, this.#line.length);
        return;
      case 'kill-word':
        this.#cut(this.#wordLeft(), this.#cursor);
        return;
      default:
        this.#move(name);
    }
  }

  #move(name: 'left' | 'right' | 'home' | 'end' | 'word-left' | 'word-right'): void {
    const places = {
      left: Math.max(0, this.#cursor - 1),
      right: Math.min(this.#line.length, this.#cursor + 1),
      home: 0,
      end: this.#line.length,
      'word-left': this.#wordLeft(),
      'word-right': this.#wordRight(),
    };
    const place = places[name];
    if (place === this.#cursor) return;
    this.#cursor = place;
    if (this.echo) this.redraw();
  }

  #wordLeft(): number {
    let at = this.#cursor;
    while (at > 0 && !isWord(this.#line[at - 1])) at -= 1;
    while (at > 0 && isWord(this.#line[at - 1])) at -= 1;
    return at;
  }

  #wordRight(): number {
    let at = this.#cursor;
    while (at < this.#line.length && !isWord(this.#line[at])) at += 1;
    while (at < this.#line.length && isWord(this.#line[at])) at += 1;
    return at;
  }

  /** Takes characters out. */
  #cut(from: number, to: number): void {
    if (from < 0 || from >= to || from >= this.#line.length) {
      this.#ring();
      return;
    }
    this.#line.splice(from, to - from);
    this.#cursor = from;
    if (this.echo) this.redraw();
  }

  #recall(step: number): void {
    const at = this.#at + step;
    if (at < 0 || at > this.#history.length) {
      this.#ring();
      return;
    }
    if (this.#at === this.#history.length) this.#draft = this.#line;
    this.#at = at;
    const old = this.#history[at];
    this.#line = old === undefined ? this.#draft : Array.from(old);
    this.#cursor = this.#line.length;
    this.#from = 0;
    if (this.echo) this.redraw();
  }

  #enter(): void {
    const line = this.#tooLong ? null : this.#line.join('');
    this.#line = [];
    this.#cursor = 0;
    this.#from = 0;
    this.#tooLong = false;
    if (this.echo) this.#host.show('\n');
    this.#host.line(line);
  }

  #ring(): void {
    if (this.echo) this.#host.show(BELL);
  }
}

function isWord(character: string | undefined): boolean {
  return character !== undefined && /[\p{L}\p{N}_$]/u.test(character);
}
