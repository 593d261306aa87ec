import { once } from 'node:events';
import { expect } from 'chai';
import type { FTPEvent } from '../../../src/protocols/ftp/index.ts';
import { acceptor, Control, collect, Served } from './control.ts';
import { MODIFIED } from './fake-shell.ts';

const FILES = { '/a.txt': 'hello\nworld\n', '/sub': null, '/sub/b.bin': Buffer.alloc(300_000, 7) };

describe('FTP', () => {
  let served: Served;
  let client: Control;
  afterEach(async () => {
    client?.close();
    await served.stop();
  });

  async function begin(...args: ConstructorParameters<typeof Served>): Promise<void> {
    served = new Served(...args);
    client = await Control.open(served.port);
  }

  describe('login', () => {
    it('greets, takes user and password, and says goodbye', async () => {
      await begin({ welcomeMessage: 'Hi\nthere' });
      expect(await client.reply()).to.equal('220-Hi\r\n220 there');
      expect(await client.say('USER alice')).to.equal('331 Password required for alice.');
      expect(await client.say('PASS wonder')).to.equal('230 User logged in, proceed.');
      expect(await client.say('QUIT')).to.equal('221 Goodbye.');
      expect(await client.reply()).to.equal('');
      expect(served.logouts).to.equal(1);
    });

    it('answers every user alike before the password', async () => {
      await begin();
      await client.reply();
      expect(await client.say('USER nobody')).to.equal('331 Password required for nobody.');
      expect(await client.say('PASS x')).to.equal('530 Sorry, Authentication failed.');
    });

    it('takes anonymous and ftp without a password that matters, in any case', async () => {
      await begin();
      await client.reply();
      for (const user of ['anonymous', 'Ftp', 'ANONYMOUS']) {
        expect(await client.say(`USER ${user}`)).to.match(/^331 Guest/);
        expect(await client.say('PASS me@example.org')).to.match(/^230 Anonymous/);
      }
      expect(served.logouts).to.equal(2);
    });

    it('knows no anonymous users when they are not allowed', async () => {
      await begin({ allowAnonymous: false });
      await client.reply();
      expect(await client.say('USER anonymous')).to.match(/^331 Password/);
      expect(await client.say('PASS x')).to.match(/^530/);
    });

    it('hangs up after three failures', async () => {
      await begin();
      await client.reply();
      for (let time = 0; time < 2; time++) {
        await client.say('USER alice');
        expect(await client.say('PASS x')).to.match(/^530/);
      }
      await client.say('USER alice');
      expect(await client.say('PASS x')).to.match(/^421 Too many failed logins/);
      expect(await client.reply()).to.equal('');
    });

    it('refuses an address unseen that has failed too often, over several connections', async () => {
      await begin({ maxPeerLoginFailures: 2 });
      await client.reply();
      for (let time = 0; time < 2; time++) {
        await client.say('USER alice');
        await client.say('PASS x');
      }
      const other = await Control.open(served.port);
      await other.reply();
      await other.say('USER alice');
      expect(await other.say('PASS wonder')).to.match(/^530/);
      other.close();
    });

    it('takes no password before a user, and no two', async () => {
      await begin();
      await client.reply();
      expect(await client.say('PASS x')).to.match(/^503/);
      await client.say('USER alice');
      await client.say('PASS wonder');
      expect(await client.say('PASS wonder')).to.match(/^503/);
    });

    it('needs a login for what is about files', async () => {
      await begin();
      await client.reply();
      const { commands } = served.factory;
      const needing = [...commands].filter(([, row]) => row.login).map(([name]) => name);
      expect(needing).to.include.members([
        'LIST',
        'RETR',
        'STOR',
        'DELE',
        'SITE',
        'STAT',
        'PASV',
        'XMKD',
      ]);
      for (const name of needing) {
        expect(await client.say(`${name} x`), name).to.match(/^530 Please login/);
      }
    });

    it('begins anew at REIN', async () => {
      await begin({}, FILES);
      await client.login();
      await client.say('CWD sub');
      expect(await client.say('REIN')).to.match(/^220/);
      expect(await client.say('PWD')).to.match(/^530/);
      expect(served.logouts).to.equal(1);
    });

    it('tells more clients than there is place for, and those of one address, to come again', async () => {
      await begin({ maxSessionsPerPeer: 2 });
      await client.reply();
      const second = await Control.open(served.port);
      await second.reply();
      const third = await Control.open(served.port);
      expect(await third.reply()).to.match(/^421 Too many sessions from your address/);
      expect(await third.reply()).to.equal('');
      second.close();
      await once(second.socket, 'close');
    });

    it('takes no more sessions of one user than it may', async () => {
      await begin({ maxSessionsPerUser: 1 });
      await client.login();
      const second = await Control.open(served.port);
      await second.reply();
      await second.say('USER alice');
      expect(await second.say('PASS wonder')).to.match(/^530 Too many sessions/);
      await second.say('USER bob');
      expect(await second.say('PASS builder')).to.match(/^230/);
      second.close();
    });
  });

  describe('commands', () => {
    beforeEach(async () => {
      await begin({}, FILES);
      await client.login();
    });

    const table: Array<[command: string, reply: RegExp]> = [
      ['PWD', /^257 "\/" is the current directory\.$/],
      ['XPWD', /^257/],
      ['pwd', /^257/],
      ['CWD sub', /^250 "\/sub" is the current directory\.$/],
      ['CWD /nowhere', /^550 nowhere: No such file or directory$/],
      ['CWD ..', /^550 \.\.: No such file or directory\.$/],
      ['CWD a.txt', /^550/],
      ['CDUP', /^250 "\/"/],
      ['SYST', /^215 UNIX Type: L8$/],
      ['NOOP', /^200/],
      ['NOOP x', /^200/],
      ['TYPE A', /^200/],
      ['TYPE A N', /^200/],
      ['TYPE L 8', /^200/],
      ['TYPE E', /^504/],
      ['TYPE X', /^501/],
      ['TYPE', /^501/],
      ['STRU F', /^200/],
      ['STRU R', /^504/],
      ['MODE S', /^200/],
      ['MODE Z', /^504/],
      ['MODE ?', /^501/],
      ['ALLO 100', /^202/],
      ['ALLO x', /^501/],
      ['ACCT x', /^202/],
      ['MKD new', /^257 "\/new" directory created\.$/],
      ['MKD sub', /^550/],
      ['MKD a"b', /^257 "\/a""b"/],
      ['RMD sub', /^250/],
      ['RMD /', /^550/],
      ['RMD nowhere', /^550/],
      ['DELE a.txt', /^250/],
      ['DELE sub', /^550 \/sub: Is a directory$/],
      ['RNTO x', /^503/],
      ['RNFR nowhere', /^550/],
      ['RNFR /', /^550/],
      ['SIZE a.txt', /^550 SIZE is not allowed in ASCII/],
      ['MDTM a.txt', /^213 20200203040506$/],
      ['MDTM nowhere', /^550/],
      ['MFMT 20200101000000 a.txt', /^213 Modify=20200101000000; a\.txt$/],
      ['MFMT 20201301000000 a.txt', /^501/],
      ['MFMT 20200101000000', /^501/],
      [
        'MLST a.txt',
        /^250-Listing a\.txt\r\n type=file;size=12;modify=20200203040506;perm=adfrw;unique=1; \/a\.txt\r\n250 End MLST\.$/,
      ],
      ['MLST', /\r\n type=dir;modify=20200203040506;perm=cdeflmp;unique=1; \/\r\n/],
      ['OPTS MLST size;type;bogus;', /^200 MLST OPTS type;size;$/],
      ['OPTS UTF8 ON', /^200/],
      ['OPTS UTF8 OFF', /^504/],
      ['OPTS X', /^501/],
      ['SITE CHMOD 600 a.txt', /^200/],
      ['SITE CHMOD 999 a.txt', /^501/],
      ['SITE HELP', /^214-/],
      ['SITE EXEC rm', /^500/],
      ['SITE UTIME 20200101000000 a.txt', /^200/],
      ['SITE UTIME 202001010000 a.txt', /^200/],
      ['SITE UTIME a.txt 20200101000000 20200101000000 20200101000000 UTC', /^200/],
      ['SITE UTIME 20201301000000 a.txt', /^501/],
      ['SITE UTIME 20200101000000 nowhere', /^550/],
      ['SITE CPFR nowhere', /^550/],
      ['SITE CPFR sub', /^501/],
      ['SITE CPFR', /^501/],
      ['SITE CPTO x', /^503/],
      [
        'MFF Modify=20200101000000;UNIX.mode=0600; a.txt',
        /^213 Modify=.*;UNIX\.mode=0600; a\.txt$/,
      ],
      ['MFF modify=20201301000000; a.txt', /^501/],
      ['MFF unix.mode=9; a.txt', /^501/],
      ['MFF size=1; a.txt', /^504/],
      ['MFF a.txt', /^501/],
      ['MFF modify=20200101000000; nowhere', /^550/],
      ['RANG 1 2', /^501 Ranges are not allowed in ASCII/],
      ['RANG 2 1', /^501/],
      ['RANG x', /^501/],
      ['LANG', /^200/],
      ['LANG en-US', /^200/],
      ['LANG fr', /^504/],
      ['CSID Name=me; Version=1;', /^200 Name=Strand;/],
      ['HASH a.txt', /^213 SHA-256 0-11 sha256-12 a\.txt$/],
      ['XMD5 a.txt', /^250 MD5-12$/],
      ['XCRC "a.txt" 2 5', /^250 CRC32-3$/],
      ['OPTS HASH MD5', /^200 md5$/],
      ['OPTS HASH ROT13', /^504/],
      ['REST 100', /^501 Resuming transfers is not allowed in ASCII/],
      ['REST x', /^501/],
      ['REST -1', /^501/],
      ['RETR a.txt', /^425 Use PASV/],
      ['STOR a.txt', /^425 Use PASV/],
      ['LIST', /^425 Use PASV/],
      ['ABOR', /^225 No transfer/],
      ['HELP', /^214-[\s\S]*\bRETR\b/],
      ['HELP retr', /^214 Syntax: RETR <SP> path$/],
      ['HELP x', /^501/],
      ['STAT', /^211-[\s\S]*Logged in as alice[\s\S]*211 End/],
      ['STAT sub', /^213-[\s\S]*b\.bin\r\n213 End/],
      ['STAT *.txt', /^213-[\s\S]*a\.txt\r\n213 End/],
      ['PWD x', /^501/],
      ['XYZZY', /^500 XYZZY not understood\.$/],
      // A letter whose capital is an S.
      ['\u017fIZE a.txt', /^500 /],
      ['sIzE a.txt', /^(?:213|550) /],
      ['', /^500 Command expected\.$/],
      ['CLNT me', /^200/],
      ['HOST example.org', /^503/],
      ['AUTH TLS', /^502/],
      ['PBSZ 0', /^503/],
      ['PROT P', /^503/],
      ['CCC', /^503/],
      ['PORT 127,0,0,1,1', /^501/],
      ['PORT 127,0,0,1,256,1', /^501/],
      ['EPRT |3|x|1|', /^522/],
      ['EPRT |1|127.0.0.1|0|', /^501/],
      ['EPRT |2|::1|2000|', /^522/],
      ['EPSV 2', /^522/],
      ['EPSV x', /^501/],
    ];
    for (const [command, reply] of table) {
      it(`answers ${JSON.stringify(command)} with ${reply}`, async () => {
        expect(await client.say(command)).to.match(reply);
        expect(await client.say('NOOP')).to.match(/^200/);
      });
    }

    it('copies, unless the user may not write there', async () => {
      expect(await client.say('SITE CPFR a.txt')).to.match(/^350/);
      expect(await client.say('SITE CPTO sub/copy')).to.match(/^250/);
      expect(String(served.shell.files.get('/sub/copy'))).to.equal('hello\nworld\n');
      expect(await client.say('SITE CPTO sub/copy')).to.match(/^503/);
      await client.say('SITE CPFR a.txt');
      served.shell.denied = 'w';
      expect(await client.say('SITE CPTO sub/other')).to.match(/^550/);
    });

    it('renames, unless something comes between', async () => {
      expect(await client.say('RNFR a.txt')).to.match(/^350/);
      expect(await client.say('RNTO sub/c.txt')).to.match(/^250/);
      expect(served.shell.files.has('/sub/c.txt')).to.equal(true);
      await client.say('RNFR sub/c.txt');
      await client.say('NOOP');
      expect(await client.say('RNTO d')).to.match(/^503/);
    });

    it('says the size of files in Image type', async () => {
      await client.say('TYPE I');
      expect(await client.say('SIZE /a.txt')).to.equal('213 12');
      expect(await client.say('SIZE sub')).to.match(/^550/);
    });

    it('tells in FEAT what there is, no more and no less', async () => {
      const lines = (await client.say('FEAT')).split('\r\n');
      expect(lines[0]).to.equal('211-Features supported:');
      expect(lines.at(-1)).to.equal('211 End FEAT.');
      const told = lines.slice(1, -1);
      expect(told).to.include.members([
        ' EPRT',
        ' EPSV',
        ' MDTM',
        ' REST STREAM',
        ' SIZE',
        ' UTF8',
        ' TVFS',
      ]);
      expect(told).to.include(
        ' MLST type*;size*;modify*;perm*;unique*;unix.mode;unix.owner;unix.group;',
      );
      expect(told).to.include(' HASH CRC32;MD5;SHA-1;SHA-256*;SHA-512');
      expect(told.join()).not.to.contain('TLS');
      served.factory.commands.delete('MFMT');
      expect(await client.say('FEAT')).not.to.contain('MFMT');
      expect(await client.say('MFMT 20200101000000 a.txt')).to.match(/^500/);
    });

    it('refuses what the user may not do', async () => {
      served.shell.denied = 'elradfmwMT';
      for (const command of [
        ...['SITE UTIME 20200101000000 a.txt', 'SITE CPFR a.txt', 'MFF unix.mode=600; a.txt'],
        'MFF modify=20200101000000; a.txt',
        ...['CWD sub', 'MKD x', 'RMD sub', 'DELE a.txt', 'RNFR a.txt', 'MLST a.txt', 'MDTM a.txt'],
        ...[
          'SITE CHMOD 600 a.txt',
          'MFMT 20200101000000 a.txt',
          'STAT sub',
          'HASH a.txt',
          'XMD5 a.txt',
        ],
      ]) {
        expect(await client.say(command), command).to.match(/^550 .*: Permission denied$/);
      }
      for (const command of [
        'RETR a.txt',
        'STOR x',
        'APPE a.txt',
        'STOU x',
        'LIST',
        'NLST',
        'MLSD',
      ]) {
        const [first] = await client.fetch(command);
        expect(first, command).to.match(/^550 .*: Permission denied$/);
      }
    });

    it('answers 451 to what goes wrong unexpectedly, and tells no more', async () => {
      const { setUnhandledFailureHandler } = await import('../../../src/deferred/index.ts');
      const before = setUnhandledFailureHandler(() => {});
      served.shell.makeDirectory = async () => {
        throw new Error('the database is on fire');
      };
      const reply = await client.say('MKD x');
      setUnhandledFailureHandler(before);
      expect(reply).to.equal('451 Requested action aborted: local error in processing.');
    });
  });

  describe('transfers', () => {
    let events: FTPEvent[];
    beforeEach(async () => {
      events = [];
      await begin({ onEvent: (event) => events.push(event) }, FILES);
      await client.login();
      await client.say('TYPE I');
    });

    it('sends a file', async () => {
      const [first, data, last] = await client.fetch('RETR sub/b.bin');
      expect(first).to.match(/^125 .*\/sub\/b\.bin\.$/);
      expect(data).to.have.length(300_000);
      expect(last).to.equal('226 Transfer complete.');
      expect(events.map(({ type }) => type)).to.deep.equal([
        'connected',
        'login',
        'transfer-started',
        'transfer-finished',
      ]);
      expect(events.at(-1)).to.include({
        kind: 'download',
        path: '/sub/b.bin',
        bytes: 300_000,
        user: 'alice',
        peer: '127.0.0.1',
      });
    });

    it('says 150 to who connects after the command', async () => {
      const reply = await client.say('EPSV');
      const port = /^229 .*\(\|\|\|(\d+)\|\)$/.exec(reply)?.[1];
      expect(await client.say('RETR a.txt')).to.match(/^150 /);
      const { connect } = await import('node:net');
      expect(String(await collect(connect(Number(port), '127.0.0.1')))).to.equal('hello\nworld\n');
      expect(await client.reply()).to.match(/^226/);
    });

    it('connects to clients that say where, by PORT and EPRT', async () => {
      for (const [verb, address] of [
        ['PORT', (port: number) => `127,0,0,1,${port >> 8},${port & 255}`],
        ['EPRT', (port: number) => `|1|127.0.0.1|${port}|`],
      ] as const) {
        const { server, port, next } = await acceptor();
        expect(await client.say(`${verb} ${address(port)}`)).to.match(/^200/);
        client.send('RETR a.txt');
        const data = await collect(await next());
        expect(String(data)).to.equal('hello\nworld\n');
        expect(await client.reply()).to.match(/^150/);
        expect(await client.reply()).to.match(/^226/);
        server.close();
      }
    });

    it('takes a file, and says so once it is in its place', async () => {
      const data = Buffer.alloc(1_000_000, 'x');
      expect(await client.put('STOR new.bin', data)).to.equal('226 Transfer complete.');
      expect(served.shell.files.get('/new.bin')?.equals(data)).to.equal(true);
      expect(served.shell.aborted).to.equal(0);
    });

    it('converts line ends in ASCII type', async () => {
      await client.say('TYPE A');
      served.shell.piece = 1;
      const [, data] = await client.fetch('RETR a.txt');
      expect(data).to.equal('hello\r\nworld\r\n');
      await client.put('STOR b.txt', 'one\r\ntwo\r\rthree\r\n\r');
      expect(String(served.shell.files.get('/b.txt'))).to.equal('one\ntwo\r\rthree\n\r');
    });

    it('resumes downloads and uploads by REST, appends by APPE', async () => {
      expect(await client.say('REST 6')).to.match(/^350/);
      expect((await client.fetch('RETR a.txt'))[1]).to.equal('world\n');
      expect((await client.fetch('RETR a.txt'))[1]).to.equal('hello\nworld\n');
      await client.say('REST 5');
      await client.put('STOR a.txt', '!');
      expect(String(served.shell.files.get('/a.txt'))).to.equal('hello!');
      await client.put('APPE a.txt', '?');
      expect(String(served.shell.files.get('/a.txt'))).to.equal('hello!?');
    });

    it('has no ranges of files whose shell knows of none', async () => {
      await client.say('TYPE I');
      expect(await client.say('RANG 0 1')).to.match(/^350/);
      const socket = await client.passive();
      expect(await client.say('RETR a.txt')).to.match(/^504/);
      socket.destroy();
    });

    it('gives a file a name of its own by STOU', async () => {
      const socket = await client.passive();
      expect(await client.say('STOU a.txt')).to.match(/^125 .*FILE: a\.txt\.1\./);
      socket.end('x');
      expect(await client.reply()).to.match(/^226 .*unique file name: \/a\.txt\.1/);
    });

    it('lists as ls does, as names, and as facts', async () => {
      const [, long] = await client.fetch('LIST -la');
      expect(long).to.equal(
        '-rw-r--r--    1 me       us                  12 Feb 03  2020 a.txt\r\n' +
          'drwxr-xr-x    1 me       us                   0 Feb 03  2020 sub\r\n',
      );
      expect((await client.fetch('NLST'))[1]).to.equal('a.txt\r\nsub\r\n');
      expect((await client.fetch('NLST *.txt'))[1]).to.equal('a.txt\r\n');
      expect((await client.fetch('LIST s*'))[1]).to.match(/ sub\r\n$/);
      expect(await client.fetch('NLST nothing')).to.deep.include.members([
        '',
        '226 Transfer complete.',
      ]);
      await client.say('OPTS MLST type;');
      expect((await client.fetch('MLSD'))[1]).to.equal('type=file; a.txt\r\ntype=dir; sub\r\n');
      expect((await client.fetch('MLSD a.txt'))[0]).to.match(/^501/);
      expect((await client.fetch('LIST nowhere'))[0]).to.match(/^550/);
      expect(MODIFIED).to.equal(1580702706);
    });

    it('lists no names that could end their line', async () => {
      served.shell.files.set('/evil\r\n226 done', Buffer.from(''));
      expect((await client.fetch('NLST'))[1]).to.equal('a.txt\r\nsub\r\n');
    });

    it('stays with the client while a transfer goes on: STAT at once, the rest in turn', async () => {
      served.shell.files.set('/big', Buffer.alloc(30_000_000));
      const socket = await client.passive();
      socket.pause();
      expect(await client.say('RETR big')).to.match(/^125/);
      client.send('NOOP');
      expect(await client.say('STAT')).to.match(
        /^211-[\s\S]*Transfer under way: download of \/big/,
      );
      const data = collect(socket);
      socket.resume();
      expect((await data).length).to.equal(30_000_000);
      expect(await client.reply()).to.match(/^226/);
      expect(await client.reply()).to.match(/^200 NOOP/);
    });

    it("breaks a transfer off at ABOR, with or without Telnet's signals", async () => {
      served.shell.files.set('/big', Buffer.alloc(30_000_000));
      for (const prefix of ['', '\xff\xf4\xff\xf2', '\xf2', '\xff\xf4\xf2']) {
        const socket = await client.passive();
        socket.on('error', () => {});
        socket.pause();
        expect(await client.say('RETR big')).to.match(/^125/);
        client.socket.write(Buffer.from(`${prefix}ABOR\r\n`, 'latin1'));
        expect(await client.reply()).to.equal('426 Transfer aborted.');
        expect(await client.reply()).to.equal('226 ABOR command successful.');
        socket.destroy();
      }
      expect(await client.say('NOOP')).to.match(/^200/);
    });

    it('gives up at ABOR what was to come', async () => {
      const socket = await client.passive();
      const closed = new Promise((resolve) => socket.on('close', resolve));
      socket.resume().on('error', () => {});
      expect(await client.say('ABOR')).to.match(/^225 ABOR/);
      await closed;
      expect(await client.say('RETR a.txt')).to.match(/^425/);
    });

    it('counts what it has done', async () => {
      await client.fetch('RETR a.txt');
      await client.fetch('LIST');
      await client.put('STOR new', '12345');
      const broken = await client.passive();
      await client.say('STOR other');
      broken.write('xyz');
      broken.resetAndDestroy();
      expect(await client.reply()).to.match(/^426/);
      const numbers = Object.fromEntries(
        served.factory
          .measurements()
          .map(({ name, labels = {}, value }) => [
            [name, ...Object.values(labels)].join(' '),
            value,
          ]),
      );
      expect(numbers).to.include({
        strand_ftp_sessions: 1,
        'strand_ftp_logins_total ok': 1,
        'strand_ftp_logins_total failed': 0,
        'strand_ftp_transfers_total download ok': 1,
        'strand_ftp_transfers_total listing ok': 1,
        'strand_ftp_transfers_total upload ok': 1,
        'strand_ftp_transfers_total upload failed': 1,
        'strand_ftp_transfers_total download failed': 0,
      });
      expect(numbers['strand_ftp_bytes_total download']).to.equal(12);
      expect(numbers['strand_ftp_bytes_total upload']).to.be.within(5, 8);
    });

    it('lets a transfer end at QUIT', async () => {
      const socket = await client.passive();
      await client.say('STOR late');
      client.send('QUIT');
      socket.end('all of it');
      expect(await client.reply()).to.match(/^226/);
      expect(await client.reply()).to.match(/^221/);
      expect(String(served.shell.files.get('/late'))).to.equal('all of it');
    });

    it('throws away an upload that breaks off, and keeps what was there', async () => {
      const socket = await client.passive();
      await client.say('STOR a.txt');
      socket.write('half of i');
      socket.resetAndDestroy();
      expect(await client.reply()).to.match(/^426/);
      expect(served.shell.aborted).to.equal(1);
      expect(String(served.shell.files.get('/a.txt'))).to.equal('hello\nworld\n');
      expect(events.at(-1)).to.include({ type: 'transfer-failed', kind: 'upload' });
    });

    it('throws away an upload whose client goes altogether', async () => {
      const socket = await client.passive();
      await client.say('STOR a.txt');
      socket.resume().on('error', () => {});
      const gone = new Promise<void>((resolve) => {
        served.factory.events$.subscribe(({ type }) => {
          if (type === 'transfer-failed') queueMicrotask(() => setImmediate(resolve));
        });
      });
      client.close();
      await gone;
      expect(served.shell.aborted).to.equal(1);
      expect(served.logouts).to.equal(1);
    });
  });
});
