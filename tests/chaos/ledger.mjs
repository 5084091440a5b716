// What happened, kept outside of the server: what was sent and acknowledged, what arrived where,
// who was subscribed to what, and when. Times are ticks: one for each entry, since everything is
// seen by this one process, in one order. What must hold is in checks.mjs.

import { judgeArrival, judgeConnected } from './checks.mjs';

const violationsMax = 5;

// The messages of one publisher on one topic with one QoS: those whose order counts.
export class Stream {
  messages = new Map(); // n → Message; those that are through are forgotten
  next = 0;

  constructor(index, { publisher, topic, qos, retain = false }) {
    Object.assign(this, { index, publisher, topic, qos, retain });
  }

  toString() {
    return `${this.publisher}'s ${this.topic} at QoS ${this.qos}`;
  }
}

export class Message {
  sends = 0;
  sentAt = 0;
  takenAt = 0; // PUBACK or PUBREC has come: it is the server's now
  completed = false;
  arrivals = new Map(); // session → how often
  story = [];

  constructor(stream, n, bytes) {
    this.stream = stream;
    this.n = n;
    this.bytes = bytes; // 0: a retained message that takes the last one away
  }

  get qos() {
    return this.stream.qos;
  }

  // What a client puts into a PUBLISH.
  get packet() {
    const { topic, qos, retain } = this.stream;
    return { topic, qos, retain, payload: this.payload };
  }

  get payload() {
    return this.bytes === 0 ? '' : `${this.stream.index} ${this.n} `.padEnd(this.bytes, '.');
  }

  toString() {
    return `message ${this.n} of ${this.stream}`;
  }
}

// One client's session as the outside sees it; what a client tells while it is used.
export class Session {
  acknowledged = false; // a CONNACK has come: from then on the session must be there
  online = false;
  renewing = false; // its next connection begins a new session
  renewedAt = 0;
  connections = 0;
  filters = new Map(); // filter → { qos, identifier, grantedAt, leftAt, releasedAt }
  last = new Map(); // stream → the number of its message that arrived last, of those in order
  story = [];

  constructor(ledger, name, { group = null, storyMax = 40 } = {}) {
    this.name = name;
    this.group = group; // the shared subscription that it is a member of
    this.storyMax = storyMax;
    this.ledger = ledger;
  }

  toString() {
    return this.name;
  }

  note(what) {
    this.story.push(`cycle ${this.ledger.cycle}: ${what}`);
    if (this.story.length > this.storyMax) this.story.shift();
  }

  // ---- Told by clients ------------------------------------------------------------------------

  connected(present) {
    const at = this.ledger.tick();
    this.connections += 1;
    this.online = true;
    this.note(`connected, session ${present ? 'present' : 'new'}`);
    judgeConnected(this, present);
    this.acknowledged = true;
    if (this.renewing) this.renewedAt = at;
    this.renewing = false;
    this.ledger.answered('CONNACK');
  }

  // Its next CONNECT asks for a new session.
  renews() {
    this.ledger.tick();
    this.renewing = true;
    this.filters.clear();
    this.note('asks for a clean start');
  }

  closed() {
    this.ledger.tick();
    this.online = false;
    this.note('lost its connection');
  }

  find(payload) {
    return this.ledger.find(payload);
  }

  sent(message) {
    const at = this.ledger.tick();
    message.sends += 1;
    if (message.sends === 1) message.sentAt = at;
    this.ledger.note(message, `sent by ${this} in its connection ${this.connections}`);
  }

  taken(message, how) {
    const at = this.ledger.tick();
    if (message.takenAt > 0) return;
    message.takenAt = at;
    this.ledger.count.taken += 1;
    this.ledger.note(message, `${how} to ${this}`);
    this.ledger.answered(how);
  }

  completed(message) {
    this.ledger.tick();
    message.completed = true;
    if (message.qos === 2) this.ledger.count.exactlyOnce += 1;
  }

  arrived(packet) {
    this.ledger.tick();
    this.ledger.count.arrived += 1;
    judgeArrival(this, packet);
  }

  // A SUBSCRIBE or UNSUBSCRIBE is about to be sent, and has been answered.
  asks(filter, { qos, identifier } = {}) {
    this.ledger.tick();
    const times = { grantedAt: Infinity, leftAt: Infinity, releasedAt: 0 };
    this.filters.set(filter, { qos, identifier, ...times });
  }

  granted(filter) {
    this.filters.get(filter).grantedAt = this.ledger.tick();
    this.note(`SUBACK for ${filter}`);
    this.ledger.answered('SUBACK');
  }

  leaves(filter) {
    this.filters.get(filter).leftAt = this.ledger.tick();
  }

  released(filter) {
    this.filters.get(filter).releasedAt = this.ledger.tick();
    this.note(`UNSUBACK for ${filter}`);
    this.ledger.answered('UNSUBACK');
  }

  // The server, or a client library, did what it must not do.
  broke(sentence) {
    this.ledger.violation(sentence, { session: this });
  }
}

export class Ledger {
  cycle = 0;
  violations = [];
  streams = [];
  sessions = new Map();
  groups = new Map(); // name → { arrived: Map of stream → Set of n, members }
  count = { taken: 0, arrived: 0, repeated: 0, exactlyOnce: 0 };
  #ticks = 0;
  #awaited = null;

  tick() {
    return (this.#ticks += 1);
  }

  // Calls act() within the next answer of that kind, before anything else can happen.
  atNext(kind, act) {
    this.#awaited = { kind, act };
  }

  answered(kind) {
    if (this.#awaited?.kind !== kind) return;
    const { act } = this.#awaited;
    this.#awaited = null;
    act();
  }

  session(name, options) {
    const session = new Session(this, name, options);
    this.sessions.set(name, session);
    if (options?.group) {
      const { group } = options;
      if (!this.groups.has(group)) this.groups.set(group, { members: [], arrived: new Map() });
      this.groups.get(group).members.push(session);
    }
    return session;
  }

  stream(fields) {
    const stream = new Stream(this.streams.length, fields);
    this.streams.push(stream);
    return stream;
  }

  message(stream, bytes) {
    const message = new Message(stream, stream.next, bytes);
    stream.messages.set(stream.next, message);
    stream.next += 1;
    return message;
  }

  // The message with this payload; undefined when it is forgotten, or never was.
  find(payload) {
    const { stream, n } = this.parse(payload);
    return stream?.messages.get(n);
  }

  parse(payload) {
    const [index, n] = payload.split(' ', 2).map(Number);
    return { stream: this.streams[index], n };
  }

  note(message, what) {
    message.story.push(`cycle ${this.cycle}: ${what}`);
  }

  // Messages that have nothing more to prove.
  forget(isThrough) {
    for (const stream of this.streams) {
      for (const message of stream.messages.values()) {
        if (!isThrough(message)) break;
        stream.messages.delete(message.n);
      }
    }
  }

  violation(sentence, { message, session } = {}) {
    if (this.violations.length >= violationsMax) return; // the first ones tell what happened
    const story = [`cycle ${this.cycle}${session ? `, ${session}` : ''}: ${sentence}`];
    if (message) story.push(`  ${message}:`, ...message.story.map((each) => `    ${each}`));
    if (session) story.push(`  ${session}:`, ...session.story.map((each) => `    ${each}`));
    this.violations.push(story.join('\n'));
  }
}
