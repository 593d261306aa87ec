import { mergeMap, type Observable } from 'rxjs';
import type { StreamServerEndpoint } from '../../src/index.ts';
import {
  type Connection,
  connections$,
  lines$,
  mapInTurn,
  writer,
} from '../../src/protocols/rx.ts';

/** A lookup that takes its time, as one in a database would. */
export type LookUp = (word: string) => Promise<string | undefined>;

function serve(connection: Connection, lookUp: LookUp): void {
  lines$(connection, { maxLength: 100 })
    .pipe(mapInTurn(connection, async (word) => `${(await lookUp(word)) ?? 'unknown'}\n`))
    .subscribe(writer(connection));
}

/** Serves a dictionary: a word per line, an answer per line, in order. A client that asks faster than words are looked up has to wait. */
export function dictionary$(
  endpoint: StreamServerEndpoint,
  lookUp: LookUp,
  listening: (port: { getHost(): unknown }) => void = () => {},
): Observable<never> {
  return connections$(endpoint, { listening }).pipe(
    mergeMap((connection) => {
      serve(connection, lookUp);
      return [];
    }),
  );
}
