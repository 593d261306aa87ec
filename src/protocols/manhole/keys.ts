/** Makes keys of what a terminal sends (ECMA-48, as xterm and its like do it). Pure: bytes in, keys out; they may come in any pieces. */
import { StringDecoder } from 'node:string_decoder';

/** What a key that is not text does. */
export type KeyName =
  | 'enter'
  | 'tab'
  | 'backspace'
  | 'delete'
  | 'left'
  | 'right'
  | 'up'
  | 'down'
  | 'home'
  | 'end'
  | 'word-left'
  | 'word-right'
  | 'kill-line'
  | 'kill-end'
  | 'kill-word'
  | 'clear'
  | 'interrupt'
  | 'end-of-file';

/** Hears of keys. */
export interface KeyEvents {
  /** One character was typed, or pasted: a code point. */
  text(character: string): void;
  /** A key that is no character. */
  key(name: KeyName): void;
}

const CONTROLS: Readonly<Record<string, KeyName>> = {
  ...{ '\x01': 'home', '\x02': 'left', '\x03': 'interrupt', '\x04': 'end-of-file', '\x05': 'end' },
  ...{ '\x06': 'right', '\b': 'backspace', '\t': 'tab', '\n': 'enter', '\v': 'kill-end' },
  ...{ '\f': 'clear', '\r': 'enter', '\x0e': 'down', '\x10': 'up', '\x15': 'kill-line' },
  ...{ '\x17': 'kill-word', '\x7f': 'backspace' },
};

/** By the last character of a sequence. */
const FINALS: Readonly<Record<string, KeyName>> = {
  ...{ A: 'up', B: 'down', C: 'right', D: 'left', H: 'home', F: 'end' },
};

/** By the number before a tilde. */
const NUMBERED: Readonly<Record<string, KeyName>> = {
  ...{ '1': 'home', '7': 'home', '4': 'end', '8': 'end', '3': 'delete' },
};

/** Behind an ESC. */
const META: Readonly<Record<string, KeyName>> = {
  ...{ b: 'word-left', f: 'word-right', '\x7f': 'kill-word', '\b': 'kill-word' },
};

/** Longer sequences than this are none, in characters. */
const MAX_SEQUENCE = 24;

type State = 'text' | 'escape' | 'sequence' | 'single';

/** Finds keys in a stream. It holds at most one sequence, of a few bytes. */
export class KeyParser {
  readonly #events: KeyEvents;
  readonly #decoder = new StringDecoder('utf8');
  #state: State = 'text';
  #sequence = '';
  /** Whether the last character was a CR: a LF right behind it belongs to it. */
  #afterCR = false;

  constructor(events: KeyEvents) {
    this.#events = events;
  }

  /** Takes the next bytes. What is no UTF-8 becomes U+FFFD. */
  receive(data: Buffer): void {
    for (const character of this.#decoder.write(data)) this.#take(character);
  }

  #take(character: string): void {
    switch (this.#state) {
      case 'text':
        this.#plain(character);
        return;
      case 'escape':
        this.#escaped(character);
        return;
      case 'single':
        this.#finish(FINALS[character]);
        return;
      case 'sequence':
        if (character >= '@' && character <= '~') this.#finish(this.#named(character));
        else if (character < ' ' || this.#sequence.length >= MAX_SEQUENCE) this.#finish(undefined);
        else this.#sequence += character;
    }
  }

  #plain(character: string): void {
    const behindCR = this.#afterCR && character === '\n';
    this.#afterCR = character === '\r';
    if (behindCR) return;
    if (character === '\x1b') this.#state = 'escape';
    else if (character >= ' ' && character !== '\x7f') {
      // C1 controls are nothing that anybody types.
      if (character < '\x80' || character > '\x9f') this.#events.text(character);
    } else {
      const name = CONTROLS[character];
      if (name !== undefined) this.#events.key(name);
    }
  }

  #escaped(character: string): void {
    if (character === '[') {
      this.#state = 'sequence';
      this.#sequence = '';
    } else if (character === 'O') this.#state = 'single';
    else if (character !== '\x1b') this.#finish(META[character]);
  }

  #named(final: string): KeyName | undefined {
    const [number = '', modifier] = this.#sequence.split(';');
    if (final === '~') return NUMBERED[number];
    const name = FINALS[final];
    if (modifier === undefined || modifier === '1') return name;
    if (name === 'left') return 'word-left';
    return name === 'right' ? 'word-right' : name;
  }

  #finish(name: KeyName | undefined): void {
    this.#state = 'text';
    this.#sequence = '';
    if (name !== undefined) this.#events.key(name);
  }
}
