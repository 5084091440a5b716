// `fairlead bench`: each scenario over each transport, who it connects as, what it says when
// something is wrong. How fast anything is does not matter here.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';

import { carelessBroker } from './lib/careless_broker.mjs';
import { backendPassword, fairlead, secret } from './lib/fairlead.mjs';
import { productOf, suite } from './lib/suite.mjs';

const at = suite({
  and: async ({ server }) => {
    const rows = Object.values(productOf).flatMap((product) =>
      Array.from({ length: 8 }, (_, i) => `${product},bench-${i},${secret}`),
    );
    const file = join(server.directory, 'bench.csv');
    writeFileSync(file, [...rows, ''].join('\n'));
    await server.cli('device', 'import', '--file', file);
  },
});

const asBackend = ['--user', 'backend', '--password', backendPassword];
const always = ['--timeout', '30', '--json'];
const shortly = ['--seconds', '0.3'];

const bench = (...words) => fairlead(['--data-dir', at.server.directory, 'bench', ...words]);

// The figures of a run in which nothing went wrong.
async function measured(scenario, url, ...words) {
  const time = words.includes('--seconds') ? [] : shortly;
  const { code, stdout, stderr } = await bench(scenario, url, ...always, ...time, ...words);
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr.replace(/^fairlead: warning: the generator .*\n/, ''), /./);
  const figures = JSON.parse(stdout);
  assert.equal(figures.scenario, scenario);
  assert.equal(figures.url, url);
  assert.equal(typeof figures.generatorCpuPercent, 'number');
  assert.equal(typeof figures.generatorWasBottleneck, 'boolean');
  return figures;
}

function assertFaultless(figures) {
  assert.ok(figures.checked > 0, 'messages were delivered');
  for (const trouble of ['lost', 'duplicates', 'reordered', 'stalls']) {
    assert.equal(figures[trouble], 0, trouble);
  }
}

const sizes = {
  pair: ['--pairs', '3'],
  'fan-in': ['--publishers', '5', '--subscribers', '2'],
  'fan-out': ['--publishers', '2', '--subscribers', '5'],
  latency: ['--pairs', '3', '--rate', '200'],
};
const clients = { pair: [3, 3], 'fan-in': [5, 2], 'fan-out': [2, 10], latency: [3, 3] };

for (const scheme of ['mqtt', 'mqtts', 'ws', 'wss']) {
  for (const version of ['3.1.1', '5']) {
    const how = [...asBackend, '--mqtt-version', version];
    test(`fairlead bench, ${scheme}, MQTT ${version}`, { timeout: 90_000 }, async () => {
      const url = at.server.url(scheme);
      const connects = await measured('connect', url, ...how, '--concurrent', '4');
      assert.equal(connects.failed, 0, JSON.stringify(connects));
      assert.ok(connects.connects > 0, JSON.stringify(connects));
      const idle = await measured('idle', url, ...how, '--connections', '10');
      assert.equal(idle.connections, 10);
      for (const [scenario, size] of Object.entries(sizes)) {
        const figures = await measured(scenario, url, ...how, ...size, '-q', '1');
        assertFaultless(figures);
        assert.equal(figures.mqttVersion, version);
        assert.deepEqual([figures.publishers, figures.subscribers], clients[scenario], scenario);
        assert.equal('acknowledged' in figures, true);
        assert.equal('rate' in figures, scenario === 'latency');
      }
    });
  }
}

for (const scheme of ['mqtts', 'wss']) {
  test(`fairlead bench connect --resume counts what was resumed, ${scheme}`, async () => {
    const words = [...asBackend, '--concurrent', '2'];
    const full = await measured('connect', at.server.url(scheme), ...words);
    assert.equal('resumed' in full, false);
    // The first two have nothing to resume. On a busy machine there may be no third one in time.
    for (const seconds of ['0.3', '3', '30']) {
      const again = await measured('connect', at.server.url(scheme), ...words, '--resume',
        '--seconds', seconds);
      assert.ok(again.resumed >= again.connects - 2, JSON.stringify(again));
      if (again.connects > 2) return;
    }
    assert.fail('two connects in half a minute');
  });
}

test('fairlead bench pair with every quality, and a fan-out at a rate', async () => {
  for (const qos of ['0', '1', '2']) {
    const words = ['--pairs', '2', '-q', qos, '--window', '3', '--payload', '1000'];
    const figures = await measured('pair', at.server.url('ws'), ...asBackend, ...words);
    assertFaultless(figures);
    assert.equal(figures.qos, Number(qos));
    assert.equal('acknowledged' in figures, qos !== '0');
  }
  const words = [...asBackend, '--subscribers', '4', '--rate', '100'];
  const paced = await measured('fan-out', at.server.url('mqtt'), ...words);
  assertFaultless(paced);
  assert.equal(paced.rate, 100);
});

test('fairlead bench --pid tells what the broker used', async () => {
  const words = [...asBackend, '--pid', String(at.server.pid)];
  const pairs = await measured('pair', at.server.url('ws'), ...words, '--pairs', '2');
  assert.ok(pairs.brokerRssBytes > 1 << 20);
  assert.equal(typeof pairs.brokerCpuPercent, 'number');
  const idle = await measured('idle', at.server.url('ws'), ...words, '--connections', '50');
  assert.equal(typeof idle.privateBytesPerConnection, 'number');
  const nobody = await bench('pair', at.server.url('ws'), ...asBackend, '--pid', '999999999');
  assert.equal(nobody.code, 3);
  assert.match(nobody.stderr, /999999999/);
});

for (const [profile, product] of Object.entries(productOf)) {
  test(`fairlead bench as devices of a ${profile} product`, async () => {
    const url = at.server.url('wss');
    const file = join(at.server.directory, 'bench.csv');
    const asDevices = {
      registry: ['--product', product],
      file: ['--product', product, '--devices', file],
      secret: ['--product', product, '--secret', secret],
    };
    for (const [from, who] of Object.entries(asDevices)) {
      assertFaultless(await measured('pair', url, ...who, '--pairs', '4', '-q', '1'));
      assertFaultless(await measured('fan-in', url, ...who, '--publishers', '7'));
      const count = from === 'secret' ? ['--device-count', '8'] : [];
      const connects = await measured('connect', url, ...who, ...count);
      assert.equal(connects.concurrent, 8, 'no device is there twice');
    }
  });
}

test('What a broker loses, sends twice or out of order is counted', async () => {
  let held = null;
  const broker = await carelessBroker((number, packet) => {
    if (number === 10) return [];
    if (number === 20) return [packet, packet];
    if (number === 30) {
      held = packet;
      return [];
    }
    return number === 31 ? [packet, held] : [packet];
  });
  try {
    const words = ['--pairs', '1', '--rate', '200', ...always, ...shortly];
    const { code, stdout, stderr } = await bench('latency', broker.url, ...words);
    const figures = JSON.parse(stdout);
    assert.equal(figures.lost, 1);
    assert.equal(figures.duplicates, 1);
    assert.equal(figures.reordered, 1);
    assert.equal(code, 1);
    assert.match(stderr, /^fairlead: 1 messages were lost, 1 came twice, 1 out of order$/m);
  } finally {
    await broker.close();
  }
});

test('What waits behind a stall counts from the moment at which it was due', async () => {
  const held = [];
  const [first, last] = [110, 450]; // of a run of 500: from its warm-up nearly to its end
  const broker = await carelessBroker((number, packet) => {
    if (number < first || number > last) return [packet];
    held.push(packet);
    return number === last ? held : [];
  });
  try {
    const words = ['--pairs', '1', '--rate', '200', '--seconds', '2', '--json'];
    const { code, stdout, stderr } = await bench('latency', broker.url, ...words);
    assert.equal(code, 0, stderr);
    const figures = JSON.parse(stdout);
    assertFaultless(figures);
    // The last one was not sent before it was due, and let those go that had waited for it.
    assert.ok(figures.latencyMaxMs >= 200, stdout);
  } finally {
    await broker.close();
  }
});

test('Without --json a table of words, and nothing else where there is no terminal', async () => {
  const words = ['latency', at.server.url('ws'), ...asBackend, '--pairs', '1', '--rate', '50'];
  const { code, stdout, stderr } = await bench(...words, '--seconds', '1');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^scenario +latency$/m);
  assert.match(stdout, /^latency p99\.9 +\d+\.\d{3} ms$/m);
  assert.match(stdout, /^lost +0$/m);
  assert.equal(stderr, '');
});

test('Nobody there, and a refused CONNECT, end with 1 and say why', async () => {
  const free = createServer();
  await new Promise((done) => free.listen(0, '127.0.0.1', done));
  const { port } = free.address();
  await new Promise((done) => free.close(done));
  for (const scenario of ['connect', 'idle', 'pair', 'latency']) {
    const nobody = await bench(scenario, `mqtt://127.0.0.1:${port}`, ...always, ...shortly);
    assert.equal(nobody.code, 1, scenario);
    assert.match(nobody.stderr, new RegExp(`^fairlead: 127\\.0\\.0\\.1:${port}: .*refused`, 'm'));
    assert.equal(nobody.stdout, '');
    const wrong = ['--user', 'backend', '--password', 'wrong'];
    const refused = await bench(scenario, at.server.url('ws'), ...always, ...shortly, ...wrong);
    assert.equal(refused.code, 1, scenario);
    assert.match(refused.stderr, /refused the connection: CONNACK return code [345]/);
  }
});

test('A certificate is checked unless told otherwise', async () => {
  const url = at.server.url('wss');
  const elsewhere = (...words) =>
    fairlead(['--data-dir', '/nonexistent', 'bench', 'pair', url, ...always, ...shortly, ...words]);
  const words = [...asBackend, '--pairs', '1'];
  const unknown = await elsewhere(...words);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /certificate/);
  assert.equal((await elsewhere(...words, '--insecure')).code, 0);
  assert.equal((await elsewhere(...words, '--ca', at.server.ca)).code, 0);
});

test('A command line that makes no sense ends with 2', async () => {
  const url = at.server.url('ws');
  const wrong = {
    'a scenario': ['juggle', url],
    'an URL': ['pair', 'http://127.0.0.1:1'],
    'a TLS session without TLS': ['connect', url, '--resume'],
    'two ways to be paced': ['pair', url, '--window', '3', '--rate', '3'],
    'a size': ['pair', url, '--pairs', '0'],
    'too few devices': ['pair', url, '--product', productOf.standard, '--pairs', '1000'],
    'a secret of nobody': ['pair', url, '--secret', 'x'],
    'device and application': ['pair', url, '--product', 'p', '--user', 'u'],
  };
  for (const [what, words] of Object.entries(wrong)) {
    const { code, stderr } = await bench(...words);
    assert.equal(code, 2, `${what}: ${stderr}`);
    assert.match(stderr, /^fairlead: ./, what);
  }
});
