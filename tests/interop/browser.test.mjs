// Chromium with the page: over ws and wss, and what it says when something is wrong.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { Browser, PageDevice } from './lib/browser.mjs';
import { secret } from './lib/fairlead.mjs';
import { ladderTest, productOf, suite } from './lib/suite.mjs';

let browser;
const at = suite({ and: async ({ server }) => (browser = await Browser.start(server.ca)) });
after(() => browser?.close());

for (const [version, name] of Object.entries({ 3: '3.1', 4: '3.1.1', 5: '5.0' })) {
  for (const scheme of ['ws', 'wss']) {
    // The page shows no "session present"; that messages waited for it says the same.
    ladderTest(
      at,
      `Chromium, MQTT ${name}, ${scheme}`,
      { scheme, tellsPresent: false },
      async ({ url, device }) => {
        const page = await browser.page(at.server.admin);
        return new PageDevice(page, version).prepare({ ...device, secret, url });
      },
    );
  }
}

ladderTest(
  at,
  'Chromium, compatible profile, wss',
  { scheme: 'wss', profile: 'compatible', tellsPresent: false },
  async ({ url, device }) =>
    new PageDevice(await browser.page(at.server.admin), '4').prepare({ ...device, secret, url }),
);

async function fill(page, values) {
  for (const [id, value] of Object.entries(values)) await page.fill(`#${id}`, value);
}

const problem = (page) =>
  page.waitForSelector('#problem:not([hidden])').then((node) => node.textContent());
const state = (page, name) => page.waitForSelector(`#state[data-state="${name}"]`);

async function newDevice(name) {
  await at.server.device(productOf.standard, name);
  return { pk: productOf.standard, dn: name, secret };
}

test('The page offers the endpoints of the server it came from', async () => {
  const page = await browser.page(at.server.admin);
  assert.equal(await page.inputValue('#url'), `ws://127.0.0.1:${at.server.port}`);
  const chips = await page.locator('#endpoints button').allTextContents();
  assert.deepEqual(chips, [
    `ws://127.0.0.1:${at.server.port}`,
    `wss://127.0.0.1:${at.server.port}`,
  ]);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

for (const method of ['hmacsha256', 'hmacsha1']) {
  test(`The page signs with ${method}, and is used by keyboard alone`, async () => {
    const device = await newDevice(`keyboard-${method}`);
    const page = await browser.page(at.server.admin);
    await page.click('summary');
    await page.selectOption('#method', method);
    await page.focus('#pk');
    await page.keyboard.type(device.pk);
    await page.keyboard.press('Tab');
    await page.keyboard.type(device.dn);
    await page.keyboard.press('Tab');
    await page.keyboard.type(device.secret);
    await page.keyboard.press('Enter');
    await state(page, 'connected');
    await page.keyboard.press('Enter'); // the filter has the focus, and a usual value
    await page.waitForSelector('#subscriptions li');
    await at.backend.publish(`/${device.pk}/${device.dn}/user/get`, 0, 'to the page', 1);
    await page.waitForSelector('#messages li.in');
    await page.focus('#payload');
    await page.keyboard.type('from the page');
    await page.keyboard.press('Control+Enter');
    await page.waitForSelector('#messages li.out');
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
}

test('Over plain http from another host the page signs without WebCrypto', async () => {
  const device = await newDevice('elsewhere');
  const page = await browser.page(at.server.admin.replace('127.0.0.1', 'elsewhere.test'));
  assert.equal(await page.evaluate(() => isSecureContext), false);
  await fill(page, { ...device, url: at.server.url('ws') });
  await page.press('#secret', 'Enter');
  await state(page, 'connected');
  assert.match(await page.textContent('#secret-note'), /WebCrypto/);
  await page.context().close();
});

test('A wrong secret is explained, in both languages, and not tried again', async () => {
  const device = await newDevice('wrong');
  const page = await browser.page(at.server.admin);
  await fill(page, { ...device, secret: 'not this one' });
  await page.press('#secret', 'Enter');
  assert.match(await problem(page), /refused the connection.*Wrong signature.*code 4/s);
  await state(page, 'idle');
  await page.click('#language');
  await page.press('#secret', 'Enter');
  await page.waitForSelector('#problem:has-text("签名错误")');
  await page.press('#secret', 'Escape');
  await page.waitForSelector('#problem', { state: 'hidden' });
  await page.context().close();
});

test('Nothing listening is explained with a link to try', async () => {
  const page = await browser.page(at.server.admin);
  await fill(page, { pk: 'a', dn: 'b', secret: 'c', url: 'wss://127.0.0.1:1/' });
  await page.press('#url', 'Enter');
  assert.match(await problem(page), /No answer.*https:\/\/127\.0\.0\.1:1\/healthz/s);
  await page.fill('#url', 'http://127.0.0.1/');
  await page.press('#url', 'Enter');
  assert.match(await problem(page), /ws:\/\/ or wss:\/\//);
  await page.context().close();
});

test('A subscription that is not allowed is shown as refused', async () => {
  const device = await newDevice('curious');
  const page = await browser.page(at.server.admin);
  await fill(page, device);
  await page.press('#secret', 'Enter');
  await state(page, 'connected');
  await page.fill('#filter', '/somebody/else/user/get');
  await page.press('#filter', 'Enter');
  await page.waitForSelector('#subscriptions .refused');
  assert.match(await problem(page), /refused the subscription/);
  await page.context().close();
});

test('A disabled device is told why, and by MQTT 5.0 with the reason', async () => {
  const device = await newDevice('disabled');
  const page = await browser.page(at.server.admin);
  await fill(page, device);
  await page.click('summary');
  await page.selectOption('#version', '5');
  await page.press('#secret', 'Enter');
  await state(page, 'connected');
  await at.server.cli('device', 'disable', device.pk, device.dn);
  assert.match(await problem(page), /closed the connection.*(administrator|Not authorized)/s);
  await page.press('#secret', 'Enter');
  await page.waitForFunction(() =>
    /refused the connection/.test(document.getElementById('problem').textContent),
  );
  await page.context().close();
});

test('The page remembers the form, and never the secret', async () => {
  const device = await newDevice('memory');
  const page = await browser.page(at.server.admin);
  await fill(page, device);
  await page.press('#secret', 'Enter');
  await state(page, 'connected');
  await page.reload();
  assert.equal(await page.inputValue('#dn'), device.dn);
  assert.equal(await page.inputValue('#secret'), '');
  const stored = await page.evaluate(() => JSON.stringify({ ...localStorage }));
  assert.ok(!stored.includes(secret), 'the secret is stored');
  await page.context().close();
});
