// mosquitto_pub and mosquitto_sub of Debian, as scripts use them: over TCP and TLS (they have no
// WebSocket), with the credentials that `fairlead sign` prints.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';

import { fairlead, secret } from './lib/fairlead.mjs';
import { Inbox } from './lib/inbox.mjs';
import { numbered } from './lib/ladder.mjs';
import { lines } from './lib/lines.mjs';
import { productOf, suite } from './lib/suite.mjs';

const at = suite();

// Runs a program to its end; `heard` gets its lines. Resolves when it exits with 0.
function run(program, args, { input, heard = () => {} } = {}) {
  const child = spawn('stdbuf', ['-oL', program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  const read = [lines(child.stdout, heard), lines(child.stderr, (line) => (errors += `${line}\n`))];
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', async (code, signal) => {
      await Promise.all(read);
      if (code === 0) done();
      else failed(new Error(`${program} ended with ${code ?? signal}\n${errors}`));
    });
  });
}

async function login(product, name, scheme, version) {
  at.server.captureAs(`mosquitto ${product} ${scheme} ${version}`);
  const said = await fairlead([
    'sign',
    '--product',
    product,
    '--name',
    name,
    '--secret',
    secret,
    '--method',
    'hmacsha256',
    '--json',
  ]);
  assert.equal(said.code, 0, said.stderr);
  const sign = JSON.parse(said.stdout);
  const tls = scheme === 'mqtts' ? ['--cafile', at.server.ca] : [];
  return [
    '-h',
    'localhost',
    '-p',
    at.server.port,
    '-i',
    sign.clientId,
    '-u',
    sign.username,
    '-P',
    sign.password,
    '-V',
    version,
    ...tls,
  ];
}

// mosquitto_sub for `count` messages: { ready, messages, ended }.
function subscriber(options, filter, qos, count) {
  const subscribed = new Inbox();
  const messages = new Inbox();
  const ended = run(
    'mosquitto_sub',
    [...options, '-c', '-t', filter, '-q', qos, '-C', count, '-d', '-F', 'message\t%q\t%t\t%p'],
    {
      heard(line) {
        const [kind, quality, topic, payload] = line.split('\t');
        if (kind === 'message') messages.push({ qos: Number(quality), topic, payload });
        else if (/received SUBACK/.test(line)) subscribed.push(line);
      },
    },
  );
  ended.catch((error) => [subscribed, messages].forEach((inbox) => inbox.fail(error)));
  return { subscribed, messages, ended };
}

async function publishLines(options, topic, qos, prefix, count) {
  const input = numbered(topic, qos, prefix, count)
    .map(({ payload }) => `${payload}\n`)
    .join('');
  await run('mosquitto_pub', [...options, '-t', topic, '-q', qos, '-l'], { input });
}

let devices = 0;
for (const scheme of ['mqtt', 'mqtts']) {
  for (const version of ['mqttv31', 'mqttv311', 'mqttv5']) {
    test(
      `mosquitto_pub and mosquitto_sub, ${version}, ${scheme}`,
      { timeout: 60_000 },
      async () => {
        const [product, name] = [productOf.standard, `mosquitto${(devices += 1)}`];
        await at.server.device(product, name);
        const expiry = version === 'mqttv5' ? ['-x', '300'] : [];
        const options = await login(product, name, scheme, version);
        const [update, get] = [`/${product}/${name}/user/update`, `/${product}/${name}/user/get`];
        await at.backend.subscribe(update);
        for (const qos of [0, 1, 2]) {
          await publishLines(options, update, qos, `up${qos}`, 100);
          assert.deepEqual(
            await at.backend.messages.take(100, `QoS ${qos} from mosquitto_pub`),
            numbered(update, qos, `up${qos}`, 100),
          );
          const listening = subscriber([...options, ...expiry], get, qos, 100);
          await listening.subscribed.take(1, 'SUBACK for mosquitto_sub');
          await at.backend.publish(get, qos, `down${qos}`, 100);
          assert.deepEqual(
            await listening.messages.take(100, `QoS ${qos} to mosquitto_sub`),
            numbered(get, qos, `down${qos}`, 100),
          );
          await listening.ended;
        }
        // Its session stays (-c): what comes now waits for its return.
        await at.backend.publish(get, 1, 'queued', 20);
        const returned = subscriber([...options, ...expiry], get, 1, 20);
        assert.deepEqual(
          await returned.messages.take(20, 'what was sent meanwhile'),
          numbered(get, 1, 'queued', 20),
        );
        await returned.ended;
        await at.backend.unsubscribe(update);
      },
    );
  }
}
