/** Servers on loopback that say what a test tells them to, and a client's way to them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import {
  createServer as createHTTP,
  type Server as HTTPServer,
  type RequestListener,
} from 'node:http';
import { createServer as createHTTPS } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificates, type KeyAndCert } from '../../support/certificates.ts';

export const HOST = '127.0.0.1';

/** Something that listens. */
export interface Listening {
  readonly port: number;
  close(): Promise<void>;
}

function listen(server: Server | HTTPServer): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  return new Promise((resolve) => {
    server.listen(0, HOST, () => {
      resolve({
        port: (server.address() as AddressInfo).port, // it listens on a port
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            for (const socket of sockets) socket.destroy();
          }),
      });
    });
  });
}

/** A server that has a way of its own with each connection. */
export function rawServer(talk: (socket: Socket) => void): Promise<Listening> {
  return listen(createServer(talk));
}

/** A server that answers each request, once its head is complete, with these pieces, one write each. */
export function scriptedServer(answer: (request: string) => readonly string[]): Promise<Listening> {
  return rawServer((socket) => {
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const request = text.slice(0, end + 4);
        text = text.slice(end + 4);
        for (const piece of answer(request)) socket.write(piece, 'latin1');
      }
    });
  });
}

export function nodeServer(listener: RequestListener): Promise<Listening> {
  return listen(createHTTP(listener));
}

/** @param protocols for ALPN */
export function nodeTLSServer(
  identity: KeyAndCert,
  listener: RequestListener,
  protocols: readonly string[] = ['http/1.1'],
): Promise<Listening> {
  return listen(createHTTPS({ ...identity, ALPNProtocols: [...protocols] }, listener));
}

/** Why nginx cannot be started; null if it can. */
export function nginxMissing(): string | null {
  return spawnSync('nginx', ['-v']).status === 0 ? null : 'install nginx';
}

async function freePort(): Promise<number> {
  const { port, close } = await rawServer(() => {});
  await close();
  return port;
}

/** nginx, with a folder of files, a page that redirects, one that is compressed, and TLS. */
export class Nginx {
  readonly folder: string;
  readonly port: number;
  readonly securePort: number;
  readonly #settings: string;

  private constructor(folder: string, port: number, securePort: number) {
    this.folder = folder;
    this.port = port;
    this.securePort = securePort;
    this.#settings = join(folder, 'nginx.conf');
  }

  static async start(): Promise<Nginx> {
    const folder = mkdtempSync(join(tmpdir(), 'strand-nginx-'));
    const nginx = new Nginx(folder, await freePort(), await freePort());
    mkdirSync(join(folder, 'files'));
    mkdirSync(join(folder, 'temporary'));
    const { server } = certificates();
    writeFileSync(join(folder, 'key.pem'), server.key);
    writeFileSync(join(folder, 'cert.pem'), server.cert);
    const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    const temporary = kinds.map((kind) => `${kind}_temp_path ${folder}/temporary;`).join('\n');
    // Without `user`: as root it would run as somebody who may not read the folder.
    writeFileSync(
      nginx.#settings,
      `daemon on; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/error.log crit;
events { worker_connections 64; }
http {
  access_log off; types { text/plain txt; } default_type application/octet-stream; ${temporary}
  gzip on; gzip_min_length 10; gzip_types text/plain;
  client_max_body_size 100k; large_client_header_buffers 4 8k;
  server {
    listen ${HOST}:${nginx.port};
    listen ${HOST}:${nginx.securePort} ssl;
    ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
    keepalive_timeout 30; lingering_timeout 1;
    location / { root ${folder}/files; }
    location /moved/ { return 302 /a.txt; }
    location /loop { return 301 /loop; }
    location /post { return 200 "$request_method $content_length $http_transfer_encoding"; }
    location /empty { return 204; }
  }
}`,
    );
    // It comes back once it listens.
    execFileSync('nginx', ['-c', nginx.#settings], { stdio: 'ignore' });
    return nginx;
  }

  stop(): void {
    const pid = Number(readFileSync(join(this.folder, 'nginx.pid'), 'utf8'));
    process.kill(pid, 'SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
