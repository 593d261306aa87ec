import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { wine } from '../../../support/wine.ts';

describe('explore', function () {
  this.timeout(120_000);
  const windows = wine();
  before(windows.prepare);
  afterEach(() => windows.killPrograms());

  it('runs', async () => {
    const folder = join(windows.scratch, 'Мой сервис é');
    mkdirSync(folder);
    const root = windows.path('src/index.ts').replaceAll('\\', '/');
    writeFileSync(join(folder, 'my app.ts'), `
import { Application, Factory, Protocol, TCPServer } from ${JSON.stringify(`file:///${root}`)};
class Echo extends Protocol { override dataReceived(data: Buffer): void { this.transport.write(data); } }
export const application = new Application('echo');
void new TCPServer(0, Factory.forProtocol(Echo)).setServiceParent(application);
`);
    const run = async (...args: string[]) => {
      const t = Date.now();
      const { code, stdout } = await windows.run('twistd.ts', ['--service', 'my app', ...args], { cwd: folder });
      console.log('$', args.join(' '), '->', code, Date.now() - t, 'ms');
      console.log(stdout);
    };
    await run('doctor');
    await run('install', '--logfile', 'log ä.txt', '--recovery', 'restart/5s', '--description', 'Ein Dienst', '--startup', 'delayed', '--env', 'A=1');
    await run('status', '--json');
    await run('doctor');
    await run('start', '--wait');
    await run('status');
    await run('control', '200');
    await run('pause');
    await run('stop', '--wait', '10');
    await run('logs');
    await run('remove');
    await run('status');
    console.log(readFileSync(join(folder, 'log ä.txt'), 'utf8'));
  });
});
