import { expect } from 'chai';
import fc from 'fast-check';
import {
  ALL_PERMISSIONS,
  type PermissionLetter,
  Permissions,
  READ_PERMISSIONS,
  toSegments,
} from '../../../src/protocols/ftp/index.ts';

describe('Permissions', () => {
  function allowed(permissions: Permissions, path: string): string {
    const segments = toSegments([], path);
    return [...ALL_PERMISSIONS]
      .filter((letter) => permissions.permits(letter as PermissionLetter, segments))
      .join('');
  }

  it('are the same everywhere, and all that there are, unless something is said', () => {
    expect(allowed(new Permissions(), '/a/b')).to.equal(ALL_PERMISSIONS);
    expect(allowed(new Permissions(READ_PERMISSIONS), '/a/b')).to.equal('elr');
    expect(allowed(new Permissions(''), '/')).to.equal('');
  });

  it('hold in a folder and all below it, and not in one of like name', () => {
    const permissions = new Permissions('elr', [{ path: '/in', letters: 'elrw' }]);
    for (const path of ['/in', '/in/x', '/in/deep/er/x']) {
      expect(allowed(permissions, path), path).to.equal('elrw');
    }
    for (const path of ['/', '/inside', '/x/in', '/i']) {
      expect(allowed(permissions, path), path).to.equal('elr');
    }
  });

  it('hold in a folder and what is in it, if they are not recursive', () => {
    const permissions = new Permissions('elr', [{ path: 'in', letters: 'w', recursive: false }]);
    expect(allowed(permissions, '/in')).to.equal('w');
    expect(allowed(permissions, '/in/x')).to.equal('w');
    expect(allowed(permissions, '/in/x/y')).to.equal('elr');
  });

  it('are those of the nearest folder, in whatever order they are given', () => {
    const rules = [
      { path: '/a', letters: 'e' },
      { path: '/a/b/c', letters: 'l' },
      { path: '/a/b', letters: 'r' },
    ];
    for (const order of [rules, [...rules].reverse()]) {
      const permissions = new Permissions('', order);
      expect(
        ['/a/x', '/a/b/x', '/a/b/c/x', '/x'].map((path) => allowed(permissions, path)),
      ).to.deep.equal(['e', 'r', 'l', '']);
    }
  });

  it('let no folder be moved or removed with one in it that may not be', () => {
    const permissions = new Permissions('elradfmwMT', [{ path: '/a/b/locked', letters: 'elr' }]);
    for (const path of ['/', '/a', '/a/b']) {
      expect(allowed(permissions, path), path).to.equal('elramwMT');
    }
    expect(allowed(permissions, '/a/other')).to.equal(ALL_PERMISSIONS);
  });

  it('never allow more than some rule does', () => {
    const letters = fc.subarray([...ALL_PERMISSIONS]).map((some) => some.join(''));
    const path = fc
      .array(fc.constantFrom('a', 'b'), { maxLength: 4 })
      .map((some) => some.join('/'));
    const rules = fc.array(fc.record({ path, letters, recursive: fc.boolean() }), { maxLength: 4 });
    fc.assert(
      fc.property(letters, rules, path, (base, some, asked) => {
        const union = new Set([base, ...some.map((rule) => rule.letters)].join(''));
        for (const letter of allowed(new Permissions(base, some), asked)) {
          expect(union.has(letter)).to.equal(true);
        }
      }),
    );
  });

  it('are letters that there are, and folders that can be', () => {
    expect(() => new Permissions('elx')).to.throw(RangeError, "Bad permissions 'elx'");
    expect(() => new Permissions('', [{ path: '/', letters: 'E' }])).to.throw(RangeError);
    expect(() => new Permissions('', [{ path: '/..', letters: 'e' }])).to.throw('Bad path');
    expect(() => new Permissions(7 as never)).to.throw(RangeError);
  });
});
