// Fairlead, one shard: one port for everything.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { commit, fairlead, freePort, spawnBroker, started, version, work } from '../harness.mjs';
import { dataDirectory } from './setup.mjs';

const secret = 'bench-secret-of-all';
const deviceCount = 1000;

// Certificates, which the others use too, and devices.
function prepare() {
  const run = (...args) =>
    execFileSync(fairlead, ['--data-dir', dataDirectory, ...args], { stdio: 'pipe' });
  run('cert', 'init', '--host', 'localhost', '--ip', '127.0.0.1');
  run('product', 'create', '--key', 'bench');
  const rows = Array.from({ length: deviceCount }, (_, i) => `bench,bench-${i},${secret}`);
  const file = path.join(work, 'devices.csv');
  writeFileSync(file, ['productKey,deviceName,deviceSecret', ...rows, ''].join('\n'));
  run('device', 'import', '--file', file);
}

async function start(directory) {
  const port = await freePort();
  const config = path.join(directory, 'fairlead.toml');
  writeFileSync(config, '[log]\nlevel = "warning"\n[session]\ninflight_count = 1000\n');
  const child = spawnBroker(fairlead, ['--data-dir', dataDirectory, 'serve', '--listen',
    `127.0.0.1:${port}`, '--admin', 'off', '--shards', '1', '--allow-anonymous', '--config',
    config]);
  await started(child, [port], 'fairlead');
  return { child, ports: { tcp: port, ws: port, wss: port, secured: port } };
}

export default {
  key: 'fairlead',
  name: 'Fairlead',
  note: 'as it is installed, but for one shard, `--allow-anonymous` and as many messages in flight '
    + 'to a client as mosquitto is told; sessions that are kept are on the disk, queues have '
    + 'limits; it checks the three-tuple with HMAC-SHA256, as devices '
    + 'sign it',
  version: () => `${version(fairlead, ['--version'], /fairlead (\S+)/)} at ${commit()}`,
  prepare,
  start,
  login: ['--product', 'bench', '--secret', secret, '--devices', String(deviceCount)],
};
