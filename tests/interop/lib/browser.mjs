// Debian's Chromium with the page of the admin plane, as a client of the ladder. It trusts the
// test's root certificate the way a user's browser does: through the NSS database of its home.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { Inbox } from './inbox.mjs';

export class Browser {
  #home = mkdtempSync(join(tmpdir(), 'fairlead-browser-'));
  #chromium;

  static async start(ca) {
    const browser = new Browser();
    const database = join(browser.#home, '.pki/nssdb');
    mkdirSync(database, { recursive: true });
    execFileSync('certutil', ['-N', '-d', `sql:${database}`, '--empty-password']);
    execFileSync('certutil', [
      '-A',
      '-d',
      `sql:${database}`,
      '-t',
      'C,,',
      '-n',
      'fairlead',
      '-i',
      ca,
    ]);
    browser.#chromium = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      env: { ...process.env, HOME: browser.#home, XDG_CONFIG_HOME: join(browser.#home, '.config') },
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-sync',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-dev-shm-usage',
        // A name that is not this machine's own: plain http from there is no secure context.
        '--host-resolver-rules=MAP elsewhere.test 127.0.0.1',
      ],
    });
    return browser;
  }

  // A page of its own, with storage of its own.
  async page(url, options = {}) {
    const context = await this.#chromium.newContext({ locale: 'en-US', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    page.complaints = [];
    page.on('pageerror', (error) => page.complaints.push(error.message));
    page.on(
      'console',
      (message) => message.type() === 'error' && page.complaints.push(message.text()),
    );
    await page.goto(url);
    // It asks the server where it listens; a form without that is not sent.
    await page.waitForFunction(() => document.getElementById('url').value);
    return page;
  }

  async close() {
    await this.#chromium.close();
    rmSync(this.#home, { recursive: true, force: true });
  }
}

// The device in the page, led through its form as a user would; speaks like a Puppet.
export class PageDevice {
  messages = new Inbox();
  #page;
  #version;

  constructor(page, version) {
    this.#page = page;
    this.#version = version;
  }

  // Fills the form; `url` is the server's.
  async prepare({ productKey, deviceName, secret, url }) {
    const page = this.#page;
    await page.exposeFunction('arrived', (message) => this.messages.push(message));
    await page.evaluate(() => {
      const seen = (item) => ({
        qos: Number(item.querySelector('.qos').textContent.replace('QoS ', '').split(' ')[0]),
        topic: item.querySelector('.topic').textContent,
        payload: item.querySelector('pre').textContent,
      });
      new MutationObserver((records) => {
        for (const { addedNodes } of records) {
          for (const item of addedNodes)
            if (item.classList.contains('in')) window.arrived(seen(item));
        }
      }).observe(document.getElementById('messages'), { childList: true });
    });
    await page.fill('#pk', productKey);
    await page.fill('#dn', deviceName);
    await page.fill('#secret', secret);
    await page.fill('#url', url);
    await page.click('summary');
    await page.selectOption('#version', this.#version);
    await page.check('#resume');
    return this;
  }

  async #state(name) {
    try {
      await this.#page.waitForSelector(`#state[data-state="${name}"]`);
    } catch (error) {
      throw new Error(
        `the page is not ${name}: ${await this.#page.textContent('#problem')} ${error.message}`,
      );
    }
  }

  async connect() {
    await this.#page.press('#secret', 'Enter');
    await this.#state('connected');
    return {};
  }

  async subscribe(filter, qos) {
    await this.#page.evaluate(() => document.getElementById('subscriptions').replaceChildren());
    await this.#page.fill('#filter', filter);
    await this.#page.selectOption('#subscribe-qos', String(qos));
    await this.#page.press('#filter', 'Enter');
    const item = await this.#page.waitForSelector('#subscriptions li .note');
    return Number((await item.textContent()).replace('QoS ', ''));
  }

  async publish(topic, qos, prefix, count) {
    const sentBefore = await this.#page.locator('#messages li.out').count();
    await this.#page.fill('#topic', topic);
    await this.#page.selectOption('#publish-qos', String(qos));
    await this.#page.evaluate(
      ([text, times]) => {
        for (let i = 0; i < times; i++) {
          document.getElementById('payload').value = `${text}-${i}`;
          document.getElementById('publish').requestSubmit();
        }
      },
      [prefix, count],
    );
    await this.#page.waitForFunction(
      (wanted) => document.querySelectorAll('#messages li.out').length >= Math.min(wanted, 400),
      sentBefore + count,
    );
    await this.#page.click('#clear');
  }

  async disconnect() {
    await this.#page.click('#disconnect-button');
    await this.#state('idle');
  }

  async close() {
    await this.#page.context().close();
  }
}
