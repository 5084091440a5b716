// Debian's mosquitto: MQTT over everything, with the libwebsockets of Debian.
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

async function start(directory) {
  const ports = { tcp: await freePort(), ws: await freePort(), wss: await freePort(),
    secured: await freePort() };
  const config = path.join(directory, 'mosquitto.conf');
  writeFileSync(config, `
per_listener_settings true
persistence false
log_type none
max_queued_messages 100000
max_inflight_messages 1000
set_tcp_nodelay true
user ${os.userInfo().username}
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
  const child = spawnBroker('mosquitto', ['-c', config]);
  await started(child, Object.values(ports), 'mosquitto');
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
