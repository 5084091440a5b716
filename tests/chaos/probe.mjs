// Asks for the retained messages, as a new subscriber.

import { judgeRetained, retainedNow } from './checks.mjs';
import { StrictClient } from './strict_client.mjs';

// Connects, subscribes, and judges what it was served: all of it comes between SUBACK and the
// PINGRESP that is asked after it. Returns { done, abandon() }.
export function probeRetained(ledger, server, number) {
  const streams = ledger.streams.filter(({ retain }) => retain);
  const came = new Map(); // topic → payload
  let before = []; // of each stream, what it may be
  const probe = { done: false, abandon: () => client.offline({ politely: false }) };
  const judge = () => {
    for (const [stream, from] of before)
      judgeRetained(ledger, stream, from, came.get(stream.topic));
    probe.done = true;
    probe.abandon();
  };
  const witness = {
    connected() {
      before = streams.map((each) => [each, retainedNow(each)]);
      client.subscribe({ filter: 'r/#', qos: 0 });
    },
    arrived: ({ topic, retain, payload }) => retain && came.set(topic, payload),
    granted: () => client.ping(judge),
    closed: () => {},
    broke: (sentence) => ledger.violation(`the probe: ${sentence}`),
  };
  const version = 4 + (number % 2);
  const who = { name: `probe${number}`, scheme: 'mqtt', version, clean: true, ...server.login };
  const client = new StrictClient(who, server.endpoint, witness);
  client.online();
  return probe;
}
