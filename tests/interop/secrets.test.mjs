// No secret shows where others may look: in the log, however much it tells, in metrics, in error
// messages, in the command lines of processes. And nobody else may open what holds them.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';

import { binary, Fairlead, fairlead } from './lib/fairlead.mjs';
import { Inbox } from './lib/inbox.mjs';
import { lines } from './lib/lines.mjs';

process.umask(0o000); // the worst there can be; children have it from here

const secrets = {
  device: 'DeviceSecretOfTheTests0123456789',
  password: 'PasswordOfTheBackEndOfTheTests',
  wrongDevice: 'WrongSecretThatWasGuessed0123456',
  wrongPassword: 'WrongPasswordThatWasGuessed',
};
const payload = 'PayloadThatNobodyElseShallRead';
const server = new Fairlead();
const parent = server.directory;
server.directory = join(parent, 'data');
after(() => {
  server.directory = parent;
  return server.remove();
});

const run = (words, input) => fairlead(['--data-dir', server.directory, ...words], { input });
const client = (verb, scheme, words, input) =>
  run([verb, '--url', server.url(scheme), ...words], input);
const asDevice = ['--product', 'pk', '--device', 'dev1', '--secret-file', '-'];
const asBackend = ['--user', 'backend', '--password-file', '-'];
const said = []; // everything that commands have printed when they failed

async function setUp() {
  const created = await run(
    ['product', 'create', '--key', 'pk', '--profile', 'standard', '--json']);
  assert.equal(created.code, 0, created.stderr);
  for (const value of Object.values(JSON.parse(created.stdout))) {
    if (typeof value === 'string' && /^[A-Za-z0-9]{16,}$/.test(value)) secrets.product = value;
  }
  const device = ['device', 'create', 'pk', 'dev1', '--secret-file', '-'];
  assert.equal((await run(device, secrets.device)).code, 0);
  const app = ['app', 'create', '--name', 'backend', '--allow', 'sub:#', '--allow', 'pub:#'];
  assert.equal((await run([...app, '--password-file', '-'], secrets.password)).code, 0);
  assert.equal((await server.certificates()).length > 0, true);
  const sign = ['sign', '--product', 'pk', '--name', 'dev1', '--method', 'hmacsha256', '--json'];
  const signed = await run([...sign, '--secret-file', '-'], secrets.device);
  assert.equal(signed.code, 0, signed.stderr);
  secrets.sign = JSON.parse(signed.stdout).password;
  assert.match(secrets.sign, /^[0-9a-f]{64}$/);
}

// Every kind of credentials, right and wrong, over every transport and version.
async function talk() {
  for (const scheme of ['mqtt', 'mqtts', 'ws', 'wss']) {
    for (const version of ['3.1.1', '5']) {
      const pub = [
        '--mqtt-version', version, '-t', '/pk/dev1/user/update', '-m', payload, '-q', '1'];
      for (const [who, secret, good] of [
        [asDevice, secrets.device, true],
        [asBackend, secrets.password, true],
        [asDevice, secrets.wrongDevice, false],
        [asBackend, secrets.wrongPassword, false],
      ]) {
        const result = await client('pub', scheme, [...who, ...pub], `${secret}\n`);
        assert.equal(result.code === 0, good, result.stderr);
        said.push(result.stdout, result.stderr);
      }
    }
  }
  // What is refused is said with its reason, which quotes no secret.
  for (const words of [
    ['sign', '--product', 'pk', '--name', 'nobody', '--secret-file', '/nonexistent'],
    ['device', 'create', 'pk', 'dev1', '--secret-file', '-'],
    ['device', 'create', 'pk', 'bad name', '--secret-file', '-'],
    ['app', 'create', '--name', 'backend', '--password-file', '-'],
  ]) {
    const result = await run(words, secrets.device);
    assert.notEqual(result.code, 0);
    said.push(result.stdout, result.stderr);
  }
}

// A client that is there while the list of processes is looked at.
async function processes() {
  const child = spawn(
    binary,
    ['--data-dir', server.directory, 'sub', '--url', server.url('ws'), ...asBackend, '-t', '#'],
    { stdio: ['pipe', 'ignore', 'pipe'] },
  );
  child.stdin.end(`${secrets.password}\n`);
  const subscribed = new Inbox();
  lines(child.stderr, (line) => line.includes('subscribed to') && subscribed.push(line));
  await subscribed.take(1, 'fairlead sub to be subscribed');
  const { stdout } = await promisify(execFile)('ps', ['-eww', '-o', 'args']);
  const environment = readFileSync(`/proc/${server.pid}/environ`, 'latin1');
  child.kill('SIGTERM');
  assert.match(stdout, /fairlead.* serve/);
  return stdout + environment;
}

function expectNone(text, where) {
  for (const [name, secret] of Object.entries({ ...secrets, payload })) {
    assert.ok(!text.includes(secret), `the ${name} secret stands in ${where}`);
  }
}

// Path and mode of everything below a directory.
function* tree(directory) {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    const status = lstatSync(path);
    yield [path, status];
    if (status.isDirectory()) yield* tree(path);
  }
}

test('no secret shows, and files are for their owner', { timeout: 120_000 }, async () => {
  await setUp();
  await server.start('--log-level', 'debug');
  await talk();
  expectNone(await processes(), 'the list of processes');
  const metrics = await (await fetch(`${server.admin}/metrics`)).text();
  assert.match(metrics, /fairlead/);
  expectNone(metrics, 'the metrics');
  expectNone(said.join('\n'), 'what commands say');
  assert.match(server.log, /connect\.refused/);
  assert.match(server.log, /connected device=pk\/dev1/);
  const open = [];
  const own = [server.directory, lstatSync(server.directory)];
  for (const [path, status] of [own, ...tree(server.directory)]) {
    if ((status.mode & 0o077) !== 0 && !path.endsWith('.crt')) {
      open.push(`${path.slice(parent.length)} ${(status.mode & 0o777).toString(8)}`);
    }
    // A certificate is for everybody to read; nobody else writes it.
    if (path.endsWith('.crt')) assert.equal(status.mode & 0o022, 0, path);
  }
  assert.deepEqual(open, []);
  await server.stop();
  expectNone(server.log, 'the log');
});
