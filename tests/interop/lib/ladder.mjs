// What every client must be able to do: connect, subscribe, 100 messages each way at each quality
// of service, leave, and find on its return what was sent meanwhile.

import assert from 'node:assert/strict';

export const profiles = {
  // Plain MQTT: granted and delivered at the smaller of the two qualities.
  standard: { qoses: [0, 1, 2], granted: (qos) => qos },
  // The platform's rules: SUBACK is always 1, and there is no QoS 2.
  compatible: { qoses: [0, 1], granted: () => 1 },
};

export function numbered(topic, qos, prefix, count) {
  return Array.from({ length: count }, (_, i) => ({ qos, topic, payload: `${prefix}-${i}` }));
}

async function expectMessages(inbox, expected, what) {
  assert.deepEqual(await inbox.take(expected.length, what), expected, what);
}

// `client` is a Puppet or behaves like one; nobody is connected yet. `topic` is the device's own
// prefix (/pk/dn/user). `tellsPresent` is false where the client cannot say whether its session was
// there: CONNACK of MQTT 3.1 has no such flag, and some clients hide it.
export async function climb({ client, backend, topic, profile, tellsPresent = true }) {
  const { qoses, granted } = profiles[profile];
  const count = 100;
  const [update, get] = [`${topic}/update`, `${topic}/get`];
  await backend.subscribe(update);
  const connect = async (present, what) => {
    const connected = await client.connect({ resume: true });
    if (tellsPresent) assert.deepEqual(connected, { present }, what);
  };
  await connect(false, 'the session is new');
  for (const qos of qoses) {
    assert.equal(await client.subscribe(get, qos), granted(qos), `SUBACK for QoS ${qos}`);
    await client.publish(update, qos, `up${qos}`, count);
    await expectMessages(
      backend.messages,
      numbered(update, qos, `up${qos}`, count),
      `QoS ${qos} from the device`,
    );
    await backend.publish(get, qos, `down${qos}`, count);
    await expectMessages(
      client.messages,
      numbered(get, qos, `down${qos}`, count),
      `QoS ${qos} to the device`,
    );
  }
  // Some clients hand a message over before they acknowledge it. A SUBACK is proof that the
  // acknowledgement is out; without it the last message may rightly come again.
  await client.subscribe(`${topic}/barrier`, 1);
  await client.disconnect();
  await backend.publish(get, 1, 'queued', 20);
  await connect(true, 'the session is resumed');
  await expectMessages(client.messages, numbered(get, 1, 'queued', 20), 'what was sent meanwhile');
  await backend.publish(get, 1, 'live', 5);
  await expectMessages(
    client.messages,
    numbered(get, 1, 'live', 5),
    'the subscription still holds',
  );
  await client.disconnect();
  await backend.unsubscribe(update);
  assert.equal(client.messages.size, 0, 'nothing came twice');
}
