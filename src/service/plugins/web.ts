/** `twistd web`: serves a folder over HTTP (Twisted: `twist web`). */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  EncodingResourceWrapper,
  File,
  type FileOptions,
  type IResource,
  SecurityHeadersWrapper,
  Site,
} from '../../protocols/http/index.ts';
import { UsageError } from '../errors.ts';
import { service } from '../internet.ts';
import { SSLServer, TCPServer } from '../port-services.ts';
import { MultiService } from '../service.ts';
import { defineOptions } from '../twistd/command-options.ts';

const LINKS = { never: false, inside: 'inside', always: true } as const;

const limit = { type: 'seconds', min: 0.001 } as const;

/** Options of `twistd web`. */
export const Options = defineOptions(
  {
    path: { type: 'string', required: true, value: 'DIR', description: 'folder to serve' },
    port: {
      type: 'port',
      short: 'p',
      description:
        'TCP port to listen on, 0 for any (default: 8080, where nothing else is listened on)',
    },
    interface: {
      type: 'string',
      value: 'ADDRESS',
      default: '',
      description: 'address to listen on; by default all of this machine',
    },
    listen: {
      type: 'string',
      value: 'ENDPOINT',
      repeat: true,
      description: "listen here too, such as 'unix:/run/web.sock' or 'systemd:domain=INET:index=0'",
    },
    https: { type: 'port', description: 'port to listen on with TLS' },
    certificate: {
      type: 'string',
      value: 'FILE',
      description: 'certificate and chain for --https, in PEM',
    },
    privkey: { type: 'string', value: 'FILE', description: 'its private key, in PEM' },
    index: {
      type: 'string',
      value: 'NAME',
      repeat: true,
      description: 'file that stands for its folder (default: index.html, index.htm)',
    },
    ignoreExt: {
      type: 'string',
      value: '.EXT',
      repeat: true,
      description: 'ending that URLs may leave out',
    },
    mimeType: {
      type: 'string',
      value: 'TYPE',
      default: 'application/octet-stream',
      description: 'type of files whose ending says nothing',
    },
    listing: { type: 'flag', description: 'list folders that have no index' },
    hidden: { type: 'flag', description: 'serve names that begin with a dot' },
    links: {
      type: 'string',
      value: 'WHICH',
      choices: ['never', 'inside', 'always'],
      default: 'never',
      description: 'which symbolic links are followed: those to inside the folder, or all',
    },
    gzip: { type: 'flag', description: 'compress answers: Brotli, Zstandard or gzip' },
    precompressed: {
      type: 'flag',
      description: 'send FILE.br, FILE.zst or FILE.gz in place of FILE',
    },
    cacheControl: { type: 'string', value: 'TEXT', description: 'value of Cache-Control' },
    securityHeaders: {
      type: 'flag',
      description: 'set the header fields by which browsers protect a site',
    },
    log: {
      type: 'string',
      value: 'FILE',
      description: 'add a line for each request to this file, - for standard output',
    },
    timeout: { ...limit, description: 'how long a connection may be idle (default: 60)' },
    drainTimeout: {
      type: 'seconds',
      description: 'how long requests may take once it stops (default: 10)',
    },
    maxConnections: {
      type: 'integer',
      min: 1,
      description: 'connections at a time (default: unlimited)',
    },
    maxConnectionsPerPeer: {
      type: 'integer',
      min: 1,
      description: 'connections at a time from one address (default: unlimited)',
    },
  },
  {
    description: 'Serves a folder over HTTP.',
    epilog: 'Example:\n  twistd web --path ./public --port 8080 --listing --gzip',
    check({ path, https, certificate, privkey }) {
      if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
        throw new UsageError(
          `Bad value ${JSON.stringify(path)} of --path: there is no such folder`,
        );
      }
      if (https !== undefined && (certificate === undefined || privkey === undefined)) {
        throw new UsageError('Option --https needs --certificate and --privkey');
      }
      if (https === undefined && (certificate ?? privkey) !== undefined) {
        throw new UsageError('Options --certificate and --privkey are for --https');
      }
    },
  },
);

type WebOptions = InstanceType<typeof Options>;

/** Makes the service. @throws {UsageError} for a certificate that cannot be read */
export function makeService(options: WebOptions): MultiService {
  const { port, https, listen, interface: address } = options;
  const site = siteOf(options);
  const web = new MultiService();
  web.setName('web');
  const add = (child: { setServiceParent(parent: MultiService): unknown }): void => {
    child.setServiceParent(web);
  };
  const alone = https === undefined && listen.length === 0;
  if (port !== undefined || alone) {
    add(new TCPServer(port ?? 8080, site, { interface: address }));
  }
  for (const description of listen) add(service(description, site));
  if (https !== undefined) {
    const context = {
      cert: contentOf('--certificate', options.certificate),
      key: contentOf('--privkey', options.privkey),
    };
    add(new SSLServer(https, site, context, { interface: address }));
  }
  return web;
}

function siteOf(options: WebOptions): Site {
  const { log, timeout, drainTimeout, maxConnections, maxConnectionsPerPeer } = options;
  return new Site(resourceOf(options), {
    ...(timeout === undefined ? {} : { timeout }),
    ...(drainTimeout === undefined ? {} : { drainTimeout }),
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(maxConnectionsPerPeer === undefined ? {} : { maxConnectionsPerPeer }),
    ...(log === '-'
      ? { logFile: process.stdout }
      : log === undefined
        ? {}
        : { logPath: resolve(log) }),
  });
}

function resourceOf(options: WebOptions): IResource {
  const files: FileOptions = {
    defaultType: options.mimeType,
    indexNames: options.index.length > 0 ? options.index : undefined,
    ignoredExts: options.ignoreExt,
    listing: options.listing,
    hidden: options.hidden,
    followSymlinks: LINKS[options.links],
    precompressed: options.precompressed,
    cacheControl: options.cacheControl,
  };
  let resource: IResource = new File(resolve(options.path), files);
  if (options.gzip) resource = new EncodingResourceWrapper(resource);
  if (options.securityHeaders) resource = new SecurityHeadersWrapper(resource);
  return resource;
}

function contentOf(option: string, file = ''): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Bad value ${JSON.stringify(file)} of ${option}: ${why}`, { cause });
  }
}
