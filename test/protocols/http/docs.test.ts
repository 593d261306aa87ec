/** What docs/http.md says of limits and options is what they are. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { DEFAULT_PARSER_LIMITS, DEFAULT_SERVER_LIMITS } from '../../../src/protocols/http/index.ts';

const page = readFileSync(new URL('../../../docs/http.md', import.meta.url), 'utf8');

/** The rows of the table below a heading: the first two cells of each. */
function table(heading: string): Map<string, string> {
  const section = page.slice(page.indexOf(`\n${heading}\n`)).split(/\n##+ /)[1] ?? '';
  return new Map(
    [...section.matchAll(/^\| `(\w+)` \| ([^|]+) \|/gm)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  );
}

describe('docs/http.md', () => {
  it('has every limit of the server and its parser, with its default', () => {
    const all = { ...DEFAULT_SERVER_LIMITS, ...DEFAULT_PARSER_LIMITS };
    const expected = Object.entries(all).map(([name, value]) => [
      name,
      value === Number.POSITIVE_INFINITY ? 'unlimited' : String(value),
    ]);
    expect([...table('## Limits')].sort()).to.deep.equal(expected.sort());
  });

  for (const [heading, file, type] of [
    ['## Files', 'static/file-options.ts', 'FileOptions'],
    ['## Server-sent events', 'sse.ts', 'ServerSentEventsOptions'],
  ] as const) {
    it(`has every option of ${type}`, () => {
      const source = readFileSync(
        new URL(`../../../src/protocols/http/${file}`, import.meta.url),
        'utf8',
      );
      const declaration =
        new RegExp(`export interface ${type} [^{]*\\{([\\s\\S]*?)\\n\\}`).exec(source)?.[1] ?? '';
      const options = [...declaration.matchAll(/^ {2}readonly (\w+)\?/gm)].map(([, name]) => name);
      expect(options).to.have.length.above(3);
      const section = page.slice(page.indexOf(`\n${heading}\n`)).split(/\n##+ /)[1] ?? '';
      for (const name of options) expect(section).to.contain(`\`${name}\``);
    });
  }
});
