// The command line as scripts use it: exit codes, JSON, what is refused and with which words, and
// that a change reaches a running server at once.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as deadline } from 'node:timers/promises';

import mqtt from 'mqtt';

import { hasWebCrypto, hmacSha256 } from '../../console/page/sign.js';
import {
  Fairlead,
  backendPassword,
  deviceCredentials,
  fairlead,
  root,
  secret,
} from './lib/fairlead.mjs';

const cleanups = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

async function fresh({ start = [], certificates = true } = {}) {
  const server = new Fairlead();
  cleanups.push(() => server.remove());
  if (certificates) await server.certificates();
  await server.product('pk', 'compatible');
  await server.device('pk', 'dev1');
  await server.backend();
  if (start) await server.start(...start);
  return server;
}

async function connect(server, { name = 'dev1', version = 4, scheme = 'mqtt' } = {}) {
  const { clientId, username, password } = await deviceCredentials('pk', name, scheme);
  return mqtt.connectAsync(server.url(scheme), {
    clientId,
    username,
    password,
    protocolVersion: version,
    reconnectPeriod: 0,
    ca: readFileSync(server.ca),
  });
}

function within(promise, what) {
  const late = deadline(20_000, null, { ref: false }).then(() => {
    throw new Error(`waited 20 s for ${what}`);
  });
  return Promise.race([promise, late]);
}

const once = (client, event) => within(new Promise((done) => client.once(event, done)), event);
const refusal = (promise) =>
  promise.then(
    () => assert.fail('was accepted'),
    (error) => error.code,
  );

test('The documented example signs as documented', async () => {
  const words = [
    'sign',
    '--product',
    'pk',
    '--name',
    'device',
    '--secret',
    'secret',
    '--client-id',
    '12345',
    '--timestamp',
    '789',
    '--method',
    'hmacsha1',
    '--url',
    'wss://localhost:8443',
  ];
  const text = await fairlead(words);
  assert.equal(text.code, 0);
  assert.match(text.stdout, /fafd82a3d602b37fb0fa8b7892f24a477f851a14/);
  const signed = JSON.parse((await fairlead([...words, '--json'])).stdout);
  assert.equal(signed.password, 'fafd82a3d602b37fb0fa8b7892f24a477f851a14');
  assert.equal(signed.clientId, '12345|securemode=2,signmethod=hmacsha1,timestamp=789|');
  assert.equal(signed.username, 'device&pk');
});

test('Help names every command, a wrong command line ends with 2', async () => {
  const help = await fairlead(['--help']);
  assert.equal(help.code, 0);
  for (const command of [
    'serve',
    'check-config',
    'product',
    'device',
    'app',
    'sign',
    'cert',
    'store',
    'pub',
    'sub',
    'doctor',
    'bench',
    'version',
  ]) {
    assert.match(help.stdout, new RegExp(`^ +${command} `, 'm'), command);
  }
  assert.equal((await fairlead(['serve', '--no-such-option'])).code, 2);
  assert.equal((await fairlead(['no-such-command'])).code, 2);
  assert.match((await fairlead(['version'])).stdout, /^fairlead \d+\.\d+/);
});

test('doctor examines this machine: JSON with every check, and 1 for a problem', async () => {
  const server = await fresh({ start: null });
  const { code, stdout } = await server.try('doctor', '--connections', '100', '--json');
  const findings = JSON.parse(stdout);
  const checks = new Set(findings.map(({ check }) => check));
  for (const check of ['open-files', 'tcp-memory', 'memory', 'cores', 'clock', 'port']) {
    assert.ok(checks.has(check), check);
  }
  for (const check of ['data-directory', 'file-system', 'sync-speed', 'store', 'registry']) {
    assert.ok(checks.has(check), check);
  }
  for (const { check, verdict, found, remedy } of findings) {
    assert.match(verdict, /^(ok|warning|problem|skipped)$/, check);
    assert.notEqual(found, '', check);
    assert.equal(verdict === 'warning' || verdict === 'problem', remedy !== '', check);
  }
  assert.equal(code, findings.some(({ verdict }) => verdict === 'problem') ? 1 : 0);
  const text = await server.try('doctor', '--connections', '100');
  assert.match(text.stdout, /^ok +registry +sound$/m);
  assert.equal((await server.try('doctor', '--connections', '0')).code, 2);
});

test('Certificates: a root, RSA and ECDSA, for the names that were asked for', async () => {
  const server = await fresh({ start: null });
  const shown = JSON.parse(await server.cli('cert', 'show', '--json'));
  const keys = shown.map(({ key }) => key).join(' ');
  assert.match(keys, /RSA/i);
  assert.match(keys, /P-256|EC/i);
  assert.ok(shown.some(({ names }) => names.some((name) => name.includes('127.0.0.1'))));
  assert.match(readFileSync(server.ca, 'utf8'), /BEGIN CERTIFICATE/);
});

test('Records come as JSON, and a missing one ends with 3', async () => {
  const server = await fresh({ start: null });
  assert.deepEqual(
    JSON.parse(await server.cli('product', 'list', '--json')).map(
      ({ key, productKey }) => key ?? productKey,
    ),
    ['pk'],
  );
  const device = JSON.parse(await server.cli('device', 'show', 'pk', 'dev1', '--json'));
  assert.equal(device.deviceSecret, secret);
  assert.equal((await server.try('device', 'show', 'pk', 'nobody')).code, 3);
  assert.equal((await server.try('product', 'show', 'nothing')).code, 3);
  const again = await server.try('device', 'create', '--product', 'pk', '--name', 'dev1');
  assert.notEqual(again.code, 0);
  assert.match(again.stderr, /dev1/);
});

test('An import with a bad row names its line and imports nothing', async () => {
  const server = await fresh({ start: null });
  const file = join(server.directory, 'devices.csv');
  const rows = Array.from({ length: 500 }, (_, i) => `pk,bulk${i},secret${i}`);
  writeFileSync(
    file,
    ['productKey,deviceName,deviceSecret', ...rows, 'pk,bad name,x', 'pk,last,y'].join('\n'),
  );
  const refused = await server.try('device', 'import', '--file', file);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /line 502/);
  assert.equal(JSON.parse(await server.cli('device', 'list', '--json')).length, 1);
  writeFileSync(file, rows.join('\n'));
  assert.equal(
    JSON.parse(await server.cli('device', 'import', '--file', file, '--json')).imported,
    500,
  );
  const exported = await server.cli('device', 'export', '--product', 'pk');
  assert.match(exported, /^pk,bulk499,secret499$/m);
});

test('100,000 devices are imported, and one of them connects to the running server', async () => {
  const server = await fresh();
  const file = join(server.directory, 'many.csv');
  writeFileSync(
    file,
    Array.from({ length: 100_000 }, (_, i) => `pk,many${i},${secret}\n`).join(''),
  );
  assert.equal(
    JSON.parse(await server.cli('device', 'import', '--file', file, '--json')).imported,
    100_000,
  );
  const client = await connect(server, { name: 'many99999' });
  await client.endAsync();
});

test('A configuration with mistakes is refused with line, key and the nearest key', async () => {
  const server = await fresh({ start: null });
  const file = join(server.directory, 'broken.toml');
  writeFileSync(file, '[log]\nlevle = "info"\n[limits]\n');
  for (const words of [
    ['check-config', '--config', file],
    ['serve', '--listen', '127.0.0.1:0', '--config', file],
  ]) {
    const refused = await server.try(...words);
    assert.equal(refused.code, 4, words[0]);
    assert.match(refused.stderr, /:2: .*levle.*log\.level/, words[0]);
  }
  writeFileSync(file, '[log]\nlevel = 7\n');
  const wrongType = await server.try('check-config', '--config', file);
  assert.equal(wrongType.code, 4);
  assert.match(wrongType.stderr, /:2: log\.level/);
  writeFileSync(file, '[log]\nlevel = "warning"\n');
  assert.equal((await server.try('check-config', '--config', file)).code, 0);
});

test('check-config loads the files of TLS, and names what serve would refuse', async () => {
  const server = await fresh({ start: null });
  const file = join(server.directory, 'mistaken.toml');
  writeFileSync(
    file,
    '[[tls.certificate]]\ncertificate_files = ["none.pem"]\nkey_files = ["none.key"]\n',
  );
  const refused = await server.try('check-config', '--config', file);
  assert.equal(refused.code, 4);
  assert.match(refused.stderr, /mistaken\.toml: .*none\.pem: No such file/);
});

test('docs/CONFIG.md is what the table of keys says', async () => {
  const reference = await fairlead(['check-config', '--reference']);
  assert.equal(reference.code, 0);
  assert.equal(readFileSync(join(root, 'docs/CONFIG.md'), 'utf8'), reference.stdout);
});

test('The page, with and without WebCrypto, signs as the program does', async () => {
  for (const method of ['hmacsha256', 'hmacsha1']) {
    const words = ['--product', 'pk', '--name', 'dev1', '--secret', secret, '--method', method];
    const said = await fairlead(['sign', ...words, '--client-id', 'pk.dev1', '--json']);
    const page = await deviceCredentials('pk', 'dev1', 'wss', method);
    // Without WebCrypto (Node 18) the page has HMAC-SHA256 only.
    if (hasWebCrypto || method === 'hmacsha256') {
      assert.equal(page.password, JSON.parse(said.stdout).password, method);
    }
  }
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000]) {
    const [key, content] = [Buffer.alloc(length, 'k'), Buffer.alloc(length, 'c')];
    const expected = createHmac('sha256', key).update(content).digest('hex');
    assert.equal(Buffer.from(hmacSha256(key, content)).toString('hex'), expected);
  }
});

test('Anonymous clients are for loopback addresses only', async () => {
  const server = await fresh({ start: null });
  const refused = await server.try('serve', '--listen', '0.0.0.0:0', '--allow-anonymous');
  assert.equal(refused.code, 4);
  assert.match(refused.stderr, /anonymous/);
  const open = await fresh({ start: ['--allow-anonymous'] });
  const client = await mqtt.connectAsync(open.url('mqtt'), {
    clientId: 'anybody',
    reconnectPeriod: 0,
  });
  await client.endAsync();
});

test('A taken port is named with its owner and a way out', async () => {
  const server = await fresh({ start: null });
  const other = createServer();
  await new Promise((done) => other.listen(0, '127.0.0.1', done));
  const { port } = other.address();
  const refused = await server.try('serve', '--listen', `127.0.0.1:${port}`, '--admin', 'off');
  other.close();
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, new RegExp(`${port}.*${process.pid}.*--listen`, 's'));
});

test('One data directory serves one server', async () => {
  const server = await fresh();
  const refused = await server.try('serve', '--listen', '127.0.0.1:0', '--admin', 'off');
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, new RegExp(String(server.pid)));
});

test('Several listeners, each with its own protocols; SIGTERM ends with 0', async () => {
  const server = await fresh({
    start: ['--listen', '127.0.0.1:0', '--listen', '127.0.0.1:0/mqtt', '--listen', '[::1]:0'],
  });
  assert.equal(server.listeners.length, 3);
  const { clientId, username, password } = await deviceCredentials('pk', 'dev1');
  const options = { clientId, username, password, reconnectPeriod: 0 };
  for (const url of [
    `ws://127.0.0.1:${server.listeners[0]}`,
    `mqtt://127.0.0.1:${server.listeners[1]}`,
    `mqtt://[::1]:${server.listeners[2]}`,
  ]) {
    await (await mqtt.connectAsync(url, options)).endAsync();
  }
  const refused = mqtt.connect(`ws://127.0.0.1:${server.listeners[1]}`, options);
  refused.on('error', () => {});
  await once(refused, 'close');
  refused.end(true);
  await server.stop();
});

for (const [verb, words] of Object.entries({
  disable: ['device', 'disable', 'pk', 'dev1'],
  delete: ['device', 'delete', 'pk', 'dev1'],
})) {
  for (const version of [4, 5]) {
    test(`device ${verb} closes the live connection at once, version ${version}`, async () => {
      const server = await fresh();
      const client = await connect(server, { version });
      const closed = once(client, 'close');
      const told = version === 5 ? once(client, 'disconnect') : null;
      await server.cli(...words);
      await closed;
      if (told) assert.equal((await told).reasonCode, verb === 'disable' ? 0x87 : 0x98);
      const code = await refusal(connect(server, { version }));
      assert.ok(
        version === 5 ? [0x86, 0x87].includes(code) : [4, 5].includes(code),
        `CONNACK ${code}`,
      );
      if (verb === 'disable') {
        await server.cli('device', 'enable', 'pk', 'dev1');
        await (await connect(server, { version })).endAsync();
      }
    });
  }
}

test('A new device connects at once, a deleted application is cut off', async () => {
  const server = await fresh();
  await server.device('pk', 'new');
  await (await connect(server, { name: 'new', scheme: 'wss' })).endAsync();
  const backend = await mqtt.connectAsync(server.url('mqtt'), {
    clientId: 'b',
    username: 'backend',
    password: backendPassword,
    reconnectPeriod: 0,
  });
  const closed = once(backend, 'close');
  await server.cli('app', 'delete', 'backend');
  await closed;
});

test('SIGTERM says goodbye: MQTT 5.0 gets 0x8B, and the server ends with 0', async () => {
  const server = await fresh();
  const client = await connect(server, { version: 5 });
  const told = once(client, 'disconnect');
  server.signal('SIGTERM');
  assert.equal((await told).reasonCode, 0x8b);
  assert.equal(await within(server.exited(), 'the server to end'), 0);
});

test('SIGHUP takes new certificates and disturbs nobody', async () => {
  const server = await fresh();
  const client = await connect(server, { scheme: 'mqtts' });
  const before = JSON.parse(await server.cli('cert', 'show', '--json'));
  await server.cli(
    'cert',
    'init',
    '--host',
    'other.example',
    '--host',
    'localhost',
    '--ip',
    '127.0.0.1',
  );
  assert.notDeepEqual(JSON.parse(await server.cli('cert', 'show', '--json')), before);
  const said = once(client, 'message');
  await client.subscribeAsync('/pk/dev1/user/get', { qos: 1 });
  server.signal('SIGHUP');
  const backend = await mqtt.connectAsync(server.url('mqtt'), {
    clientId: 'b',
    username: 'backend',
    password: backendPassword,
    reconnectPeriod: 0,
  });
  await backend.publishAsync('/pk/dev1/user/get', 'still here', { qos: 1 });
  await said;
  await backend.endAsync();
  await client.endAsync();
});

test('Health is answered on the port of the devices, other paths say why not', async () => {
  const server = await fresh();
  const health = await fetch(`http://127.0.0.1:${server.port}/healthz`);
  assert.equal(health.status, 200);
  const refused = await fetch(`http://127.0.0.1:${server.port}/index.html`);
  assert.ok(refused.status >= 400);
  assert.notEqual((await refused.text()).trim(), '');
});

test('The admin port serves the page, its files, endpoints, health and metrics', async () => {
  const server = await fresh();
  const page = await fetch(`${server.admin}/`);
  assert.match(page.headers.get('content-type'), /text\/html/);
  for (const [, path] of (await page.text()).matchAll(/(?:src|href)="([^"]+)"/g)) {
    assert.equal((await fetch(`${server.admin}/${path}`)).status, 200, path);
  }
  const { endpoints } = await (await fetch(`${server.admin}/config.json`)).json();
  assert.equal(new URL(endpoints.wss).port, String(server.port));
  assert.equal((await fetch(`${server.admin}/readyz`)).status, 200);
  assert.match(await (await fetch(`${server.admin}/metrics`)).text(), /^fairlead_/m);
});
