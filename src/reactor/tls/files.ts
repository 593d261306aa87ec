/** Keys and certificates from files, with errors that name the file. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TLSError } from '../errors.ts';
import { Certificate } from './certificate.ts';
import { KeyPair } from './key-pair.ts';
import { checkDHParameters } from './pem.ts';
import { type TrustRoot, trustRootFromCertificates } from './trust-root.ts';

function reading<T>(what: string, path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new TLSError(`Cannot read ${what} from '${path}': ${detail}`, { cause: error });
  }
}

/** The first private key of a file. @throws {TLSError} */
export function keyFromFile(path: string): KeyPair {
  return reading('a private key', path, () => KeyPair.loadPEM(readFileSync(path)));
}

/** All certificates of a file. @throws {TLSError} */
export function certificatesFromFile(path: string): [Certificate, ...Certificate[]] {
  return reading('certificates', path, () => Certificate.loadAllPEM(readFileSync(path)));
}

/** @throws {TLSError} */
export function dhParametersFromFile(path: string): Buffer {
  return reading('DH parameters', path, () => {
    const pem = readFileSync(path);
    checkDHParameters(pem);
    return pem;
  });
}

/** The certificates of a file, or of the files of a folder whose names end in `.pem`, once each. @throws {TLSError} also when there is none */
export function trustRootFromPath(path: string): TrustRoot {
  const isFolder = reading('certificates', path, () => statSync(path).isDirectory());
  if (!isFolder) return trustRootFromCertificates(certificatesFromFile(path));
  const names = readdirSync(path).filter((name) => name.endsWith('.pem'));
  if (names.length === 0) {
    throw new TLSError(`Cannot read certificates from '${path}': no file in it ends in '.pem'`);
  }
  const found = new Map<string, Certificate>();
  for (const name of names.sort()) {
    for (const each of certificatesFromFile(join(path, name))) found.set(each.digest(), each);
  }
  return trustRootFromCertificates(found.values());
}
