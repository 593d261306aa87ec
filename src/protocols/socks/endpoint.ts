/**
 * The client endpoint prefix `socks:`, for a host behind a proxy that any other client description leads to: `socks:example.org:80:endpoint=tcp\:127.0.0.1\:1080`, with
 * `version=4`, `username` (the user id in version 4), `password` and `timeout`. Importing this file registers it.
 */
import {
  clientFromString,
  registerClientEndpointParser,
  type StreamClientEndpoint,
} from '../../reactor/index.ts';
import { SOCKS4ClientEndpoint, SOCKS5ClientEndpoint } from './client.ts';

type Reader<T> = {
  read: (text: string) => { readonly value: T } | { readonly expected: string };
};

function matching<T>(pattern: RegExp, expected: string, make: (text: string) => T): Reader<T> {
  return { read: (text) => (pattern.test(text) ? { value: make(text) } : { expected }) };
}

function optional<T, U>(reader: Reader<T>, value: U): Reader<T | U> & { otherwise: { value: U } } {
  return { read: reader.read, otherwise: { value } };
}

const TEXT = matching(/./, 'some text', String);
const PORT = matching(
  /^(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$/,
  'a whole number from 1 to 65535',
  Number,
);
const ARGUMENTS = {
  host: TEXT,
  port: PORT,
  endpoint: optional(TEXT, 'tcp:127.0.0.1:1080'),
  version: optional(matching(/^[45]$/, '4 or 5', Number), 5),
  username: optional(TEXT, undefined),
  password: optional(TEXT, undefined),
  timeout: optional(matching(/^\d+(?:\.\d+)?$/, 'seconds', Number), undefined),
};

registerClientEndpointParser('socks', (reactor, description): StreamClientEndpoint => {
  const values = description.read(ARGUMENTS);
  const { host, port, version, username, password, timeout } = values;
  const proxy = clientFromString(reactor, values.endpoint);
  const options = { clock: reactor, ...(timeout === undefined ? {} : { timeout }) };
  if (version === 5) {
    return new SOCKS5ClientEndpoint(proxy, host, port, {
      ...options,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    });
  }
  if (password !== undefined) return description.refuse('SOCKS 4 knows no password');
  const userId = username === undefined ? {} : { userId: username };
  return new SOCKS4ClientEndpoint(proxy, host, port, { ...options, ...userId });
});
