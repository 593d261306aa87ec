/** Whether a statement leaves something behind in its session that the end of its transaction does not take away. */

/**
 * A statement that begins with one of these words, as PostgreSQL, MySQL and MariaDB have them.
 * @param most how many characters may stand before a word further on
 */
function commands(most: string): string {
  const further = String.raw`\b[^;]${most}\b`;
  return String.raw`(?:set\s+(?!local\b|transaction\b|constraints\b|global\b)|reset\b|listen\b|unlisten\b|prepare\b|load\b|discard\b|use\b|lock\s+tables?${further}(?:read|write)\b|flush\s+tables${further}with\b|create\s+(?:or\s+replace\s+)?(?:(?:global|local)\s+)?temp(?:orary)?\b|declare${further}with\s+hold\b)`;
}

/** What may stand before that. @param most how many characters a comment may have */
function blanks(most: string): string {
  return String.raw`(?:\s|--[^\n]${most}\n|#[^\n]${most}\n|\/\*(?!m?!)(?:[^*]|\*(?!\/))${most}\*\/)`;
}

/** At the start of the text. */
const FIRST = new RegExp(`^${blanks('*')}*${commands('*')}`, 'i');
/** At the start of a further statement in it, or of a comment that MySQL runs. Such places may be many, within long values too, so that not far is looked from each. */
const FURTHER = new RegExp(
  String.raw`(?:;|\/\*m?!\d*)${blanks('{0,400}')}{0,400}${commands('{0,400}')}`,
  'i',
);
/** Calls one of these functions, or sets a variable, anywhere in it. */
const CALLS =
  /\b(?:set_config|pg_(?:try_)?advisory_lock(?:_shared)?|get_lock)\s*\(|\binto\s+(?:temp(?:orary)?\b|@)|@\w+\s*:=/i;
/** A statement none of these is in is not looked at further: most are done after this. */
const HINT = /set|lock|listen|prepare|load|discard|use\b|temp|hold|@|flush/i;

/** What statements do by stealth, within functions of the database, is not seen. */
export function changesSession(sql: string): boolean {
  return HINT.test(sql) && (FIRST.test(sql) || FURTHER.test(sql) || CALLS.test(sql));
}

/**
 * Looks after the changes to one session. They count from the first transaction on: what `cp_openfun` does before is what the session is to be like.
 */
export class SessionWatch {
  #watching = false;
  #change: string | null = null;

  /** A transaction begins. */
  began(): void {
    this.#watching = true;
  }

  saw(sql: string): void {
    if (this.#watching && this.#change === null && changesSession(sql)) this.#change = sql;
  }

  /**
   * The connection goes back to the pool.
   * @throws when its session is not what it was: the pool then opens another one, and calls `cp_openfun` for that
   */
  check(): void {
    this.#watching = true;
    if (this.#change === null) return;
    const [word = ''] = this.#change.trim().split(/\s/, 1);
    throw new Error(`Session was changed by a statement that began with ${word.toUpperCase()}`);
  }
}
