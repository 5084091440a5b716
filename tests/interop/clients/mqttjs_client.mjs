// MQTT.js, led by lines: see lib/puppet.mjs.

import { readFileSync } from 'node:fs';

import mqtt from 'mqtt';

import { obey, say } from './obey.mjs';

const [url, ca, clientId, username, password, version, localAddress] = process.argv.slice(2);
let client;

obey({
  async connect(resume) {
    const protocolVersion = Number(version);
    client = mqtt.connect(url, {
      clientId,
      username,
      password,
      protocolVersion,
      protocolId: protocolVersion === 3 ? 'MQIsdp' : 'MQTT',
      clean: resume === '0',
      ...(protocolVersion === 5 && resume === '1'
        ? { properties: { sessionExpiryInterval: 300 } }
        : {}),
      ca: readFileSync(ca),
      ...(localAddress ? { localAddress, wsOptions: { localAddress } } : {}),
      reconnectPeriod: 0,
    });
    client.on('message', (topic, payload, { qos }) => say('message', qos, topic, payload));
    const connack = await new Promise((done, failed) => {
      client.once('connect', done).once('error', failed);
      client.once('close', () => failed(new Error('closed before CONNACK')));
    });
    return ['connected', connack.sessionPresent ? 1 : 0];
  },
  async subscribe(filter, qos) {
    const [granted] = await client.subscribeAsync(filter, { qos: Number(qos) });
    return ['subscribed', granted.qos];
  },
  async publish(topic, qos, prefix, count) {
    const sent = [];
    for (let i = 0; i < Number(count); i++) {
      sent.push(client.publishAsync(topic, `${prefix}-${i}`, { qos: Number(qos) }));
    }
    await Promise.all(sent);
    return ['published', count];
  },
  async disconnect() {
    await client.endAsync();
    return ['disconnected'];
  },
});
