import { expect } from 'chai';
import {
  Clock,
  IPv4Address,
  IPv6Address,
  type Measurement,
  UNIXAddress,
} from '../../src/reactor/index.ts';
import { adminEndpoint, isPrivate } from '../../src/service/admin/admin.ts';
import { prometheusText } from '../../src/service/admin/prometheus.ts';
import { Reporter } from '../../src/service/admin/report.ts';
import { capturedLogs, MultiService, Service } from '../../src/service/index.ts';
import { useBrowser } from '../support/browser.ts';
import { fixture, killChildren, run, start, type TwistdChild } from '../support/twistd-child.ts';

class Shop extends Service {
  factory = {
    measurements: (): Measurement[] => [
      {
        name: 'sold_total',
        help: 'Things sold.',
        type: 'counter',
        value: 3,
        labels: { kind: 'tea' },
      },
      { name: 'sold_total', help: 'Things sold.', type: 'counter', value: 4 },
    ],
  };

  problem: string | null = null;

  notReady(): string | null {
    return this.problem;
  }
}

describe('Reporter', () => {
  it('tells of services, of numbers, and why they are not ready', () => {
    const clock = new Clock();
    const root = new MultiService();
    root.setName('root');
    const shop = new Shop();
    shop.setName('shop');
    shop.setServiceParent(root);
    const broken = new Service();
    Object.assign(broken, {
      measurements: () => {
        throw new Error('no numbers today');
      },
    });
    broken.setServiceParent(root);
    const reporter = new Reporter({ service: root, reactor: clock, worker: 2 });
    clock.advance(5);
    expect(reporter.report()).to.include({ worker: 2, phase: 'starting', uptime: 5 });
    expect(reporter.report().reasons).to.deep.equal(['it is starting']);
    root.startService();
    reporter.phase = 'ready';
    const { services, measurements, reasons } = reporter.report();
    expect(reasons).to.deep.equal([]);
    expect(services).to.deep.include({ name: 'root', running: true });
    expect(services.children[0]).to.deep.equal({
      ...{ name: 'shop', kind: 'Shop', running: true, children: [] },
    });
    expect(measurements.map(({ labels, value }) => [labels, value])).to.deep.equal([
      [{ service: 'shop', kind: 'tea' }, 3],
      [{ service: 'shop' }, 4],
    ]);
    shop.problem = 'no tea';
    expect(reporter.report().reasons).to.deep.equal(['shop: no tea']);
  });
});

describe('A service that tells badly of itself', () => {
  it('has that as its reason, and keeps no other from being told of', async () => {
    class Broken extends Service {
      get port(): unknown {
        throw new Error('no port');
      }

      get factory(): unknown {
        throw new Error('no factory');
      }

      notReady(): string | null {
        throw new Error('no idea');
      }

      measurements(): Measurement[] {
        const one = { name: 'fine_total', help: 'Fine.', type: 'counter', value: 1 } as const;
        return [one, { ...one, name: 'back_total', value: -1 }, { ...one, name: 'no name' }];
      }
    }
    const root = new MultiService();
    new Broken().setServiceParent(root);
    const shop = new Shop();
    shop.problem = 'no tea';
    shop.setServiceParent(root);
    const reporter = new Reporter({ service: root, reactor: new Clock(), worker: null });
    const report = reporter.report();
    expect(report.reasons.slice(1)).to.deep.equal([
      'Broken: it cannot say: no idea',
      'Shop: no tea',
    ]);
    const logs = capturedLogs();
    const text = await prometheusText([{ report, runtime: [] }]);
    logs.stop();
    expect(text).to.include('fine_total{service="Broken"} 1\n');
    expect(text).to.include('sold_total{service="Shop",kind="tea"} 3\n');
    expect(text).to.not.match(/back_total|no name/);
    const said = logs.entries.map(({ message }) => message);
    expect(said[0]).to.match(/^Cannot tell of back_total: /);
    expect(said[1]).to.match(/^Cannot tell of no name: /);
  });
});

describe('prometheusText()', () => {
  it('keeps workers apart, and adds nothing up that is not one', async () => {
    const clock = new Clock();
    const of = (worker: number | null): ReturnType<Reporter['report']> => {
      const shop = new Shop();
      shop.setName('"shop"\n');
      return new Reporter({ service: shop, reactor: clock, worker }).report();
    };
    const text = await prometheusText(
      [null, 1, 2].map((worker) => ({ report: of(worker), runtime: [] })),
    );
    expect(text.match(/^# HELP sold_total Things sold\.$/gm)).to.have.length(1);
    expect(text.match(/^# TYPE sold_total counter$/gm)).to.have.length(1);
    for (const worker of ['', ',worker="1"', ',worker="2"']) {
      expect(text).to.include(`sold_total{service="\\"shop\\"\\n",kind="tea"${worker}} 3\n`);
      expect(text).to.include(`sold_total{service="\\"shop\\"\\n"${worker}} 4\n`);
    }
    expect(text).to.include('strand_ready{worker="2"} 0\n');
  });
});

describe('twistd --admin', function () {
  this.timeout(60_000);
  afterEach(killChildren);

  async function address(child: TwistdChild): Promise<string> {
    const [, port] = await child.waitForLine(
      /Admin endpoint at IPv4Address\(TCP, '127.0.0.1', (\d+)\)/,
    );
    return `http://127.0.0.1:${port}`;
  }

  it('says whether the application lives, is ready, and what it does', async () => {
    const child = start(['--service', fixture('apps/echo.ts'), '--admin', '0']);
    const base = await address(child);
    await child.waitForLine(/Started echo/);
    for (const path of ['livez', 'readyz']) {
      const answer = await fetch(`${base}/${path}`);
      expect([answer.status, await answer.text()]).to.deep.equal([200, 'ok\n']);
      expect(answer.headers.get('cache-control')).to.equal('no-store');
    }
    const status = (await (await fetch(`${base}/status`)).json()) as {
      processes: { pid: number; services: { children: { address: string }[] } }[];
    };
    expect(status.processes[0]?.pid).to.equal(child.pid);
    expect(status.processes[0]?.services.children[0]?.address).to.match(/127\.0\.0\.1/);
    const metrics = await fetch(`${base}/metrics`);
    expect(metrics.headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/);
    expect(await metrics.text())
      .to.match(/^strand_ready 1$/m)
      .and.to.match(/^strand_connections_total [1-9]/m)
      .and.to.match(/^nodejs_eventloop_lag_\w+ \d/m)
      .and.to.match(/^# TYPE strand_connections_total counter$/m);
    expect((await fetch(`${base}/nothing`)).status).to.equal(404);
    expect((await fetch(`${base}/status`, { method: 'POST' })).status).to.equal(405);
    expect((await child.stop()).code).to.equal(0);
  });

  it('is not ready before the start is over, nor while it stops, and lives all the time', async () => {
    const child = start([
      '--service',
      fixture('apps/hangs.ts'),
      '--admin',
      '0',
      '--stop-timeout',
      '5',
    ]);
    const base = await address(child);
    await child.waitForLine(/Started hangs/);
    expect((await fetch(`${base}/readyz`)).status).to.equal(200);
    child.signal('SIGTERM');
    await child.waitForLine(/Stopping hangs/);
    const answer = await fetch(`${base}/readyz`);
    expect([answer.status, await answer.text()]).to.deep.equal([503, 'it is stopping\n']);
    expect((await fetch(`${base}/livez`)).status).to.equal(200);
    child.signal('SIGKILL');
    await child.ended;
    const slow = start(['--service', fixture('apps/slow-start.ts'), '--admin', '0', '--', 'never']);
    const early = await fetch(`${await address(slow)}/readyz`);
    expect([early.status, await early.text()]).to.deep.equal([503, 'it is starting\n']);
  });

  it('answers nobody who calls it by a name that a stranger could own', async () => {
    const child = start(['--service', fixture('apps/echo.ts'), '--admin', '0']);
    const { port } = new URL(await address(child));
    for (const [host, status] of [
      ['evil.example', 403],
      [`evil.example:${port}`, 403],
      [`localhost:${port}`, 200],
      ['[::1]', 200],
    ] as const) {
      const { request } = await import('node:http');
      const got = await new Promise<number | undefined>((resolve, reject) => {
        const asked = request({ host: '127.0.0.1', port, path: '/status', headers: { host } });
        asked.on('response', (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        asked.on('error', reject).end();
      });
      expect(got, host).to.equal(status);
    }
  });

  it('tells of all workers', async () => {
    const args = ['--service', fixture('apps/who.ts'), '--workers', '2', '--admin', '0'];
    const child = start(args);
    const base = await address(child);
    await child.waitForLine(/^\S+ \[twistd\] info: Started who$/m);
    const { processes } = (await (await fetch(`${base}/status`)).json()) as {
      processes: { worker: number | null; services: { children: unknown[] } }[];
    };
    expect(processes.map(({ worker }) => worker)).to.deep.equal([null, 1, 2]);
    expect(processes[1]?.services.children).to.have.length(1);
    const text = await (await fetch(`${base}/metrics`)).text();
    for (const worker of [1, 2]) {
      expect(text).to.include(`strand_ready{worker="${worker}"} 1\n`);
      expect(text).to.match(new RegExp(`^strand_connections_open{worker="${worker}"} `, 'm'));
      expect(text).to.match(new RegExp(`^process_cpu_seconds_total{worker="${worker}"} `, 'm'));
    }
    expect((await child.stop()).code).to.equal(0);
  });

  it('ends with the reason when it cannot listen, and warns when strangers could ask', async () => {
    const app = fixture('apps/echo.ts');
    const bad = await run(['--service', app, '--admin', 'tcp:nowhere']);
    expect(bad.code).to.equal(1);
    expect(bad.stderr).to.match(/^twistd: Cannot serve the admin endpoint at "tcp:nowhere": /);
    const open = start(['--service', app, '--admin', 'tcp:0']);
    await open.waitForLine(/warn: The admin endpoint at .* can be reached from other machines/);
    await open.waitForLine(/Started echo/);
    expect((await open.stop()).code).to.equal(0);
    expect(adminEndpoint('8099')).to.equal('tcp:8099:interface=127.0.0.1');
    for (const [address, is] of [
      [new IPv4Address('TCP', '127.0.0.1', 1), true],
      [new IPv4Address('TCP', '10.127.0.5', 1), false],
      [new IPv4Address('TCP', '0.0.0.0', 1), false],
      [new IPv6Address('TCP', '::1', 1), true],
      [new IPv6Address('TCP', '2001:db8::1', 1), false],
      [new UNIXAddress('/run/admin'), true],
    ] as const) {
      expect(isPrivate(address), String(address)).to.equal(is);
    }
  });

  describe('in a browser', () => {
    const browser = useBrowser();

    it('shows the tree, and rates as they are', async () => {
      const child = start(['--service', fixture('apps/echo.ts'), '--admin', '0']);
      const base = await address(child);
      const { page, complaints } = await browser.open();
      await page.goto(`${base}/`);
      await page.waitForSelector('#state.ready');
      expect(await page.evaluate('document.querySelector("h1").textContent')).to.equal('echo');
      const text = String(await page.evaluate('document.body.innerText'));
      expect(text)
        .to.include('TCPServer(0)')
        .and.to.include(`process ${child.pid}`)
        .and.to.match(/connections open\s+\d/);
      // The second picture has something to compare with.
      await page.locator('td.rate', { hasText: '/s' }).first().waitFor();
      expect(complaints).to.deep.equal([]);
      const stopped = await child.stop();
      expect(stopped.code, 'an open page does not hold the stop up').to.equal(0);
      await page.waitForSelector('#state.down');
    });
  });
});
