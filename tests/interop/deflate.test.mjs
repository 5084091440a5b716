// permessage-deflate switched on: MQTT.js over the `ws` package, and Chromium with the page.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';

import mqtt from 'mqtt';
import WebSocket from 'ws'; // the one that MQTT.js brings

import { Browser, PageDevice } from './lib/browser.mjs';
import { backendPassword, secret } from './lib/fairlead.mjs';
import { ladderTest, suite } from './lib/suite.mjs';

let browser;
const at = suite({
  start: (server) => {
    const file = join(server.directory, 'deflate.toml');
    writeFileSync(
      file,
      '[websocket]\ndeflate = true\n[[listener]]\naddress = "127.0.0.1"\nport = 0\n',
    );
    return server.start('--config', file);
  },
  and: async ({ server }) => (browser = await Browser.start(server.ca)),
});
after(() => browser?.close());

for (const scheme of ['ws', 'wss']) {
  ladderTest(
    at,
    `Chromium, MQTT 3.1.1, ${scheme}, compressed`,
    { scheme, tellsPresent: false },
    async ({ url, device }) => {
      const page = await browser.page(at.server.admin);
      const extensions = await page.evaluate(
        (target) =>
          new Promise((done, failed) => {
            const socket = new WebSocket(target, 'mqtt');
            socket.onopen = () => done(socket.extensions);
            socket.onerror = () => failed(new Error('no connection'));
          }),
        url,
      );
      assert.match(extensions, /permessage-deflate/);
      return new PageDevice(page, '4').prepare({ ...device, secret, url });
    },
  );

  test(`MQTT.js, ${scheme}, messages of many sizes, compressed both ways`, async () => {
    let socket;
    const client = await mqtt.connectAsync(at.server.url(scheme), {
      clientId: `deflate-${scheme}`,
      username: 'backend',
      password: backendPassword,
      protocolVersion: 5,
      reconnectPeriod: 0,
      createWebsocket: (url, protocols) => {
        socket = new WebSocket(url, protocols, {
          ca: readFileSync(at.server.ca),
          perMessageDeflate: { threshold: 0 },
        });
        return socket;
      },
    });
    assert.match(socket.extensions, /permessage-deflate/);
    const arrived = [];
    const all = new Promise((done, failed) => {
      client.on('close', () => failed(new Error('closed')));
      client.on('error', failed);
      client.on('message', (topic, payload, { qos }) => {
        arrived.push([payload.toString(), qos]);
        if (arrived.length === 15) done();
      });
    });
    await client.subscribeAsync(`deflate/${scheme}`, { qos: 2 });
    const said = [];
    for (const size of [0, 100, 1000, 20_000, 200_000]) {
      for (const qos of [0, 1, 2]) {
        said.push(['{"value":42}'.repeat(1 + size / 12).slice(0, size), qos]);
        await client.publishAsync(`deflate/${scheme}`, said.at(-1)[0], { qos });
      }
    }
    await all;
    assert.deepEqual(arrived.sort(), said.sort());
    client.removeAllListeners('close');
    await client.endAsync();
  });
}
