/** The short form of a context factory, options in Node's words, made into one. */

import type {
  ServerTLSSettings,
  TLSContext,
  TLSContextFactory,
  TLSOptions,
} from '../tls-interfaces.ts';
import { TLSSettings } from './settings.ts';
import { shown } from './shown.ts';
import { checkedCredentials, splitOptions } from './tls-options.ts';

function isFactory(context: TLSContext): context is TLSContextFactory {
  return (
    'serverSettings' in context &&
    typeof context.serverSettings === 'function' &&
    typeof context.clientSettings === 'function'
  );
}

function whetherToAsk({
  requestCert,
  rejectUnauthorized,
}: TLSOptions): ServerTLSSettings['clientCertificate'] {
  if (requestCert !== true) return 'none';
  return rejectUnauthorized === false ? 'wanted' : 'required';
}

function made(options: TLSOptions): TLSContextFactory {
  const { credentials, rest } = splitOptions(options);
  return new TLSSettings({
    credentials,
    acceptableProtocols: [...(rest.ALPNProtocols ?? [])],
    clientCertificate: whetherToAsk(rest),
    knowsWhomToTrust: credentials.ca !== undefined || credentials.pfx !== undefined,
    serverNames: Object.entries(rest.serverNames ?? {}).map(([name, each]) => [
      name,
      checkedCredentials(`the credentials for '${name}'`, each),
    ]),
    verify: rest.rejectUnauthorized ?? true,
    hostname: rest.servername,
    session: rest.session,
  });
}

/** By options, with what they were then. */
const known = new WeakMap<
  TLSOptions,
  { readonly copy: Readonly<Record<string, unknown>>; readonly factory: TLSContextFactory }
>();

function isSame(options: object, copy: Readonly<Record<string, unknown>>): boolean {
  const now = Object.entries(options);
  return (
    now.length === Object.keys(copy).length &&
    now.every(([name, value]) => Object.hasOwn(copy, name) && copy[name] === value)
  );
}

/**
 * The context factory that `context` is or stands for. The same options give the same one for as long as none of them is set to something else, so that
 * connections share what is made of them.
 * @throws {TypeError} for what is neither, for options that are not known, and for values of the wrong kind
 */
export function tlsContextFactory(context: TLSContext): TLSContextFactory {
  if (typeof context !== 'object' || context === null) {
    const expected = 'expected a context factory or TLS options';
    throw new TypeError(`Cannot use ${shown(context)} for TLS: ${expected}`);
  }
  if (isFactory(context)) return context;
  const before = known.get(context);
  if (before !== undefined && isSame(context, before.copy)) return before.factory;
  const factory = made(context);
  known.set(context, { copy: { ...context }, factory });
  return factory;
}
