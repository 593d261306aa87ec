/** What `Sec-WebSocket-Extensions` says (RFC 6455 section 9.1), and what is agreed upon of permessage-deflate (RFC 7692 section 7.1). */
import type { CompressionSettings } from './options.ts';

/** An extension with its parameters in order; true for one without a value. */
export interface Extension {
  readonly name: string;
  readonly parameters: readonly (readonly [name: string, value: string | true])[];
}

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
/** A parameter; what is in quotes has to be a token as well. */
const PARAMETER = new RegExp(
  `[ \\t]*;[ \\t]*(${TOKEN})(?:[ \\t]*=[ \\t]*(?:"(${TOKEN})"|(${TOKEN})))?`,
  'y',
);
const NAME = new RegExp(`[ \\t]*(${TOKEN})`, 'y');
const NEXT = /[ \t]*(,|$)/y;

/** The extensions in the values of the field; null if that is no list of any. */
export function parseExtensions(values: readonly string[]): Extension[] | null {
  const found: Extension[] = [];
  for (const text of values) {
    let at = 0;
    const match = (pattern: RegExp): RegExpExecArray | null => {
      pattern.lastIndex = at;
      const matched = pattern.exec(text);
      if (matched !== null) at += matched[0].length;
      return matched;
    };
    for (;;) {
      const name = match(NAME)?.[1];
      if (name === undefined) return null;
      const parameters: [string, string | true][] = [];
      for (let parameter = match(PARAMETER); parameter !== null; parameter = match(PARAMETER)) {
        parameters.push([parameter[1] ?? '', parameter[2] ?? parameter[3] ?? true]);
      }
      found.push({ name, parameters });
      const next = match(NEXT);
      if (next === null) return null;
      if (next[1] === '') break;
    }
  }
  return found;
}

const DEFLATE = 'permessage-deflate';
const SERVER_FORGETS = 'server_no_context_takeover';
const CLIENT_FORGETS = 'client_no_context_takeover';
const SERVER_BITS = 'server_max_window_bits';
const CLIENT_BITS = 'client_max_window_bits';

/** What both ends agreed upon. */
export interface Deflation {
  /** Whether each end goes on with what it sent before, message after message. */
  readonly serverRemembers: boolean;
  readonly clientRemembers: boolean;
  /** The windows that they compress with, as powers of two. */
  readonly serverBits: number;
  readonly clientBits: number;
}

/** The parameters by name; null if one comes twice, is unknown, or has a value that it cannot have. */
function parametersOf({ parameters }: Extension, isOffer: boolean): Map<string, number> | null {
  const found = new Map<string, number>();
  for (const [name, value] of parameters) {
    if (found.has(name)) return null;
    if (name === SERVER_FORGETS || name === CLIENT_FORGETS) {
      if (value !== true) return null;
      found.set(name, 1);
    } else if (name === CLIENT_BITS && value === true && isOffer) {
      found.set(name, 15);
    } else if (name === SERVER_BITS || name === CLIENT_BITS) {
      if (value === true || !/^([89]|1[0-5])$/.test(value)) return null;
      found.set(name, Number(value));
    } else {
      return null;
    }
  }
  return found;
}

/** What a server answers to offers: the first one that it can accept. Null for none. */
export function acceptDeflation(
  offers: readonly Extension[],
  { contextTakeover, windowBits }: CompressionSettings,
): { readonly agreed: Deflation; readonly answer: string } | null {
  for (const offer of offers) {
    const asked = offer.name === DEFLATE ? parametersOf(offer, true) : null;
    // zlib cannot compress with a window of 256 bytes.
    if (asked === null || asked.get(SERVER_BITS) === 8) continue;
    const agreed: Deflation = {
      serverRemembers: contextTakeover && !asked.has(SERVER_FORGETS),
      clientRemembers: contextTakeover && !asked.has(CLIENT_FORGETS),
      serverBits: Math.min(windowBits, asked.get(SERVER_BITS) ?? 15),
      clientBits: 15,
    };
    let answer = DEFLATE;
    if (!agreed.serverRemembers) answer += `; ${SERVER_FORGETS}`;
    if (!agreed.clientRemembers) answer += `; ${CLIENT_FORGETS}`;
    if (agreed.serverBits < 15 || asked.has(SERVER_BITS)) {
      answer += `; ${SERVER_BITS}=${agreed.serverBits}`;
    }
    return { agreed, answer };
  }
  return null;
}

/** What a client offers. */
export function offerOf({ contextTakeover, windowBits }: CompressionSettings): string {
  const bits = windowBits < 15 ? `; ${SERVER_BITS}=${windowBits}` : '';
  return `${DEFLATE}${contextTakeover ? '' : `; ${SERVER_FORGETS}; ${CLIENT_FORGETS}`}${bits}`;
}

/**
 * What a server's answer to `offerOf` means.
 * @returns null if it declined
 * @throws {TypeError} when it is no answer to that
 */
export function agreedDeflation(
  answer: readonly Extension[] | null,
  settings: CompressionSettings | null,
): Deflation | null {
  if (answer === null) throw new TypeError('its extensions are no list of any');
  const [only] = answer;
  if (only === undefined) return null;
  if (settings === null || only.name !== DEFLATE || answer.length > 1) {
    throw new TypeError('it names extensions that were not offered');
  }
  const said = parametersOf(only, false);
  const { contextTakeover, windowBits } = settings;
  const serverBits = said?.get(SERVER_BITS) ?? 15;
  if (
    said === null ||
    said.has(CLIENT_BITS) ||
    (!contextTakeover && !said.has(SERVER_FORGETS)) ||
    serverBits > windowBits
  ) {
    throw new TypeError(`its parameters of ${DEFLATE} do not answer what was offered`);
  }
  return {
    serverRemembers: !said.has(SERVER_FORGETS),
    clientRemembers: contextTakeover && !said.has(CLIENT_FORGETS),
    serverBits,
    clientBits: windowBits,
  };
}
