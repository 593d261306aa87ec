/**
 * Headless Chromium as a client. It reaches this machine by loopback and nothing else, takes any certificate, and lives as long as the tests of one file.
 *
 * What is to run in a page is given as text (`page.evaluate('document.title')`): a function would be compiled for Node, and needs the types of browsers.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** Keeps it from asking its maker for anything, and from resolving any name but localhost. */
const ALONE = [
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
  '--no-proxy-server',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-pings',
];

/** The program: what `STRAND_CHROMIUM` names, or the first of its usual names in PATH; null if there is none. */
export function findChromium(): string | null {
  const named = process.env['STRAND_CHROMIUM'];
  if (named) return named;
  for (const name of NAMES) {
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not here.
      }
    }
  }
  return null;
}

/** A page, and what went wrong on it. */
export interface OpenPage {
  readonly page: Page;
  /** Errors of scripts, what was written by console.error, and requests that failed, as text: empty if all is well. */
  readonly complaints: readonly string[];
}

/** The browser of one test file. */
export class TestBrowser {
  #browser: Browser | undefined;
  readonly #contexts: BrowserContext[] = [];

  /** Starts it. @throws {Error} when it does not start */
  async launch(executablePath: string): Promise<void> {
    const { chromium } = await import('playwright-core');
    this.#browser = await chromium.launch({
      executablePath,
      // Tests run as root and in containers, where its sandbox cannot be had, and /dev/shm is small.
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', ...ALONE],
    });
  }

  /**
   * A new page. It shares no cookies, cache or connections with others, and is closed after the test.
   * @param httpCredentials what it says to a server that asks who it is
   */
  async open(httpCredentials?: { username: string; password: string }): Promise<OpenPage> {
    if (this.#browser === undefined) throw new Error('The browser is open within tests only');
    const context = await this.#browser.newContext({
      ignoreHTTPSErrors: true,
      ...(httpCredentials === undefined ? {} : { httpCredentials }),
    });
    this.#contexts.push(context);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('requestfailed', (request) => {
      complaints.push(`${request.url()}: ${request.failure()?.errorText}`);
    });
    return { page, complaints };
  }

  /** Closes all pages, and their connections. */
  async closePages(): Promise<void> {
    for (const context of this.#contexts.splice(0)) await context.close();
  }

  async close(): Promise<void> {
    await this.#browser?.close();
    this.#browser = undefined;
  }
}

/**
 * A browser for the tests of the suite that calls this: it is started before the first, and ended after the last; pages are closed after each. Without Chromium its tests are left out, or fail where
 * everything has to be there.
 */
export function useBrowser(): TestBrowser {
  const browser = new TestBrowser();
  before(async function () {
    this.timeout(60_000);
    const path = findChromium();
    if (path === null) {
      if (process.env['CI'] === 'true') throw new Error('Install chromium');
      this.skip();
    }
    await browser.launch(path);
  });
  afterEach(() => browser.closePages());
  after(() => browser.close());
  return browser;
}
