// The strict client against a server that is played by hand, through another codec than its own.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, test } from 'node:test';

import { Inbox } from '../interop/lib/inbox.mjs';
import { codec } from './packages.mjs';
import { PacketStream, publish } from './packets.mjs';
import { StrictClient } from './strict_client.mjs';

// A server that says what it is told to, one connection after the other.
class Played {
  #packets = new Inbox();
  #socket = null;

  static async start(version) {
    const played = new Played();
    played.version = version;
    played.listener = net.createServer((socket) => played.#accept(socket));
    await new Promise((done) => played.listener.listen(0, '127.0.0.1', done));
    after(() => played.listener.close());
    return played;
  }

  #accept(socket) {
    this.#socket = socket;
    const parser = codec.parser({ protocolVersion: this.version });
    parser.on('packet', (packet) => this.#packets.push(packet));
    socket.on('data', (bytes) => parser.parse(bytes));
    socket.on('error', () => {});
  }

  // The next packet must have these fields.
  async expect(fields) {
    const [packet] = await this.#packets.take(1, JSON.stringify(fields));
    for (const [name, value] of Object.entries(fields))
      assert.deepEqual(packet[name], value, `${name} of ${JSON.stringify(packet)}`);
    return packet;
  }

  say(packet) {
    this.#socket.write(codec.generate(packet, { protocolVersion: this.version }));
  }

  async accept(sessionPresent) {
    await this.expect({ cmd: 'connect', clean: false, protocolVersion: this.version });
    const code = this.version === 5 ? { reasonCode: 0 } : { returnCode: 0 };
    this.say({ cmd: 'connack', sessionPresent, ...code });
  }

  // Without a word.
  cut() {
    this.#socket.destroy();
  }
}

function played(title, dialogue) {
  for (const version of [4, 5]) {
    test(`${title}, MQTT ${version}`, { timeout: 30_000 }, async () => {
      const server = await Played.start(version);
      const heard = [];
      const tell =
        (what) =>
        (...args) =>
          heard.push([what, ...args].join(' '));
      const witness = Object.fromEntries(
        ['connected', 'closed', 'taken', 'completed', 'granted', 'released', 'broke'].map(
          (name) => [name, tell(name)],
        ),
      );
      witness.sent = (message) => (message.sends += 1);
      witness.arrived = ({ payload }) => heard.push(`arrived ${payload}`);
      const endpoint = () => ({
        scheme: 'mqtt',
        url: `mqtt://127.0.0.1:${server.listener.address().port}`,
      });
      const who = { name: 'c', scheme: 'mqtt', version, user: 'u', password: 'p' };
      const client = new StrictClient(who, endpoint, witness);
      client.online();
      try {
        await server.accept(false);
        await dialogue({ server, client, heard });
      } finally {
        client.offline({ politely: false });
      }
    });
  }
}

function message(qos, name) {
  const packet = { topic: 'a/b', qos, retain: false, payload: name };
  return { qos, packet, sends: 0, toString: () => name };
}

// PUBLISH of the server; mqtt-packet would write it the same.
const incoming = (messageId, payload, { qos = 2, dup = false } = {}) => ({
  cmd: 'publish',
  topic: 'a/b',
  qos,
  dup,
  retain: false,
  messageId,
  payload,
});

played(
  'What was published is sent again until it is complete',
  async ({ server, client, heard }) => {
    client.publish(message(2, 'two'));
    const { messageId } = await server.expect({ cmd: 'publish', qos: 2, dup: false });
    server.cut();
    await server.accept(true);
    await server.expect({ cmd: 'publish', qos: 2, dup: true, messageId });
    server.say({ cmd: 'pubrec', messageId });
    await server.expect({ cmd: 'pubrel', messageId });
    server.cut();
    await server.accept(true);
    await server.expect({ cmd: 'pubrel', messageId }); // and no PUBLISH before it
    client.publish(message(1, 'one'));
    const next = await server.expect({ cmd: 'publish', qos: 1, dup: false });
    assert.notEqual(next.messageId, messageId);
    server.say({ cmd: 'pubcomp', messageId });
    server.say({ cmd: 'puback', messageId: next.messageId });
    client.subscribe({ filter: 'x/#', qos: 1 });
    const asked = await server.expect({ cmd: 'subscribe' });
    server.say({ cmd: 'suback', messageId: asked.messageId, granted: [1] });
    client.unsubscribe('x/#');
    await server.expect({ cmd: 'unsubscribe', unsubscriptions: ['x/#'] });
    const order = ['taken two PUBREC', 'completed two', 'taken one PUBACK', 'completed one'];
    const told = heard.filter((each) => !/^(connected|closed)/.test(each));
    assert.deepEqual(told, [...order, 'granted x/#']);
  },
);

played('A QoS 2 message that comes again arrives once', async ({ server, heard }) => {
  server.say(incoming(5, 'first'));
  await server.expect({ cmd: 'pubrec', messageId: 5 });
  server.cut();
  await server.accept(true);
  server.say(incoming(5, 'first', { dup: true }));
  await server.expect({ cmd: 'pubrec', messageId: 5 });
  server.say({ cmd: 'pubrel', messageId: 5 });
  await server.expect({ cmd: 'pubcomp', messageId: 5 });
  server.say(incoming(5, 'second'));
  await server.expect({ cmd: 'pubrec', messageId: 5 });
  const arrived = heard.filter((each) => /^(arrived|broke)/.test(each));
  assert.deepEqual(arrived, ['arrived first', 'arrived second']);
});

played('An identifier that is used for another message is told', async ({ server, heard }) => {
  server.say(incoming(5, 'first'));
  await server.expect({ cmd: 'pubrec', messageId: 5 });
  server.cut();
  await server.accept(true);
  server.say(incoming(5, 'second'));
  await server.expect({ cmd: 'pubrec', messageId: 5 });
  assert.match(heard.at(-1), /^broke identifier 5 of "first" was used for "second"/);
});

played('A repetition without DUP, and one on the same connection, are told', async (at) => {
  at.server.say(incoming(5, 'first'));
  await at.server.expect({ cmd: 'pubrec' });
  at.server.say(incoming(5, 'first', { dup: true }));
  await at.server.expect({ cmd: 'pubrec' });
  assert.match(at.heard.at(-1), /^broke PUBLISH 5 came before the last one/);
  at.server.cut();
  await at.server.accept(true);
  at.server.say(incoming(5, 'first'));
  await at.server.expect({ cmd: 'pubrec' });
  assert.match(at.heard.at(-1), /^broke PUBLISH 5 came again without DUP/);
});

played('An acknowledgement that nobody waits for is told', async ({ server, client, heard }) => {
  server.say({ cmd: 'pubcomp', messageId: 9 });
  client.publish(message(1, 'one'));
  const { messageId } = await server.expect({ cmd: 'publish' });
  server.say({ cmd: 'pubrec', messageId });
  server.say(incoming(1, 'end', { qos: 1 }));
  await server.expect({ cmd: 'puback' });
  const broken = heard.filter((each) => each.startsWith('broke'));
  assert.match(broken[0], /PUBCOMP for identifier 9, which is not in use/);
  assert.match(broken[1], /PUBREC out of turn for one/);
});

test('Packets are the same however the stream is cut', () => {
  const fields = {
    topic: 'a/b',
    qos: 1,
    retain: true,
    dup: false,
    id: 7,
    payload: 'x'.repeat(200),
  };
  const bytes = Buffer.concat([publish(5, fields), publish(5, { ...fields, payload: '' })]);
  for (let size = 1; size <= bytes.length; size++) {
    const stream = new PacketStream(5);
    const sizes = [];
    for (let at = 0; at < bytes.length; at += size)
      stream.feed(bytes.subarray(at, at + size), ({ payload }) => sizes.push(payload.length));
    assert.deepEqual(sizes, [200, 0]);
  }
});
