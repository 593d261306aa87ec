/** The examples of the client do what they say. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { HOST, type Listening, nodeServer } from './loopback.ts';

/** What an example prints. */
function run(name: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const command = ['--import', 'tsx/esm', `docs/examples/${name}.ts`, ...args];
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (data: Buffer) => {
      text += data.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(text);
      else reject(new Error(`${name} ended with ${code}`));
    });
  });
}

describe('The examples of the HTTP client', function () {
  this.timeout(30_000);
  let server: Listening;
  let folder = '';
  let url = '';
  const uploaded: Buffer[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'strand-client-example-'));
    server = await nodeServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks);
        const isKnown = request.headers.cookie === 'session=1';
        if (request.url === '/login') {
          response.setHeader('Set-Cookie', 'session=1');
          response.statusCode = body.toString() === 'name=ada&password=pw' ? 200 : 403;
          response.end();
        } else if (request.url === '/items?page=2') {
          response.statusCode = isKnown ? 200 : 403;
          response.end('[{"name":"one"},{"name":"two"}]');
        } else if (request.url === '/items') {
          response.statusCode = isKnown ? 201 : 403;
          response.end(body);
        } else if (request.url === '/moved') {
          response.writeHead(307, { Location: '/file' }).end();
        } else if (request.method === 'PUT') {
          uploaded.push(body);
          response.end('thanks');
        } else {
          response.end(Buffer.alloc(300_000, 'x'));
        }
      });
    });
    url = `http://${HOST}:${server.port}`;
  });

  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  it('http-client.ts logs in, reads and adds', async () => {
    expect(await run('http-client', url)).to.equal('one, two\n201 {"name":"new"}\n');
  });

  it('http-client-download.ts writes a file', async () => {
    const path = join(folder, 'file');
    expect(await run('http-client-download', `${url}/moved`, path)).to.equal(
      `300000 bytes from ${url}/file\n`,
    );
    expect(readFileSync(path).equals(Buffer.alloc(300_000, 'x'))).to.equal(true);
  });

  it('http-client-agents.ts uploads a file, after a redirect', async () => {
    const path = join(folder, 'upload');
    writeFileSync(path, 'All work and no play.');
    expect(await run('http-client-agents', `${url}/moved`, path)).to.equal('200 OK\nthanks\n');
    expect(String(uploaded)).to.equal('All work and no play.');
  });
});
