// The two device SDKs of the platform for Node, led by lines (see lib/puppet.mjs), with nothing but
// brokerUrl changed. They build client id and password themselves, and subscribe to system topics
// unasked: `connected` is said when all those are granted.
//
//   sdk_client.mjs PACKAGE URL PRODUCT_KEY DEVICE_NAME DEVICE_SECRET SUBSCRIPTIONS

import { createRequire } from 'node:module';

import { obey, say } from './obey.mjs';

const [sdk, brokerUrl, productKey, deviceName, deviceSecret, subscriptions] = process.argv.slice(2);
const iot = createRequire(import.meta.url)(sdk);
let device;

function connected() {
  return new Promise((done, failed) => {
    let present = 0;
    let granted = 0;
    const client = device._mqttClient;
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'connack') {
        if (packet.returnCode !== 0) return failed(new Error(`CONNACK ${packet.returnCode}`));
        present = packet.sessionPresent ? 1 : 0;
      }
      if (packet.cmd === 'suback') {
        if (packet.granted.some((code) => code > 2))
          return failed(new Error(`SUBACK ${packet.granted}`));
        granted += packet.granted.length;
        if (granted === Number(subscriptions)) return done(present);
      }
      return undefined;
    });
    device.on('error', failed);
  });
}

obey({
  async connect(resume) {
    device = iot.device({ productKey, deviceName, deviceSecret, brokerUrl, clean: resume === '0' });
    device.on('message', (topic, payload, { qos }) => say('message', qos, topic, payload));
    return ['connected', await connected()];
  },
  subscribe(filter, qos) {
    return new Promise((done, failed) => {
      device.subscribe(filter, { qos: Number(qos) }, (error, granted) =>
        error ? failed(error) : done(['subscribed', granted[0].qos]),
      );
    });
  },
  async publish(topic, qos, prefix, count) {
    const one = (i) =>
      new Promise((done, failed) => {
        device.publish(topic, `${prefix}-${i}`, { qos: Number(qos) }, (error) =>
          error ? failed(error) : done(),
        );
      });
    await Promise.all(Array.from({ length: Number(count) }, (_, i) => one(i)));
    return ['published', count];
  },
  disconnect() {
    return new Promise((done) => {
      device.end(false, () => done(['disconnected']));
    });
  },
});
