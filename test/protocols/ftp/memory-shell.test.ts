import { expect } from 'chai';
import { MemoryShell } from '../../../src/protocols/ftp/index.ts';
import {
  facts,
  failure,
  itCanBeChanged,
  itIsAShell,
  names,
  read,
  upload,
  write,
} from './shell-contract.ts';

function make(): MemoryShell {
  return new MemoryShell({ '/file': 'content', '/folder/inner': Buffer.from('in'), '/empty/': '' });
}

describe('MemoryShell', () => {
  itIsAShell(make);
  itCanBeChanged(make);

  it('makes the folders on the way to its contents', async () => {
    const shell = new MemoryShell({ '/a/b/c': 'x', '/a/d/': '' });
    expect(await names(shell, '/a')).to.deep.equal(['b', 'd']);
    expect(shell.contents('/a/b/c')?.toString()).to.equal('x');
    expect(shell.contents('/a/b')).to.equal(null);
    expect(shell.contents('/none')).to.equal(null);
  });

  it('tells the time by the clock that it is given', async () => {
    let now = 5;
    const shell = new MemoryShell({ '/a': '' }, { now: () => now });
    now = 9;
    await write(shell, '/b', 'x');
    expect(await facts(shell, '/a', ['modified'])).to.deep.equal([5]);
    expect(await facts(shell, '/b', ['modified'])).to.deep.equal([9]);
    expect(await facts(shell, '/', ['modified'])).to.deep.equal([9]);
  });

  it('permits what it was told to', () => {
    const shell = new MemoryShell({}, { permissions: 'el' });
    expect(shell.permits('l', [])).to.equal(true);
    expect(shell.permits('w', ['x'])).to.equal(false);
  });

  it('stores no more than its quota, and then what was there is as it was', async () => {
    const shell = new MemoryShell({ '/a': '12345' }, { quota: { maxBytes: 10 } });
    const { file, receiver, log } = await upload(shell, '/a');
    receiver.write('123');
    receiver.write('456');
    expect(log).to.deep.equal(['stop']);
    receiver.write('late');
    expect(await failure(() => file.close())).to.equal('ERR_FTP_STORAGE_EXCEEDED');
    expect(await read(shell, '/a')).to.equal('12345');
    await write(shell, '/b', '12345');
    expect(await failure(() => write(shell, '/c', '1'))).to.equal('ERR_FTP_STORAGE_EXCEEDED');
    await shell.removeFile(['b']);
    await write(shell, '/c', '54321');
  });

  it('sends large files in pieces', async () => {
    const shell = new MemoryShell({ '/a': Buffer.alloc(1_000_000, 'x') });
    expect(await read(shell, '/a')).to.have.lengthOf(1_000_000);
  });
});
