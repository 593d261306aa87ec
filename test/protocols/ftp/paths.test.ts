import { expect } from 'chai';
import fc from 'fast-check';
import {
  errorOfSystem,
  FTPCmdError,
  InvalidPath,
  toPath,
  toSegments,
} from '../../../src/protocols/ftp/index.ts';

describe('Paths of FTP', () => {
  it('begin at the root or in the folder that the client is in', () => {
    expect(toSegments(['a', 'b'], 'c')).to.deep.equal(['a', 'b', 'c']);
    expect(toSegments(['a', 'b'], '/c')).to.deep.equal(['c']);
    expect(toSegments(['a', 'b'], '')).to.deep.equal(['a', 'b']);
    expect(toSegments(['a', 'b'], '/')).to.deep.equal([]);
  });

  it('leave out empty names and dots, and go up with two dots', () => {
    expect(toSegments(['a'], './/b/./c/')).to.deep.equal(['a', 'b', 'c']);
    expect(toSegments(['a', 'b'], '..')).to.deep.equal(['a']);
    expect(toSegments(['a', 'b'], '../../x/../y')).to.deep.equal(['y']);
    expect(toSegments([], '...')).to.deep.equal(['...']);
  });

  it('do not lead above the root', () => {
    for (const path of ['..', '/..', 'a/../..', '/a/b/../../../etc']) {
      expect(() => toSegments([], path)).to.throw(InvalidPath, JSON.stringify(path));
    }
    expect(() => toSegments(['a'], '../..')).to.throw(InvalidPath);
  });

  it('have no NUL, no line ends, no names of absurd length, and an end', () => {
    const wrong = ['a\0b', 'a\rb', 'a\nb', 'x'.repeat(2000), 'a/'.repeat(300)];
    for (const path of wrong) expect(() => toSegments([], path)).to.throw(InvalidPath);
  });

  it('never have a name that means another folder, whatever the client writes', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '.', '/', '\\', ' ', '~') }), (path) => {
        try {
          for (const name of toSegments(['in', 'here'], path)) {
            expect(name).to.not.be.oneOf(['', '.', '..']);
            expect(name).to.not.include('/');
          }
        } catch (error) {
          if (!(error instanceof InvalidPath)) throw error;
        }
      }),
    );
  });

  it('toPath() writes what toSegments() reads', () => {
    expect(toPath([])).to.equal('/');
    expect(toSegments([], toPath(['a', 'b c']))).to.deep.equal(['a', 'b c']);
  });
});

describe('errorOfSystem()', () => {
  function replyTo(code: string): [string, number] {
    const error = errorOfSystem(Object.assign(new Error(code), { code }), '/x');
    if (!(error instanceof FTPCmdError)) throw error;
    expect(error.message).to.match(/^\/x: /);
    expect((error.cause as Error).message).to.equal(code); // it was made above
    return [error.code, error.replyCode];
  }

  it('tells the client what the system says', () => {
    expect(replyTo('ENOENT')).to.deep.equal(['ERR_FTP_FILE_NOT_FOUND', 550]);
    expect(replyTo('EEXIST')).to.deep.equal(['ERR_FTP_FILE_EXISTS', 550]);
    expect(replyTo('EACCES')).to.deep.equal(['ERR_FTP_PERMISSION_DENIED', 550]);
    expect(replyTo('ENXIO')).to.deep.equal(['ERR_FTP_PERMISSION_DENIED', 550]);
    expect(replyTo('EISDIR')).to.deep.equal(['ERR_FTP_IS_A_DIRECTORY', 550]);
    expect(replyTo('ENOTDIR')).to.deep.equal(['ERR_FTP_IS_NOT_A_DIRECTORY', 550]);
    expect(replyTo('ENOTEMPTY')).to.deep.equal(['ERR_FTP_DIRECTORY_NOT_EMPTY', 550]);
    expect(replyTo('ENOSPC')).to.deep.equal(['ERR_FTP_STORAGE_EXCEEDED', 552]);
    expect(replyTo('ENAMETOOLONG')).to.deep.equal(['ERR_FTP_FILE_NAME', 553]);
  });

  it('leaves alone what it knows nothing of', () => {
    const [odd, none] = [Object.assign(new Error('odd'), { code: 'EIO' }), 'text'];
    expect(errorOfSystem(odd, 'x')).to.equal(odd);
    expect(errorOfSystem(none, 'x')).to.equal(none);
  });
});
