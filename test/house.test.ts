/** The rules of the house that a machine can check. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = join(ROOT, 'src');

/** Which other rooms a room may enter. */
const MAY_ENTER: Readonly<Record<string, readonly string[]>> = {
  deferred: [],
  reactor: ['deferred'],
  protocols: ['deferred', 'reactor'],
  adbapi: ['deferred', 'reactor'],
  service: ['deferred', 'reactor', 'protocols', 'adbapi'],
};

interface Import {
  readonly from: string;
  readonly names: string[];
  readonly target: string;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** The code without its comments and the text of its strings. */
function code(file: string): string {
  return readFileSync(file, 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/\s\/\/ .*$/gm, '');
}

function importsOf(file: string): Import[] {
  const found: Import[] = [];
  const statement =
    /\b(?:import|export)\s+(?:type\s+)?([^'";]*?)\s*from\s*'([^']+)'|\bimport\(\s*'([^']+)'/g;
  for (const match of code(file).matchAll(statement)) {
    const names = (match[1] ?? '')
      .replace(/[{}]/g, ' ')
      .split(',')
      .map(
        (name) =>
          name
            .trim()
            .replace(/^type\s+/, '')
            .split(/\s+as\s+/)[0] ?? '',
      )
      .filter((name) => name !== '');
    found.push({ from: file, names, target: match[2] ?? match[3] ?? '' });
  }
  return found;
}

function roomOf(file: string): string {
  return relative(SRC, file).split(sep)[0] ?? '';
}

const files = sources(SRC);
const imports = files.flatMap(importsOf);
const ours = imports.filter(({ target }) => target.startsWith('.'));

const where = ({ from, target }: Import): string => `${relative(ROOT, from)} imports ${target}`;

describe('The house', () => {
  it('has all its rooms', () => {
    const rooms = new Set(files.map(roomOf));
    for (const room of Object.keys(MAY_ENTER)) expect([...rooms]).to.include(room);
    expect(imports.length).to.be.above(100);
  });

  it('is entered in one direction only: deferred, reactor, protocols and adbapi, service', () => {
    const wrong = ours.filter(({ from, target }) => {
      const room = roomOf(from);
      const other = roomOf(resolve(dirname(from), target));
      return other !== room && room in MAY_ENTER && !MAY_ENTER[room]?.includes(other);
    });
    expect(wrong.map(where)).to.deep.equal([]);
  });

  it('is entered by the front door: a room through its index.ts', () => {
    const wrong = ours.filter(({ from, target }) => {
      const path = resolve(dirname(from), target);
      return roomOf(path) !== roomOf(from) && !path.endsWith(`${sep}index.ts`);
    });
    expect(wrong.map(where)).to.deep.equal([]);
  });

  it('lets protocols and databases know of the reactor only its contracts', () => {
    const contracts = [
      'interfaces',
      'datagram-interfaces',
      'process-interfaces',
      'tls-interfaces',
      'adopt-interfaces',
      // Endpoints know reactors by their interfaces only.
      'endpoints/strings',
      'endpoints/happy-eyeballs',
      'endpoints/hostname-endpoint',
      'endpoints/tcp',
      'endpoints/wrap-client-tls',
      'address',
      'errors',
      'further-methods',
      'libuv/read-buffers',
      'measurements',
      'log',
      'wall-clock',
      'tls/context-factory',
      // Those that have threads of their own start them, and get errors across, as the reactor does.
      'threads/crossing',
      'threads/exec-argv',
    ].map((name) => readFileSync(join(SRC, 'reactor', `${name}.ts`), 'utf8'));
    const known = new Set(
      [
        ...contracts
          .join('\n')
          .matchAll(/^export (?:abstract )?(?:class|interface|type|function|const) (\w+)/gm),
      ].map((match) => match[1] ?? ''),
    );
    // What scripts call without saying on which reactor takes the process's own.
    known.add('reactor');
    expect(known).to.include('Transport');
    const wrong = ours
      .filter(
        ({ from, target }) =>
          ['protocols', 'adbapi'].includes(roomOf(from)) && target.includes('reactor/'),
      )
      .flatMap(({ from, names }) =>
        names
          .filter((name) => !known.has(name))
          .map((name) => `${relative(ROOT, from)} uses ${name}`),
      );
    expect(wrong).to.deep.equal([]);
  });

  it('has its clocks and timers in the reactor only', () => {
    const timers =
      /(?<![\w.#])(?:setTimeout|setInterval|setImmediate)\s*\(|\bDate\.now\b|\bperformance\.now\b|\bnew Date\(\)|\bhrtime\b|node:timers/;
    // A method may be called so, as Twisted's is.
    const method = /^\s*(?:override )?setTimeout\(seconds: /gm;
    const wrong = files.filter(
      (file) => roomOf(file) !== 'reactor' && timers.test(code(file).replace(method, '(')),
    );
    expect(wrong.map((file) => relative(ROOT, file))).to.deep.equal([]);
  });

  it('names sockets in src/reactor/libuv only', () => {
    const wrong = imports.filter(
      ({ from, names, target }) =>
        ['node:net', 'node:tls', 'node:dgram'].includes(target) &&
        !from.includes(join('reactor', 'libuv')) &&
        names.some((name) => !/^isIP(v[46])?$/.test(name)) &&
        // Credentials are no sockets.
        !names.every((name) => /^(tls$|Secure|PeerC|createSecure|BlockList$|isIP)/.test(name)),
    );
    expect(wrong.map(where)).to.deep.equal([]);
  });

  it('names rxjs in adapter files only', () => {
    const wrong = imports.filter(
      ({ from, target }) => /^rxjs/.test(target) && !/(^|[/\\])rx\.ts$/.test(from),
    );
    expect(wrong.map(where)).to.deep.equal([]);
  });

  it('imports with the .ts extension, so that sources run as they are', () => {
    expect(ours.filter(({ target }) => !target.endsWith('.ts')).map(where)).to.deep.equal([]);
  });

  it('has no file over 500 lines', () => {
    const long = files.filter((file) => readFileSync(file, 'utf8').split('\n').length > 500);
    expect(long.map((file) => relative(ROOT, file))).to.deep.equal([]);
  });
});

describe('The documentation', () => {
  const listings = /<!-- (docs\/examples\/[\w.-]+\.ts) -->\n```ts\n([\s\S]*?)```/g;
  const pages = [
    'README.md',
    ...readdirSync(join(ROOT, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ];

  for (const page of pages) {
    it(`${page} shows its examples as they are`, () => {
      for (const [, file = '', listing = ''] of readFileSync(join(ROOT, page), 'utf8').matchAll(
        listings,
      )) {
        const source = readFileSync(join(ROOT, file), 'utf8');
        const asInstalled = source.replace(
          /'\.\.\/\.\.\/src\/(?:(\w+)\/)?index\.ts'/g,
          (_, room?: string) => (room === undefined ? "'strand'" : `'strand/${room}'`),
        );
        expect(listing, file).to.equal(asInstalled);
      }
    });

    it(`${page} links to files that are there`, () => {
      const text = readFileSync(join(ROOT, page), 'utf8');
      for (const [, link = ''] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
        const target = resolve(ROOT, dirname(page), link);
        expect(() => readFileSync(target), `${page} links to ${link}`).to.not.throw();
      }
    });
  }
});
