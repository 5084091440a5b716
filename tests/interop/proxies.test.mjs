// nginx and HAProxy of Debian between MQTT.js and the server, with what the operators' guide says
// about them: clients work, and the server knows their addresses.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import WebSocket from 'ws';

import { Backend } from './lib/backend.mjs';
import { Fairlead, deviceCredentials } from './lib/fairlead.mjs';
import { climb } from './lib/ladder.mjs';
import { adapt, onFreePorts, snippets, startHaproxy, startNginx } from './lib/proxy.mjs';
import { Puppet } from './lib/puppet.mjs';

const program = fileURLToPath(new URL('clients/mqttjs_client.mjs', import.meta.url));
// Not the address that the proxies have, so that the server can tell them apart.
const clientAddress = '127.0.0.2';
const guide = 'OPERATORS.md';

const server = new Fairlead();
let backend;
let devices = 0;

before(async () => {
  await server.certificates();
  await server.product('std', 'standard');
  await server.backend();
  const [listeners] = snippets(guide, '## Behind a proxy', 'toml');
  const config = join(server.directory, 'behind.toml');
  writeFileSync(config, adapt(listeners, { 'port = 8443': 'port = 0', 'port = 8444': 'port = 0' }));
  await server.start('--config', config);
  backend = await Backend.connect(server);
});

after(async () => {
  await backend?.close();
  await server.remove();
});

// A device behind a proxy climbs the ladder; resolves to the server's line about its connection.
async function through(scheme, port) {
  const name = `dev${(devices += 1)}`;
  await server.device('std', name);
  const seen = scheme === 'wss' ? 'ws' : scheme; // TLS of wss ends at the proxy
  const sign = await deviceCredentials('std', name, seen);
  const connected = server.logged(new RegExp(` connected device=std/${name} `));
  const client = new Puppet(process.execPath, [
    program,
    `${scheme}://127.0.0.1:${port}${scheme === 'wss' ? '/mqtt' : ''}`,
    server.ca,
    sign.clientId,
    sign.username,
    sign.password,
    '4',
    clientAddress,
  ]);
  try {
    await climb({ client, backend, topic: `/std/${name}/user`, profile: 'standard' });
    return await connected;
  } catch (error) {
    const log = server.log.split('\n').slice(-15).join('\n');
    error.message += `\nThe server's log ends with:\n${log}`;
    throw error;
  } finally {
    await client.close();
  }
}

const certificate = () => join(server.directory, 'certs', 'server-rsa.crt');
const key = () => join(server.directory, 'certs', 'server-rsa.key');

test('The guides say the same in both languages', () => {
  for (const [section, language] of [
    ['### nginx', 'nginx'],
    ['### HAProxy', 'haproxy'],
  ]) {
    const english = snippets(guide, section, language);
    assert.ok(english.length > 0);
    assert.deepEqual(snippets('OPERATORS.zh-CN.md', section, language), english);
  }
});

// What the guide says for WebSocket, on this port and for this server.
function httpOfNginx(port, upstream, changes = {}) {
  const [http] = snippets(guide, '### nginx', 'nginx');
  return adapt(http, {
    'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
    '/etc/nginx/iot.example.com.pem': certificate(),
    '/etc/nginx/iot.example.com.key': key(),
    '127.0.0.1:8443': `127.0.0.1:${upstream.listeners[0]}`,
    ...changes,
  });
}

test('nginx', async (t) => {
  const [, stream] = snippets(guide, '### nginx', 'nginx');
  const {
    proxy,
    ports: [wss, mqtts],
  } = await onFreePorts(2, (http, bytes) =>
    startNginx({
      http: httpOfNginx(http, server),
      stream: adapt(stream, {
        'listen 8883': `listen 127.0.0.1:${bytes}`,
        '127.0.0.1:8444': `127.0.0.1:${server.listeners[1]}`,
      }),
    }),
  );
  try {
    await t.test('ends TLS and tells the address in X-Forwarded-For', async () => {
      const line = await through('wss', wss);
      assert.match(line, new RegExp(`source=${clientAddress}:0 transport=ws `));
    });
    await t.test('passes TLS on and tells the address in a PROXY header', async () => {
      const line = await through('mqtts', mqtts);
      assert.match(line, new RegExp(`source=${clientAddress}:[1-9]\\d* transport=mqtts `));
    });
  } finally {
    await proxy.remove();
  }
});

test('HAProxy', async (t) => {
  const [text] = snippets(guide, '### HAProxy', 'haproxy');
  const pem = join(server.directory, 'haproxy.pem');
  writeFileSync(pem, readFileSync(certificate(), 'utf8') + readFileSync(key(), 'utf8'), {
    mode: 0o600,
  });
  const {
    proxy,
    ports: [wss, mqtts],
  } = await onFreePorts(2, (http, bytes) =>
    startHaproxy(
      adapt(text, {
        'bind :443 ': `bind 127.0.0.1:${http} `,
        'bind :8883': `bind 127.0.0.1:${bytes}`,
        '/etc/haproxy/iot.example.com.pem': pem,
        '127.0.0.1:8443': `127.0.0.1:${server.listeners[0]}`,
        '127.0.0.1:8444': `127.0.0.1:${server.listeners[1]}`,
      }),
      ['fairlead_http/one', 'fairlead_bytes/one'],
    ),
  );
  try {
    await t.test('ends TLS and tells the address in X-Forwarded-For', async () => {
      const line = await through('wss', wss);
      assert.match(line, new RegExp(`source=${clientAddress}:0 transport=ws `));
    });
    await t.test('passes TLS on and tells the address in a PROXY header', async () => {
      const line = await through('mqtts', mqtts);
      assert.match(line, new RegExp(`source=${clientAddress}:[1-9]\\d* transport=mqtts `));
    });
  } finally {
    await proxy.remove();
  }
});

test('A client that says who it is by itself is not believed', async () => {
  const refused = server.logged(/ connection.refused .*cause="PROXY header: expected/);
  const client = new Puppet(process.execPath, [
    program,
    `mqtt://127.0.0.1:${server.listeners[1]}`,
    server.ca,
    'c',
    '',
    '',
    '4',
  ]);
  await assert.rejects(client.connect({ resume: false }));
  await client.close();
  assert.match(await refused, / source=127\.0\.0\.1:\d+ /);
});

// A raw WebSocket client that says CONNECT and then nothing: MQTT.js would keep itself alive.
// Resolves to 'pinged' after that many pings, or to 'closed' when nginx has cut the connection.
function idle(port, pings) {
  return new Promise((done, failed) => {
    const socket = new WebSocket(`wss://127.0.0.1:${port}/mqtt`, 'mqtt', {
      ca: readFileSync(server.ca),
    });
    const connect = Buffer.from('\x10\x11\0\x04MQTT\x04\x02\0\0\0\x05quiet', 'latin1');
    let seen = 0;
    socket.on('open', () => socket.send(connect));
    socket.on('ping', () => {
      seen += 1;
      if (seen < pings) return;
      done('pinged');
      socket.close();
    });
    socket.on('close', () => done('closed'));
    socket.on('error', failed);
  });
}

for (const [interval, end] of [
  [1, 'pinged'],
  [0, 'closed'],
]) {
  test(`An idle client behind nginx, pings every ${interval} s: ${end}`, async () => {
    const quiet = new Fairlead();
    let nginx;
    try {
      const [listeners] = snippets(guide, '## Behind a proxy', 'toml');
      const config = join(quiet.directory, 'behind.toml');
      writeFileSync(
        config,
        `${adapt(listeners, { 'port = 8443': 'port = 0', 'port = 8444': 'port = 0' })}
[auth]
allow_anonymous = true
[websocket]
ping_interval_s = ${interval}
`,
      );
      await quiet.start('--config', config);
      const shorter = { 'proxy_read_timeout 60s': 'proxy_read_timeout 3s' };
      nginx = await onFreePorts(1, (port) =>
        startNginx({ http: httpOfNginx(port, quiet, shorter), stream: '' }),
      );
      const pings = 6; // twice as long as nginx waits
      assert.equal(await idle(nginx.ports[0], pings), end);
    } finally {
      await nginx?.proxy.remove();
      await quiet.remove();
    }
  });
}
