/**
 * Reads JavaScript just far enough to tell whether it is complete, and where its statements begin. Pure.
 *
 * It is no parser: V8 is, and has the last word on whether something is right. Brackets, strings, templates, comments and regular expressions are told apart; where a
 * statement ends without a semicolon is told by the words around the end of a line.
 */

/** A statement, or a part of one that looks like one, outside all brackets. */
export interface Statement {
  /** Where its first word is. */
  readonly start: number;
  /** Behind its last character; a semicolon is not part of it. */
  end: number;
  /** Its first word, or character. */
  readonly word: string;
}

/** What there is to know of a piece of code. */
export interface Scan {
  /** Whether a bracket, a template or a comment is open at the end. */
  readonly open: boolean;
  readonly statements: readonly Statement[];
}

const WORD = /[\p{ID_Start}\p{N}$_@#][\p{ID_Continue}$\u200c\u200d]*/uy;
const SPACE = /[^\S\n\r\u2028\u2029]+/uy;
const STRING = /"(?:[^"\\\n\r]|\\[\s\S])*"?|'(?:[^'\\\n\r]|\\[\s\S])*'?/y;
const REGEX = /\/(?![*/])(?:[^\\/[\n\r]|\\[^\n\r]|\[(?:[^\\\]\n\r]|\\[^\n\r])*\])+\/[a-z]*/y;
const LINE_COMMENT = /\/\/[^\n\r]*/y;
const TEMPLATE_TEXT = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y;

/** Words behind which an expression begins. */
const BEFORE_EXPRESSION = new Set(
  'return typeof case in of delete void instanceof new throw await yield else do'.split(' '),
);
/** Words that go on with what was before them. */
const GOES_ON = new Set(['in', 'of', 'instanceof', 'else', 'catch', 'finally']);
/** Words that begin something which may end with a bracket and nothing more. */
const BLOCKS = new Set([
  'if',
  'for',
  'while',
  'function',
  'async',
  'class',
  'try',
  'switch',
  'do',
  '{',
]);

const CLOSES: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };

/** Looks at code once, from its beginning to its end. */
export function scan(code: string): Scan {
  return new Scanner(code).run();
}

class Scanner {
  readonly #code: string;
  readonly #statements: Statement[] = [];
  /** Brackets that are open; a back-tick for a template. */
  readonly #open: string[] = [];
  #at = 0;
  /** The word or character before. */
  #last = '';
  #lastIsWord = false;
  /** Whether the line has ended since. */
  #newLine = false;
  #ended = true;

  constructor(code: string) {
    this.#code = code;
  }

  run(): Scan {
    const code = this.#code;
    while (this.#at < code.length) {
      if (this.#open.at(-1) === '`') {
        this.#template();
        continue;
      }
      if (this.#match(SPACE) || this.#match(LINE_COMMENT)) continue;
      if (code.startsWith('/*', this.#at)) {
        const end = code.indexOf('*/', this.#at + 2);
        if (end < 0) return { open: true, statements: this.#statements };
        this.#at = end + 2;
        continue;
      }
      const character = code[this.#at] ?? '';
      if (/[\n\r\u2028\u2029]/.test(character)) {
        this.#newLine = true;
        this.#at += 1;
        continue;
      }
      this.#token(character);
    }
    return { open: this.#open.length > 0, statements: this.#statements };
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#code)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #template(): void {
    this.#match(TEMPLATE_TEXT);
    if (this.#at >= this.#code.length) return;
    if (this.#code[this.#at] === '`') {
      this.#open.pop();
      this.#at += 1;
      this.#note('`', false);
    } else {
      this.#open.push('{');
      this.#at += 2;
      this.#last = '{';
      this.#lastIsWord = false;
    }
  }

  #token(character: string): void {
    const start = this.#at;
    const word = this.#match(WORD);
    if (word !== '') {
      this.#begin(start, word, true);
      this.#note(word, true);
      return;
    }
    this.#begin(start, character, false);
    if (
      this.#match(STRING) !== '' ||
      (character === '/' && this.#regexMayBegin() && this.#match(REGEX))
    ) {
      this.#note('"', false);
      return;
    }
    this.#at += 1;
    if (character === ';' && this.#open.length === 0) {
      this.#ended = true;
      this.#last = ';';
      this.#lastIsWord = false;
      return;
    }
    const opened = CLOSES[character];
    if (opened !== undefined) {
      if (this.#open.at(-1) === opened) this.#open.pop();
    } else if ('([{`'.includes(character)) this.#open.push(character);
    // ++ and -- are one.
    const twice =
      (character === '+' || character === '-') &&
      this.#last === character &&
      this.#code[start - 1] === character;
    this.#note(twice ? character + character : character, false);
  }

  #note(last: string, isWord: boolean): void {
    this.#last = last;
    this.#lastIsWord = isWord;
    this.#newLine = false;
    const statement = this.#statements.at(-1);
    if (statement !== undefined && !this.#ended) statement.end = this.#at;
  }

  /** Begins a statement if this token does. */
  #begin(start: number, token: string, isWord: boolean): void {
    if (this.#open.length > 0) return;
    if (token === ';' || !(this.#ended || this.#breaks(token, isWord))) return;
    this.#ended = false;
    this.#statements.push({ start, end: start, word: token });
  }

  /** Whether the token cannot belong to the statement before. */
  #breaks(token: string, isWord: boolean): boolean {
    if (isWord && GOES_ON.has(token)) return false;
    const first = this.#statements.at(-1)?.word ?? '';
    if (this.#last === '}' && BLOCKS.has(first)) {
      return !(first === 'do' && token === 'while') && !(isWord === false && /[.,)=?]/.test(token));
    }
    if (!this.#newLine) return false;
    const complete =
      (this.#lastIsWord && !BEFORE_EXPRESSION.has(this.#last)) ||
      [')', ']', '}', '"', '`', '++', '--'].includes(this.#last);
    return complete && (isWord || !/[.?([+\-*/%=<>&|^,:`)\]}]/.test(token));
  }

  #regexMayBegin(): boolean {
    if (this.#lastIsWord) return BEFORE_EXPRESSION.has(this.#last);
    return ![')', ']', '"', '`', '++', '--'].includes(this.#last);
  }
}
