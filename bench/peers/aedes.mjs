// aedes, from npm: a library for Node, here with a program around it (aedes_broker.mjs).
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { firstWords, root, spawnBroker } from '../harness.mjs';
import { certificate, plainLogin } from './setup.mjs';

const folder = path.join(root, 'bench/peers');

async function start() {
  const child = spawnBroker(process.execPath, [path.join(folder, 'aedes_broker.mjs'),
    certificate.file, certificate.key, plainLogin.user, plainLogin.password], 'pipe');
  return { child, ports: JSON.parse(await firstWords(child, 'aedes')) };
}

function version() {
  const file = path.join(folder, 'node_modules/aedes/package.json');
  return `${JSON.parse(readFileSync(file, 'utf8')).version} on Node ${process.versions.node}`;
}

export default {
  key: 'aedes',
  name: 'aedes',
  note: 'everything in memory, without compression, WebSocket by `ws`; its program compares '
    + 'passwords in constant time. All threads of its process share the core, '
    + 'which has two seconds to compile it before each run',
  version,
  start,
  warmUp: 2,
  login: plainLogin.words,
};
