// That each check can fail: a ledger is told of a violation and must find it, and nothing else.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isThrough, judgeRetained, matches, missing, retainedNow } from './checks.mjs';
import { Ledger } from './ledger.mjs';

const nobodyAway = () => false;

// A publisher, and a subscriber with a SUBACK for `filter`.
function world({ topic = 'c/0', qos = 2, filter = 'c/#', granted = 2, identifier, group } = {}) {
  const ledger = new Ledger();
  const publisher = ledger.session('publisher');
  const stream = ledger.stream({ publisher: 'publisher', topic, qos });
  const subscriber = ledger.session('subscriber', { group });
  publisher.connected(false);
  subscriber.connected(false);
  subscriber.asks(filter, { qos: granted, identifier });
  subscriber.granted(filter);
  const send = () => {
    const message = ledger.message(stream, 30);
    publisher.sent(message);
    return message;
  };
  const take = (message) => {
    publisher.taken(message, 'PUBREC');
    publisher.completed(message);
  };
  const sendAndTake = () => {
    const message = send();
    take(message);
    return message;
  };
  const arrive = (message, { to = subscriber, ...more } = {}) =>
    to.arrived({
      topic,
      qos: Math.min(qos, granted),
      identifiers: identifier ? [identifier] : [],
      payload: message.payload,
      ...more,
    });
  const lost = () => [...missing(ledger, nobodyAway)].map(([message]) => message.n);
  return { ledger, publisher, subscriber, stream, send, take, sendAndTake, arrive, lost };
}

function expectViolation(ledger, pattern) {
  assert.equal(ledger.violations.length, 1, ledger.violations.join('\n'));
  assert.match(ledger.violations[0], pattern);
}

function expectNone(ledger) {
  assert.deepEqual(ledger.violations, []);
}

test('An acknowledged message that did not arrive is missing, one without PUBACK is not', () => {
  const { ledger, send, take, arrive, lost } = world();
  const [first, second] = [send(), send()];
  assert.deepEqual(lost(), []);
  take(first);
  assert.deepEqual(lost(), [0]);
  arrive(first);
  assert.deepEqual(lost(), []);
  arrive(second);
  expectNone(ledger);
});

test('A message of before the SUBACK is not owed, nor one of after an UNSUBSCRIBE', () => {
  const { ledger, subscriber, sendAndTake, lost } = world();
  subscriber.asks('c/#', { qos: 2 });
  sendAndTake();
  subscriber.granted('c/#');
  subscriber.leaves('c/#');
  sendAndTake();
  subscriber.released('c/#');
  assert.deepEqual(lost(), []);
  expectNone(ledger);
});

test('Who is away on purpose misses nothing yet', () => {
  const { ledger, subscriber, sendAndTake } = world();
  sendAndTake();
  assert.deepEqual([...missing(ledger, (session) => session === subscriber)], []);
});

test('A second arrival is a violation at QoS 2', () => {
  const { ledger, sendAndTake, arrive } = world();
  const message = sendAndTake();
  arrive(message);
  expectNone(ledger);
  arrive(message);
  expectViolation(ledger, /arrived a second time at QoS 2/);
});

test('A second arrival at QoS 2 is a violation after the message was forgotten, too', () => {
  const { ledger, sendAndTake, arrive } = world();
  const message = sendAndTake();
  arrive(message);
  ledger.forget((each) => isThrough(ledger, each));
  assert.equal(ledger.find(message.payload), undefined);
  arrive(message);
  expectViolation(ledger, /arrived a second time at QoS 2/);
});

test('A second arrival at QoS 1 is none', () => {
  const { ledger, sendAndTake, arrive } = world({ qos: 1 });
  const message = sendAndTake();
  arrive(message);
  arrive(message);
  expectNone(ledger);
  assert.equal(ledger.count.repeated, 1);
});

test('One that is left out is a violation as soon as a later one arrives', () => {
  const { ledger, sendAndTake, arrive } = world({ qos: 1 });
  const [, second] = [sendAndTake(), sendAndTake()];
  arrive(second);
  expectViolation(ledger, /message 0 of .* had not arrived when 1 did/);
});

test('A first arrival after a later message is a violation at QoS 2', () => {
  for (const qos of [1, 2]) {
    const { ledger, subscriber, send, arrive } = world({ qos });
    subscriber.asks('c/#', { qos: 2 });
    const [first, second] = [send(), send()]; // neither is owed: only their order is judged
    subscriber.granted('c/#');
    arrive(second);
    arrive(first);
    if (qos === 1) expectNone(ledger);
    else expectViolation(ledger, /message 0 of .* arrived after 1/);
  }
});

test('A session that was acknowledged must be present', () => {
  const { ledger, subscriber } = world();
  subscriber.closed();
  subscriber.connected(true);
  expectNone(ledger);
  subscriber.connected(false);
  expectViolation(ledger, /a session that was acknowledged is gone/);
});

test('A clean start must not find a session, nor bring messages of the one before', () => {
  const { ledger, subscriber, sendAndTake, arrive } = world();
  const old = sendAndTake();
  subscriber.renews();
  subscriber.asks('c/#', { qos: 2 });
  subscriber.connected(false);
  subscriber.granted('c/#');
  subscriber.connected(true);
  arrive(sendAndTake());
  expectNone(ledger);
  const twice = world();
  twice.subscriber.renews();
  twice.subscriber.connected(true);
  expectViolation(twice.ledger, /a clean start found a session/);
  subscriber.last.clear();
  arrive(old);
  expectViolation(ledger, /a message of before the clean start/);
});

test('After UNSUBACK only what was sent before may come', () => {
  const { ledger, subscriber, send, arrive } = world();
  const before = send();
  subscriber.leaves('c/#');
  subscriber.released('c/#');
  arrive(before);
  expectNone(ledger);
  arrive(send());
  expectViolation(ledger, /a message without a subscription/);
});

test('A subscription that came back with another QoS or identifier is a violation', () => {
  const one = world({ qos: 2, granted: 2 });
  one.arrive(one.sendAndTake(), { qos: 1 });
  expectViolation(one.ledger, /QoS 1 in place of 2/);
  const other = world({ identifier: 7 });
  other.arrive(other.sendAndTake(), { identifiers: [] });
  expectViolation(other.ledger, /identifiers , not 7/);
  const early = world({ qos: 2, granted: 2 });
  early.subscriber.asks('c/0', { qos: 1, identifier: 3 }); // as long as it is not granted
  early.arrive(early.sendAndTake());
  expectNone(early.ledger);
});

test('What nobody sent is a violation, and so is the right payload on another topic', () => {
  const one = world();
  one.subscriber.arrived({ topic: 'c/0', qos: 2, identifiers: [], payload: '0 99 ....' });
  expectViolation(one.ledger, /was never sent/);
  const other = world();
  other.arrive(other.sendAndTake(), { topic: 'c/1' });
  expectViolation(other.ledger, /on c\/1 was never sent/);
});

test('A group must get each message somewhere, and at QoS 2 once', () => {
  const filter = '$share/workers/c/#';
  const { ledger, sendAndTake, arrive, lost } = world({ filter, group: 'workers' });
  const second = ledger.session('second', { group: 'workers' });
  second.asks(filter, { qos: 2 });
  second.granted(filter);
  const message = sendAndTake();
  assert.deepEqual(lost(), [0]);
  arrive(message);
  assert.deepEqual(lost(), []);
  expectNone(ledger);
  arrive(message, { to: second });
  expectViolation(ledger, /a second time in group workers/);
});

test('A story tells who sent a message, when it was acknowledged, and where it arrived', () => {
  const { ledger, sendAndTake, arrive, subscriber } = world();
  ledger.cycle = 3;
  const message = sendAndTake();
  arrive(message);
  ledger.cycle = 4;
  arrive(message);
  assert.match(ledger.violations[0], /cycle 3: sent by publisher in its connection 1/);
  assert.match(ledger.violations[0], /cycle 3: PUBREC to publisher/);
  assert.match(ledger.violations[0], /cycle 3: arrived at subscriber/);
  assert.match(ledger.violations[0], /cycle 0: SUBACK for c\/#/);
  assert.equal(subscriber.name, 'subscriber');
});

test('A message is forgotten when it is complete and everybody has it', () => {
  const { ledger, send, take, arrive, stream } = world();
  const [first, second] = [send(), send()];
  const forget = () => {
    ledger.forget((each) => isThrough(ledger, each));
    return [...stream.messages.keys()];
  };
  take(first);
  assert.deepEqual(forget(), [0, 1]);
  arrive(first);
  assert.deepEqual(forget(), [1]);
  arrive(second);
  assert.deepEqual(forget(), [1]);
  take(second);
  assert.deepEqual(forget(), []);
});

// ---- Retained messages ------------------------------------------------------------------------

function retained(...steps) {
  const { ledger, publisher } = world();
  const stream = ledger.stream({ publisher: 'publisher', topic: 'r/0', qos: 1, retain: true });
  const payloads = steps.map(({ bytes = 30, taken = true }) => {
    const message = ledger.message(stream, bytes);
    publisher.sent(message);
    if (taken) {
      publisher.taken(message, 'PUBACK');
      publisher.completed(message);
    }
    return message.payload;
  });
  const judge = (payload) => {
    ledger.violations.length = 0;
    judgeRetained(ledger, stream, retainedNow(stream), payload);
    return ledger.violations.length === 0;
  };
  return { payloads, judge };
}

test('Retained: the last acknowledged message or a later one, and nothing else', () => {
  const { payloads, judge } = retained({}, {}, { taken: false });
  assert.deepEqual([...payloads, undefined].map(judge), [false, true, true, false]);
});

test('Retained: after an acknowledged removal there is nothing', () => {
  const { payloads, judge } = retained({}, { bytes: 0 });
  assert.deepEqual([payloads[0], undefined].map(judge), [false, true]);
});

test('Retained: a removal without acknowledgement may be in force or not', () => {
  const { payloads, judge } = retained({}, { bytes: 0, taken: false });
  assert.deepEqual([payloads[0], undefined].map(judge), [true, true]);
});

test('Retained: before the first acknowledgement there may be nothing', () => {
  const { payloads, judge } = retained({ taken: false });
  assert.deepEqual([payloads[0], undefined, '2 9 stray'].map(judge), [true, true, false]);
});

test('Filters match as MQTT says', () => {
  const yes = ['c/#', 'c/0', 'c/+', '+/0', '#', 'c/0/#', '$share/g/c/#'];
  const no = ['c', 'c/+/+', 'd/#', 'c/1', 'c/0/x', '+'];
  assert.deepEqual(
    yes.filter((each) => !matches(each, 'c/0')),
    [],
  );
  assert.deepEqual(
    no.filter((each) => matches(each, 'c/0')),
    [],
  );
});
