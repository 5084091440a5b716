// A back end: an application client that sees every device's messages and can send to any.

import mqtt from 'mqtt';

import { backendPassword } from './fairlead.mjs';
import { Inbox } from './inbox.mjs';

export class Backend {
  messages = new Inbox();
  #client;

  static async connect(server, name = 'backend') {
    const backend = new Backend();
    backend.#client = await mqtt.connectAsync(server.url('mqtt'), {
      clientId: `${name}-${process.pid}`,
      username: name,
      password: backendPassword,
      reconnectPeriod: 0,
    });
    backend.#client.on('message', (topic, payload, packet) =>
      backend.messages.push({ qos: packet.qos, topic, payload: payload.toString() }),
    );
    backend.#client.on('close', () =>
      backend.messages.fail(new Error('the back end was disconnected')),
    );
    return backend;
  }

  async subscribe(filter, qos = 2) {
    const [granted] = await this.#client.subscribeAsync(filter, { qos });
    if (granted.qos !== qos) throw new Error(`${filter} was granted ${granted.qos}, not ${qos}`);
  }

  unsubscribe(filter) {
    return this.#client.unsubscribeAsync(filter);
  }

  // Resolves when all are acknowledged (sent, at QoS 0).
  publish(topic, qos, prefix, count) {
    return Promise.all(
      Array.from({ length: count }, (_, i) =>
        this.#client.publishAsync(topic, `${prefix}-${i}`, { qos }),
      ),
    );
  }

  close() {
    return this.#client.endAsync();
  }
}
