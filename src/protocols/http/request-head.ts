/** The head of an answer as text. The beginning that all answers of one second share is made once. */

import type { DateText } from './date.ts';
import { listTokens } from './field-lists.ts';
import {
  CONNECTION,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  DATE,
  OutputFields,
  SERVER,
} from './request-output.ts';
import { isBodiless, phraseOf } from './status.ts';

/** What the heads of one server have in common. */
export class HeadStart {
  readonly #date: DateText;
  readonly #server: string;
  #second = Number.NaN;
  #dateLine = '';
  #ok = '';

  /** @param server the text of the Server field, checked; null for none */
  constructor(date: DateText, server: string | null) {
    this.#date = date;
    this.#server = server === null ? '' : `Server: ${server}\r\n`;
  }

  /** Status line, `Server` and `Date`, without those that the application has set. */
  text(code: number, message: string | null, present: number): string {
    const second = this.#date.tick();
    if (second !== this.#second) {
      this.#second = second;
      this.#dateLine = `Date: ${this.#date.text}\r\n`;
      this.#ok = `HTTP/1.1 200 OK\r\n${this.#server}${this.#dateLine}`;
    }
    const usual = (present & (DATE | SERVER)) === 0;
    if (usual && code === 200 && message === null) return this.#ok;
    const server = (present & SERVER) === 0 ? this.#server : '';
    const date = (present & DATE) === 0 ? this.#dateLine : '';
    return `HTTP/1.1 ${code} ${message ?? phraseOf(code)}\r\n${server}${date}`;
  }
}

/** How an answer's body is delimited. */
export type BodyFraming = 'none' | 'length' | 'chunked' | 'close';

/** What decides on the head of an answer. */
export interface HeadPlan {
  readonly start: HeadStart;
  readonly code: number;
  readonly message: string | null;
  readonly fields: OutputFields | undefined;
  readonly versionMinor: number;
  /** The length to announce; negative where the fields do, or it is not known. */
  readonly length: number;
  /** What to say of the content's type if the application said nothing; '' for nothing. */
  readonly type: string;
  /** Whether the connection stays open. */
  readonly persistent: boolean;
}

const NO_FIELDS = new OutputFields();

/** The head as text, with the empty line. */
export function headText(plan: HeadPlan, framing: BodyFraming): string {
  const { code, message, length } = plan;
  const fields = plan.fields ?? NO_FIELDS;
  const { present } = fields;
  let text = plan.start.text(code, message, present);
  const bodiless = isBodiless(code);
  if ((present & CONTENT_TYPE) === 0 && !bodiless && plan.type !== '') {
    text += `Content-Type: ${plan.type}\r\n`;
  }
  const connection = (present & CONNECTION) === 0 ? undefined : fields.get('connection');
  const dropsLength = (present & CONTENT_LENGTH) !== 0 && bodiless && code !== 304;
  if (present !== 0) text += fields.lines(connection !== undefined, dropsLength);
  if ((present & CONTENT_LENGTH) === 0 && length >= 0 && !bodiless) {
    text += `Content-Length: ${length}\r\n`;
  } else if (framing === 'chunked') {
    text += 'Transfer-Encoding: chunked\r\n';
  }
  return `${text}${connectionLine(connection, plan)}\r\n`;
}

function connectionLine(asked: string | undefined, plan: HeadPlan): string {
  const options = asked === undefined ? [] : listTokens(asked);
  // Whether it stays open is not for the application to say beyond asking for the end, which it has been heard about.
  const others = options.filter((option) => option !== 'close' && option !== 'keep-alive');
  if (!plan.persistent) others.push('close');
  else if (plan.versionMinor === 0) others.push('keep-alive');
  return others.length === 0 ? '' : `Connection: ${others.join(', ')}\r\n`;
}
