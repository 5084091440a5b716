// What docs/BACKUP.md promises, with its own commands: a backup beside a running server, putting it
// back, moving, a damaged store; and what is refused.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';

import mqtt from 'mqtt';

import {
  Fairlead,
  backendPassword,
  binary,
  deviceCredentials,
  fairlead,
  root,
} from './lib/fairlead.mjs';
import { Inbox } from './lib/inbox.mjs';

const cleanups = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'fairlead-backup-'));
  cleanups.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function server({ directory } = {}) {
  const one = new Fairlead();
  cleanups.push(() => one.remove());
  if (directory) one.directory = directory;
  return one;
}

async function client(of, name, { clean = false } = {}) {
  const sign = await deviceCredentials('pk', name, 'mqtt');
  return mqtt.connectAsync(of.url('mqtt'), {
    clientId: sign.clientId,
    username: sign.username,
    password: sign.password,
    clean,
    reconnectPeriod: 0,
  });
}

const topic = '/pk/dev1/user/get';

// A device that subscribes and goes, so that what is published now waits for it.
async function leaveSession(of) {
  const device = await client(of, 'dev1');
  await device.subscribeAsync(topic, { qos: 1 });
  await device.endAsync();
}

async function publish(of, ...payloads) {
  const backend = await mqtt.connectAsync(of.url('mqtt'), {
    clientId: 'backend',
    username: 'backend',
    password: backendPassword,
    reconnectPeriod: 0,
  });
  for (const payload of payloads) await backend.publishAsync(topic, payload, { qos: 1 });
  await backend.endAsync();
}

// What waits for the device, in its order.
async function waiting(of, count) {
  const sign = await deviceCredentials('pk', 'dev1', 'mqtt');
  const inbox = new Inbox();
  const device = mqtt.connect(of.url('mqtt'), {
    clientId: sign.clientId,
    username: sign.username,
    password: sign.password,
    clean: false,
    reconnectPeriod: 0,
  });
  device.on('message', (_, payload) => inbox.push(payload.toString()));
  const present = new Promise((done, fail) => {
    device.on('connect', ({ sessionPresent }) => done(sessionPresent));
    device.on('error', fail);
  });
  assert.equal(await present, true, 'the session is there');
  const got = await inbox.take(count, 'the messages that wait');
  await device.endAsync();
  return got;
}

async function furnished() {
  const one = server();
  await one.certificates();
  await one.product('pk', 'standard');
  await one.device('pk', 'dev1');
  await one.backend();
  return one;
}

// The `sh` blocks of the section with this heading, one line after the other.
function commands(heading) {
  const guide = readFileSync(join(root, 'docs/BACKUP.md'), 'utf8');
  const section = guide.split(/^## /m).find((each) => each.startsWith(`${heading}\n`));
  assert.ok(section, `docs/BACKUP.md has a section "${heading}"`);
  return [...section.matchAll(/```sh\n([^]*?)```/g)].flatMap(([, block]) =>
    block.trim().split('\n'),
  );
}

// Runs a line of the guide on this server, with backups in this folder instead of /var/backups.
async function follow(line, one, backups) {
  if (line === 'systemctl stop fairlead') return one.stop();
  if (line === 'systemctl start fairlead') return one.start();
  const told = line.replaceAll('/var/backups', backups);
  return new Promise((done, fail) =>
    execFile(
      'sh',
      ['-eu', '-c', told],
      {
        env: {
          ...process.env,
          PATH: `${dirname(binary)}:${process.env.PATH}`,
          FAIRLEAD_DATA_DIR: one.directory,
        },
      },
      (error, stdout, stderr) =>
        error ? fail(new Error(`${told}: ${error.code}\n${stdout}${stderr}`)) : done(stdout),
    ),
  );
}

test('The guide: back up a running server, go on, restore, and be where one was', async () => {
  const backups = folder();
  const one = await furnished();
  await one.start();
  await leaveSession(one);
  await publish(one, 'before');
  for (const line of commands('Back up')) await follow(line, one, backups);
  const backup = join(backups, 'fairlead-monday');
  assert.deepEqual(readdirSync(backup).sort(), ['certs', 'registry.db', 'store.db']);
  assert.equal(statSync(backup).mode & 0o777, 0o700);
  for (const name of ['store.db', 'registry.db', 'certs/ca.key']) {
    assert.equal(statSync(join(backup, name)).mode & 0o777, 0o600, name);
  }
  await publish(one, 'after');
  await one.device('pk', 'late');
  for (const line of commands('Restore')) await follow(line, one, backups);
  assert.deepEqual(await waiting(one, 1), ['before']);
  assert.equal((await one.try('device', 'show', 'pk', 'late')).code, 3);
  const kept = readdirSync(one.directory).filter((name) => name.includes('.before-restore-'));
  assert.deepEqual(kept.map((name) => name.replace(/-\d{8}-\d{6}$/, '')).sort(), [
    'registry.db.before-restore',
    'store.db.before-restore',
  ]);
});

test('The guide: move to another machine', async () => {
  const backups = folder();
  const old = await furnished();
  await old.start();
  await leaveSession(old);
  await publish(old, 'one', 'two');
  const lines = commands('Move to another machine');
  const there = lines.findIndex((line) => line.includes('store restore'));
  for (const line of lines.slice(0, there)) await follow(line, old, backups);
  const fresh = server({ directory: join(folder(), 'data') });
  for (const line of lines.slice(there)) await follow(line, fresh, backups);
  assert.deepEqual(await waiting(fresh, 2), ['one', 'two']);
  assert.deepEqual(readFileSync(fresh.ca), readFileSync(old.ca));
});

test('The guide: a damaged store is set aside, and check names it', async () => {
  const one = await furnished();
  await one.start();
  await leaveSession(one);
  await publish(one, 'kept');
  await one.stop();
  const file = openSync(join(one.directory, 'store.db'), 'r+');
  writeSync(file, 'no longer the beginning of a database', 0);
  const damaged = await one.try('store', 'check', '--json');
  assert.equal(damaged.code, 1);
  assert.match(JSON.parse(damaged.stdout).problems[0], /^The file is damaged: .*\.$/);
  await one.start();
  assert.match(one.log, /store\.damaged .*store\.db\.damaged-\d{8}-\d{6}/);
  assert.deepEqual(await waiting(one, 1), ['kept']);
  for (const line of commands('A damaged store')) await follow(line, one, '');
  const { problems, setAside } = JSON.parse(await one.cli('store', 'check', '--json'));
  assert.deepEqual(problems, []);
  assert.equal(setAside.length, 1);
  assert.ok(existsSync(join(one.directory, setAside[0])));
});

test('The guide: compact, with the server stopped', async () => {
  const one = await furnished();
  await one.start();
  await leaveSession(one);
  await publish(one, 'kept');
  const running = await one.try('store', 'compact');
  assert.equal(running.code, 5);
  assert.match(running.stderr, /Stop the server first/);
  for (const line of commands('Room on the disk')) await follow(line, one, '');
  assert.deepEqual(await waiting(one, 1), ['kept']);
});

test('What a backup or a restore refuses, and that nothing has changed then', async () => {
  const one = await furnished();
  const backups = folder();
  const empty = await fairlead(['--data-dir', folder(), 'store', 'backup', join(backups, 'none')]);
  assert.equal(empty.code, 3);
  assert.equal((await fairlead(['--data-dir', folder(), 'store', 'check'])).code, 3);
  await one.start();
  await one.stop();
  const backup = join(backups, 'good');
  await one.cli('store', 'backup', backup);
  const again = await one.try('store', 'backup', backup);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /good: File exists/);
  mkdirSync(join(backups, 'nothing'));
  assert.equal((await one.try('store', 'restore', join(backups, 'nothing'))).code, 3);

  await one.start();
  assert.equal((await one.try('store', 'restore', backup)).code, 5);
  await one.stop();

  const before = readdirSync(one.directory).sort();
  writeFileSync(join(backup, 'registry.db'), 'this is no database');
  const damaged = await one.try('store', 'restore', backup);
  assert.equal(damaged.code, 1);
  assert.match(damaged.stderr, /registry\.db/);
  assert.match(damaged.stderr, /Nothing was restored/);
  rmSync(join(backup, 'registry.db'));
  writeFileSync(join(backup, 'store.db'), 'nor is this');
  assert.equal((await one.try('store', 'restore', backup)).code, 1);
  assert.deepEqual(readdirSync(one.directory).sort(), before);
});

test('The Chinese guide has the same commands', () => {
  const blocks = (name) =>
    [...readFileSync(join(root, 'docs', name), 'utf8').matchAll(/```sh\n([^]*?)```/g)].map(
      ([, block]) => block,
    );
  assert.deepEqual(blocks('BACKUP.zh-CN.md'), blocks('BACKUP.md'));
});
