// Debian's mosquitto, with the libwebsockets of Debian: MQTT over everything, or over ws alone.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort, spawnBroker, started, version, work } from '../harness.mjs';
import { certificate, plainLogin } from './setup.mjs';

const passwords = path.join(work, 'passwords');

function prepare() {
  writeFileSync(passwords, `${plainLogin.user}:${plainLogin.password}\n`, { mode: 0o600 });
  execFileSync('mosquitto_passwd', ['-U', passwords]);
}

// What all of them are told.
const common = `
log_type none
max_inflight_messages 1000
set_tcp_nodelay true
user ${os.userInfo().username}
`;

async function run(directory, ports, lines) {
  const config = path.join(directory, 'mosquitto.conf');
  writeFileSync(config, `${common}${lines.trim()}\n`);
  const child = spawnBroker('mosquitto', ['-c', config]);
  await started(child, ports, 'mosquitto');
  return child;
}

// { child, port }: ws, anonymous; `persistence` is lines of its configuration.
export async function startPlain(directory, persistence = ['persistence false']) {
  const port = await freePort();
  const unused = await freePort();  // 2.0.11 refuses to start with WebSocket listeners alone
  const child = await run(directory, [port], `
${persistence.join('\n')}
max_queued_messages 0
allow_anonymous true
listener ${unused} 127.0.0.1
listener ${port} 127.0.0.1
protocol websockets
`);
  return { child, port };
}

async function start(directory) {
  const ports = { tcp: await freePort(), ws: await freePort(), wss: await freePort(),
    secured: await freePort() };
  const child = await run(directory, Object.values(ports), `
per_listener_settings true
persistence false
max_queued_messages 100000
listener ${ports.tcp} 127.0.0.1
allow_anonymous true
listener ${ports.ws} 127.0.0.1
protocol websockets
allow_anonymous true
listener ${ports.wss} 127.0.0.1
protocol websockets
allow_anonymous true
cafile ${certificate.authority}
certfile ${certificate.file}
keyfile ${certificate.key}
listener ${ports.secured} 127.0.0.1
protocol websockets
allow_anonymous false
password_file ${passwords}
`);
  return { child, ports };
}

export default {
  key: 'mosquitto',
  name: 'mosquitto',
  note: '`persistence false` but where durability is measured, no log, TCP_NODELAY, queues that '
    + 'never drop; its passwords are PBKDF2',
  version: () => version('mosquitto', ['-h'], /version (\S+)/),
  prepare,
  start,
  login: plainLogin.words,
};
