// MQTT.js as a second kind of client, as an application uses it: one object for the whole run, with
// stores that outlive connections. What was read in its code and what is made of it:
// - what is not complete is sent again after CONNACK, one message after the other, under its
//   identifier (without DUP, which a server must bear);
// - a QoS 2 message is told at its PUBREL; until then it is in the store of incoming messages;
// - a publish() between CONNACK and the end of sending again would overtake older messages, so
//   `ready` begins with the event `connect`, which comes after that;
// - an acknowledgement that could not be written is sent on the next connection, as late as that.

import { Store, mqtt } from './packages.mjs';

const retryMs = 20;
const slowMessageMs = 3;
const identifierNotFound = 0x92; // PUBCOMP for a PUBREL that was answered before, unheard

export class MqttJsClient {
  ready = false;
  slow = false;

  #who;
  #endpoint;
  #witness;
  #client = null;
  #stores = {
    incomingStore: new Store({ clean: false }),
    outgoingStore: new Store({ clean: false }),
  };
  #sent = new Map(); // identifier → message, until it is complete
  #incomplete = new Set();

  constructor(who, endpoint, witness) {
    this.#who = who;
    this.#endpoint = endpoint;
    this.#witness = witness;
  }

  get outstanding() {
    return this.#incomplete.size;
  }

  online() {
    if (!this.#client) this.#start();
    else if (this.#client.disconnected) this.#client.reconnect(this.#stores);
    else if (this.#client.disconnecting)
      this.#client.once('end', () => this.#client.reconnect(this.#stores));
  }

  offline({ politely }) {
    this.#client.end(!(politely && this.ready));
  }

  publish(message) {
    const { topic, payload, qos, retain } = message.packet;
    this.#incomplete.add(message);
    this.#client.publish(topic, payload, { qos, retain }, (error) => {
      this.#incomplete.delete(message);
      if (error && error.code !== identifierNotFound)
        this.#witness.broke(`MQTT.js gave up ${message}: ${error.message}`);
      else this.#witness.completed(message);
    });
  }

  subscribe({ filter, qos, identifier }) {
    const more = identifier ? { properties: { subscriptionIdentifier: identifier } } : {};
    this.#client.subscribe(filter, { qos, ...more }, (error, [granted] = []) => {
      if (error) this.#witness.broke(`SUBSCRIBE to ${filter}: ${error.message}`);
      else if (granted.qos !== qos) this.#witness.broke(`${filter} was granted ${granted.qos}`);
      else this.#witness.granted(filter);
    });
  }

  #start() {
    const { name, user, password, scheme, version, receiveMaximum } = this.#who;
    const { url, ca } = this.#endpoint(scheme);
    const properties = { sessionExpiryInterval: 3600 };
    if (receiveMaximum) properties.receiveMaximum = receiveMaximum;
    this.#client = mqtt.connect(url, {
      ...this.#stores,
      ca,
      clientId: name,
      username: user,
      password,
      protocolVersion: version,
      clean: false,
      keepalive: 600,
      resubscribe: false,
      reconnectPeriod: retryMs,
      reconnectOnConnackError: true,
      ...(version === 5 ? { properties } : {}),
    });
    this.#client
      .on('connect', () => (this.ready = true))
      .on('close', () => this.#closed())
      .on('error', (error) => this.#failed(error))
      .on('packetsend', (packet) => this.#watchOut(packet))
      .on('packetreceive', (packet) => this.#watchIn(packet))
      .on('message', (topic, payload, packet) => this.#arrived(topic, payload, packet));
    this.#client.handleMessage = (packet, done) =>
      this.slow ? setTimeout(done, slowMessageMs) : done();
  }

  #closed() {
    if (this.ready) this.#witness.closed();
    this.ready = false;
  }

  // Errors of the network are what this is about; Node gives them a name. Others are the server's,
  // and so are those of frames and of TLS.
  #failed({ code, message }) {
    const named = typeof code === 'string' && !/^(WS_ERR|ERR_SSL)/.test(code);
    const early = /^WebSocket was closed before/.test(message);
    if (!named && !early) this.#witness.broke(`MQTT.js: ${message}`);
  }

  #watchOut(packet) {
    if (packet.cmd !== 'publish') return;
    const message = this.#witness.find(packet.payload.toString('latin1'));
    this.#sent.set(packet.messageId, message);
    this.#witness.sent(message);
  }

  #watchIn({ cmd, messageId, sessionPresent, returnCode, reasonCode }) {
    if (cmd === 'connack' && !(returnCode ?? reasonCode)) this.#witness.connected(sessionPresent);
    if (cmd !== 'puback' && cmd !== 'pubrec') return;
    const message = this.#sent.get(messageId);
    if (message && !(reasonCode >= 0x80)) this.#witness.taken(message, cmd.toUpperCase());
  }

  #arrived(topic, payload, { qos, retain, dup, properties }) {
    const identifiers = [properties?.subscriptionIdentifier ?? []].flat();
    const text = payload.toString('latin1');
    this.#witness.arrived({ topic, qos, retain, dup, identifiers, payload: text });
  }
}
