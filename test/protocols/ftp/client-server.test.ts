/** The client with this package's server: in clear, under TLS, both IP versions, whoever connects for data. */
import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import {
  type ConnectFTPOptions,
  connectFTP,
  type FTPClient,
  type FTPFactoryOptions,
} from '../../../src/protocols/ftp/index.ts';
import { certificates } from '../../support/certificates.ts';
import { Served } from './control.ts';

interface Case {
  readonly title: string;
  readonly host: string;
  readonly server: FTPFactoryOptions;
  readonly client: ConnectFTPOptions;
  readonly implicit?: true;
}

const server = { tls: certificates().server };
const trust = { ca: certificates().ca.cert };
const secure = { security: 'explicit', tls: trust } as const;

const CASES: readonly Case[] = [
  { title: 'in clear', host: '127.0.0.1', server: {}, client: {} },
  { title: 'over IPv6', host: '::1', server: {}, client: {} },
  {
    title: 'with the server connecting',
    host: '127.0.0.1',
    server: {},
    client: { passive: false },
  },
  {
    title: 'with the server connecting over IPv6',
    host: '::1',
    server: {},
    client: { passive: false },
  },
  {
    title: 'under TLS that is demanded',
    host: '127.0.0.1',
    server: { ...server, requireTLS: true, requireDataTLS: true },
    client: secure,
  },
  { title: 'compressed', host: '127.0.0.1', server: { modeZ: true }, client: { modeZ: true } },
  { title: 'not compressed after all', host: '127.0.0.1', server: {}, client: { modeZ: true } },
  {
    title: 'compressed under TLS',
    host: '127.0.0.1',
    server: { ...server, requireTLS: true, modeZ: true },
    client: { ...secure, modeZ: true },
  },
  {
    title: 'under TLS with the server connecting',
    host: '127.0.0.1',
    server,
    client: { ...secure, passive: false },
  },
  {
    title: 'under TLS 1.2 with its session demanded for data',
    host: '127.0.0.1',
    server: { tls: { ...server.tls, maxVersion: 'TLSv1.2' }, requireSessionReuse: true },
    client: secure,
  },
  {
    title: 'under TLS 1.3 with its session demanded for data',
    host: '127.0.0.1',
    server: { ...server, requireSessionReuse: true },
    client: secure,
  },
  {
    title: 'under TLS from the first byte, with its session demanded for data',
    host: '127.0.0.1',
    server: { ...server, requireTLS: true, requireDataTLS: true, requireSessionReuse: true },
    client: { security: 'implicit', tls: trust },
    implicit: true,
  },
  {
    title: 'under TLS from the first byte, with the server connecting',
    host: '127.0.0.1',
    server: { ...server, requireTLS: true, requireDataTLS: true },
    client: { security: 'implicit', tls: trust, passive: false },
    implicit: true,
  },
];

for (const { title, host, server: serverOptions, client: clientOptions, implicit } of CASES) {
  describe(`FTPClient and FTPFactory, ${title}`, () => {
    let served: Served;
    let client: FTPClient;

    beforeEach(async () => {
      served = new Served(
        serverOptions,
        { '/pub': null, '/pub/digits': '0123456789' },
        host,
        implicit,
      );
      const { port } = served;
      client = await connectFTP(host, {
        port,
        username: 'alice',
        password: 'wonder',
        timeout: 10,
        ...clientOptions,
      });
    });

    afterEach(async () => {
      await client.quit();
      await served.stop();
    });

    it('moves bytes both ways, and lists them', async () => {
      const bytes = randomBytes(500_000);
      expect(await client.upload(bytes, '/pub/new')).to.equal(bytes.length);
      expect(served.shell.files.get('/pub/new')?.equals(bytes)).to.equal(true);
      const stream = new PassThrough();
      const pieces: Buffer[] = [];
      stream.on('data', (data: Buffer) => pieces.push(data));
      expect(await client.download('/pub/new', stream, { offset: 100 })).to.equal(499_900);
      expect(Buffer.concat(pieces).equals(bytes.subarray(100))).to.equal(true);
      const files = await client.files('/pub');
      expect(files.map(({ name, size }) => [name, size]).sort()).to.deep.equal([
        ['digits', 10],
        ['new', 500_000],
      ]);
    });
  });
}
