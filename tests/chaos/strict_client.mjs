// An MQTT client that keeps every rule of reconnecting, and tells when the server breaks one. What
// a session needs stays in memory while connections come and go:
// - what was published and is not complete is sent again, in order, under its identifier: PUBLISH
//   with DUP until PUBREC (PUBACK) has come, PUBREL from then on;
// - identifiers of QoS 2 messages are remembered from their first PUBLISH to their PUBREL, so that
//   one that comes again is not told again;
// - an acknowledgement leaves on the connection that its packet came on, or not at all.
// A SUBSCRIBE or UNSUBSCRIBE without an answer is asked again.

import {
  PacketStream,
  acknowledge,
  connect,
  disconnect,
  pingreq,
  publish,
  subscribe,
  type,
  unsubscribe,
} from './packets.mjs';
import { dial } from './transport.mjs';

const retryMs = 15;
const slowAckMs = 3;
const failure = 0x80;
const identifierNotFound = 0x92; // PUBCOMP for a PUBREL that was answered before, unheard
const nameOf = Object.fromEntries(Object.entries(type).map(([name, kind]) => [kind, name]));

export class StrictClient {
  ready = false; // connected, and everything of earlier connections sent again
  slow = false; // acknowledges one packet every few milliseconds

  #who;
  #endpoint;
  #witness;
  #wanted = false;
  #renews = false;
  #connection = null;
  #retry = null;
  #lastId = 0;
  #outgoing = new Map(); // identifier → { message, released }, in the order of publishing
  #requests = new Map(); // identifier → { kind, filter, … }: SUBSCRIBE and UNSUBSCRIBE
  #unreleased = new Map(); // identifier of a QoS 2 message that arrived → its payload
  #pinged = null;

  // `who` is { name, scheme, version, user, password, clean, receiveMaximum }; `clean`: its session
  // ends with each connection. The witness is told everything that happens: see Session in
  // ledger.mjs.
  constructor(who, endpoint, witness) {
    this.#who = who;
    this.#endpoint = endpoint;
    this.#witness = witness;
  }

  get outstanding() {
    return this.#outgoing.size + this.#requests.size;
  }

  // Connects, and again whenever the connection is lost, until offline().
  online() {
    this.#wanted = true;
    if (!this.#connection) this.#dial();
  }

  // Says goodbye, or just vanishes.
  offline({ politely }) {
    this.#wanted = false;
    clearTimeout(this.#retry);
    const connection = this.#connection;
    if (!connection) return;
    if (politely && this.ready) {
      connection.transport.send(disconnect);
      connection.transport.end();
    } else {
      connection.transport.drop();
      this.#lost(connection);
    }
  }

  // Opens a second connection of the same session, and does not listen to the first any more; the
  // server has to close it.
  takeOver() {
    if (!this.ready) return;
    const first = this.#connection;
    this.#forget(first);
    this.#dial(first);
  }

  // Starts a new session in place of the old one: MQTT 5.0.
  renew() {
    this.#renews = true;
    const connection = this.#connection;
    if (!connection) return;
    connection.transport.drop();
    this.#lost(connection);
  }

  publish(message) {
    const id = this.#newId();
    this.#outgoing.set(id, { message, released: false });
    if (this.ready) this.#transmit(id);
  }

  subscribe({ filter, qos, identifier }) {
    this.#ask({ kind: type.subscribe, filter, qos, identifier });
  }

  unsubscribe(filter) {
    this.#ask({ kind: type.unsubscribe, filter });
  }

  // Calls pong when the server has answered.
  ping(pong) {
    this.#pinged = pong;
    this.#connection?.transport.send(pingreq);
  }

  // ---- The connection -------------------------------------------------------------------------

  #dial(previous = null) {
    clearTimeout(this.#retry);
    const { scheme, version } = this.#who;
    const connection = {
      packets: new PacketStream(version),
      unsettled: new Set(), // identifiers that count against our Receive Maximum
      owed: [], // acknowledgements of a slow client
      pace: null,
      previous, // what is taken over
    };
    const mine = () => this.#connection === connection;
    this.#connection = connection;
    connection.transport = dial(this.#endpoint(scheme), {
      open: () => mine() && connection.transport.send(connect(version, this.#connectFields())),
      data: (bytes) => mine() && this.#read(connection, bytes),
      close: () => mine() && this.#lost(connection),
    });
  }

  #connectFields() {
    const { name, user, password, clean = false, receiveMaximum } = this.#who;
    const common = { clientId: name, user, password, receiveMaximum };
    return { ...common, clean: clean || this.#renews, lasts: !clean };
  }

  #forget(connection) {
    connection.previous?.transport.drop();
    clearInterval(connection.pace);
    connection.owed = [];
    if (this.ready) this.#witness.closed();
    this.ready = false;
    this.#connection = null;
  }

  #lost(connection) {
    this.#forget(connection);
    if (this.#wanted) this.#retry = setTimeout(() => this.#dial(), retryMs);
  }

  #read(connection, bytes) {
    const answers = [];
    try {
      connection.packets.feed(bytes, (packet) => this.#take(connection, packet, answers));
    } catch (error) {
      this.#witness.broke(error.message);
    }
    if (this.#connection !== connection || answers.length === 0) return;
    if (!this.slow) connection.transport.send(Buffer.concat(answers.map((each) => each())));
    else this.#owe(connection, answers);
  }

  #owe(connection, answers) {
    connection.owed.push(...answers);
    connection.pace ??= setInterval(() => {
      const count = this.slow ? 1 : connection.owed.length;
      const due = connection.owed.splice(0, count).map((each) => each());
      if (due.length > 0) connection.transport.send(Buffer.concat(due));
      if (connection.owed.length > 0) return;
      clearInterval(connection.pace);
      connection.pace = null;
    }, slowAckMs);
  }

  // ---- Packets of the server ------------------------------------------------------------------

  // Pushes functions that give the bytes of an answer, and are called when it leaves.
  #take(connection, packet, answers) {
    switch (packet.kind) {
      case type.connack:
        return this.#onConnack(connection, packet);
      case type.publish:
        return this.#onPublish(connection, packet, answers);
      case type.pubrel:
        return this.#onPubrel(connection, packet, answers);
      case type.puback:
      case type.pubrec:
      case type.pubcomp:
        return this.#onAck(packet, answers);
      case type.suback:
      case type.unsuback:
        return this.#onAnswer(packet);
      case type.pingresp:
        return this.#pinged?.();
      default:
        return undefined; // DISCONNECT: the end of the connection follows
    }
  }

  #onConnack(connection, { present, reason }) {
    if (reason !== 0) return this.#witness.broke(`CONNECT was refused with ${reason}`);
    if (!present) this.#unreleased.clear();
    this.#renews = false;
    connection.previous?.transport.drop();
    this.#witness.connected(present);
    this.ready = true;
    for (const id of this.#outgoing.keys()) this.#transmit(id);
    for (const id of this.#requests.keys()) this.#request(id);
    return undefined;
  }

  #onPublish(connection, packet, answers) {
    const { qos, id, payload } = packet;
    if (qos === 0) return this.#witness.arrived(packet);
    if (connection.unsettled.has(id))
      this.#witness.broke(`PUBLISH ${id} came before the last one of that identifier was settled`);
    connection.unsettled.add(id);
    const { receiveMaximum } = this.#who;
    if (receiveMaximum && connection.unsettled.size > receiveMaximum)
      this.#witness.broke(`more than ${receiveMaximum} messages are in flight`);
    if (qos === 1) {
      this.#witness.arrived(packet);
      this.#settle(connection, answers, type.puback, id);
      return undefined;
    }
    const known = this.#unreleased.get(id);
    if (known === undefined) {
      this.#unreleased.set(id, payload);
      this.#witness.arrived(packet);
    } else if (known !== payload) {
      const [first, second] = [known, payload].map((each) => each.slice(0, 20));
      this.#witness.broke(`identifier ${id} of "${first}" was used for "${second}" unreleased`);
    } else if (!packet.dup) {
      this.#witness.broke(`PUBLISH ${id} came again without DUP`);
    }
    answers.push(() => acknowledge(this.#who.version, type.pubrec, id));
    return undefined;
  }

  #onPubrel(connection, { id }, answers) {
    const known = this.#unreleased.delete(id);
    this.#settle(connection, answers, type.pubcomp, id, known ? 0 : identifierNotFound);
  }

  #settle(connection, answers, kind, id, reason) {
    answers.push(() => {
      connection.unsettled.delete(id);
      return acknowledge(this.#who.version, kind, id, reason);
    });
  }

  #onAck({ kind, id, reason }, answers) {
    const entry = this.#outgoing.get(id);
    const name = nameOf[kind].toUpperCase();
    if (!entry) return this.#witness.broke(`${name} for identifier ${id}, which is not in use`);
    const { message } = entry;
    const secondStep = entry.released ? type.pubcomp : type.pubrec;
    if (kind !== (message.qos === 1 ? type.puback : secondStep))
      return this.#witness.broke(`${name} out of turn for ${message}`);
    if (reason >= failure && reason !== identifierNotFound)
      return this.#witness.broke(`${name} with ${reason} for ${message}`);
    if (kind !== type.pubcomp) this.#witness.taken(message, name);
    if (kind === type.pubrec) {
      entry.released = true;
      answers.push(() => acknowledge(this.#who.version, type.pubrel, id));
    } else {
      this.#outgoing.delete(id);
      this.#witness.completed(message);
    }
    return undefined;
  }

  #onAnswer({ kind, id, reasons }) {
    const request = this.#requests.get(id);
    const name = nameOf[kind].toUpperCase();
    if (!request || kind !== request.kind + 1)
      return this.#witness.broke(`${name} for identifier ${id}, which did not ask for it`);
    this.#requests.delete(id);
    const { filter, qos } = request;
    if (kind === type.unsuback) return this.#witness.released(filter);
    if (reasons[0] !== qos) return this.#witness.broke(`${filter} was granted ${reasons[0]}`);
    return this.#witness.granted(filter);
  }

  // ---- Packets of ours ------------------------------------------------------------------------

  #newId() {
    do {
      this.#lastId = (this.#lastId % 65_535) + 1;
    } while (this.#outgoing.has(this.#lastId) || this.#requests.has(this.#lastId));
    return this.#lastId;
  }

  #transmit(id) {
    const { version } = this.#who;
    const { message, released } = this.#outgoing.get(id);
    if (released) {
      this.#connection.transport.send(acknowledge(version, type.pubrel, id));
      return;
    }
    const dup = message.sends > 0;
    this.#witness.sent(message);
    this.#connection.transport.send(publish(version, { ...message.packet, dup, id }));
  }

  #ask(request) {
    const id = this.#newId();
    this.#requests.set(id, request);
    if (this.ready) this.#request(id);
  }

  #request(id) {
    const { version } = this.#who;
    const request = this.#requests.get(id);
    const write = request.kind === type.subscribe ? subscribe : unsubscribe;
    this.#connection.transport.send(write(version, id, request));
  }
}
