// `fairlead pub` and `fairlead sub`: the command line as a client, over four transports and with
// three versions of MQTT.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';

import { backendPassword, binary, fairlead } from './lib/fairlead.mjs';
import { Inbox } from './lib/inbox.mjs';
import { lines } from './lib/lines.mjs';
import { productOf, suite } from './lib/suite.mjs';

const at = suite();
const product = productOf.standard;
const asBackend = ['--user', 'backend', '--password', backendPassword];
const asDevice = (name) => ['--product', product, '--device', name];

function client(verb, scheme, words, options) {
  const where = ['--data-dir', at.server.directory, verb, '--url', at.server.url(scheme)];
  return fairlead([...where, ...words], options);
}

// Starts `fairlead sub`: { subscribed, messages, ended }.
function startSub(scheme, words) {
  const where = ['--data-dir', at.server.directory, 'sub', '--url', at.server.url(scheme)];
  const child = spawn(binary, [...where, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const subscribed = new Inbox();
  const messages = new Inbox();
  let errors = '';
  lines(child.stdout, (line) => messages.push(line));
  lines(child.stderr, (line) => {
    errors += `${line}\n`;
    if (line.includes('subscribed to')) subscribed.push(line);
  });
  const ended = new Promise((done) => {
    child.on('close', (code, signal) => {
      const error = new Error(`fairlead sub ended with ${code ?? signal}: ${errors}`);
      subscribed.fail(error);
      messages.fail(error);
      done(code ?? signal);
    });
  });
  return { subscribed, messages, ended };
}

// The same, once the server has granted what it asked for.
async function listen(scheme, words) {
  const sub = startSub(scheme, words);
  await sub.subscribed.take(1, 'fairlead sub to be subscribed');
  return sub;
}

let devices = 0;
async function newDevice() {
  const name = `cli${(devices += 1)}`;
  await at.server.device(product, name);
  return { name, topic: `/${product}/${name}/user` };
}

const hundred = (prefix) => Array.from({ length: 100 }, (_, i) => `${prefix}-${i}`);

for (const scheme of ['mqtt', 'mqtts', 'ws', 'wss']) {
  for (const version of ['3.1', '3.1.1', '5']) {
    test(`fairlead pub and sub, MQTT ${version}, ${scheme}`, { timeout: 60_000 }, async () => {
      const { name, topic } = await newDevice();
      const speak = ['--mqtt-version', version];
      for (const qos of ['0', '1', '2']) {
        const quality = ['-q', qos, ...speak];
        const up = ['-t', `${topic}/update`, ...quality];
        const backend = await listen(scheme, [...asBackend, ...up, '-C', '100']);
        const input = hundred('up')
          .map((line) => `${line}\n`)
          .join('');
        const sent = await client('pub', scheme, [...asDevice(name), ...up, '-l'], { input });
        assert.equal(sent.code, 0, sent.stderr);
        assert.deepEqual(await backend.messages.take(100, `QoS ${qos} from it`), hundred('up'));
        assert.equal(await backend.ended, 0);
      }
    });
  }
}

test('fairlead sub --persistent finds what was sent while it was away', async () => {
  const { name, topic } = await newDevice();
  const words = [...asDevice(name), '-t', `${topic}/get`, '-q', '1', '--persistent'];
  const first = await listen('wss', [...words, '-C', '1']);
  await at.backend.publish(`${topic}/get`, 1, 'first', 1);
  assert.equal(await first.ended, 0);
  await at.backend.publish(`${topic}/get`, 1, 'queued', 20);
  const second = startSub('mqtt', [...words, '-C', '20']);
  const expected = Array.from({ length: 20 }, (_, i) => `queued-${i}`);
  assert.deepEqual(await second.messages.take(20, 'what was sent meanwhile'), expected);
  assert.equal(await second.ended, 0);
});

test('A wrong password, and nobody listening, end with 1 and a sentence', async () => {
  const words = ['--user', 'backend', '-t', 'a', '-m', 'b'];
  const wrong = await client('pub', 'mqtt', [...words, '--password', 'wrong']);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /^fairlead: .+/m);
  const words2 = ['pub', '--url', 'ws://127.0.0.1:1', ...words, '--password', 'x'];
  const nobody = await fairlead(words2);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /127\.0\.0\.1/);
});
