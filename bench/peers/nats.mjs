// Debian's nats-server: MQTT 3.1.1 beside its own protocol. A process has WebSocket with TLS or
// without, and passwords for all or for none.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort, spawnBroker, started, version } from '../harness.mjs';
import { certificate, plainLogin } from './setup.mjs';

async function start(directory, scenario) {
  const [own, tcp, web] = [await freePort(), await freePort(), await freePort()];
  const tls = `tls { cert_file: "${certificate.file}", key_file: "${certificate.key}" }`;
  const users = `authorization { users: [{ user: "${plainLogin.user}", `
    + `password: "${plainLogin.password}" }] }`;
  const config = path.join(directory, 'nats.conf');
  writeFileSync(config, `
server_name: bench
listen: "127.0.0.1:${own}"
jetstream { store_dir: "${directory}" }
mqtt { listen: "127.0.0.1:${tcp}" }
websocket { listen: "127.0.0.1:${web}", ${scenario.port === 'wss' ? tls : 'no_tls: true'} }
${scenario.port === 'secured' ? users : ''}
`);
  const child = spawnBroker('nats-server', ['-c', config, '-l', '/dev/null']);
  await started(child, [tcp, web], 'nats-server');
  return { child, ports: { tcp, ws: web, wss: web, secured: web } };
}

export default {
  key: 'nats',
  name: 'nats-server',
  note: 'MQTT needs JetStream, whose messages of QoS 1 go through files that are not synced; the '
    + 'password stands in its configuration as it is; QoS 2 and MQTT 5 it does not have',
  version: () => version('nats-server', ['--version'], /v(\d\S+)/),
  start,
  login: plainLogin.words,
  cannot: (scenario) => scenario.qos === 2,
};
