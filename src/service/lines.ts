/** Text that comes in pieces, line by line. */

/** What a line may take, in characters; longer ones are given in parts. */
const LONGEST = 64 * 1024;

export class Lines {
  readonly #take: (line: string) => void;
  readonly #longest: number;
  #rest = '';

  /** @param take is given each line, without its end */
  constructor(take: (line: string) => void, longest: number = LONGEST) {
    this.#take = take;
    this.#longest = longest;
  }

  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#give(line);
    while (this.#rest.length >= this.#longest) {
      this.#take(this.#rest.slice(0, this.#longest));
      this.#rest = this.#rest.slice(this.#longest);
    }
  }

  /** Nothing more comes: what is left has no end. */
  end(): void {
    if (this.#rest !== '') this.#give(this.#rest);
    this.#rest = '';
  }

  #give(line: string): void {
    for (let at = 0; at === 0 || at < line.length; at += this.#longest) {
      this.#take(line.slice(at, at + this.#longest));
    }
  }
}
