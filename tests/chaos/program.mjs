// A random program from a seed, as plain data: who takes part, and what each cycle brings. When the
// server is killed is given in milliseconds, so what it is just doing then differs each time.

import { Random } from './random.mjs';

export const cyclesOfProgram = 25;

const topics = ['c/0', 'c/1', 'c/2/x', 'c/3/y/z'];
const filters = ['c/#', 'c/+', 'c/+/#', 'c/2/x', '+/3/#'];

// Every program has all kinds of clients; which client speaks what to whom is drawn.
export function makeProgram(seed) {
  const random = new Random(seed);
  const languages = shuffled(random, [
    { client: 'strict', scheme: 'mqtt', version: 4 },
    { client: 'strict', scheme: 'wss', version: 5 },
    { client: 'mqttjs', scheme: 'wss', version: 4 },
    { client: 'mqttjs', scheme: 'wss', version: 5 },
    { client: 'strict', scheme: 'mqtt', version: 5 },
    { client: 'mqttjs', scheme: 'mqtt', version: 5 },
    { client: 'strict', scheme: 'wss', version: 4 },
    { client: 'mqttjs', scheme: 'mqtt', version: 4 },
  ]);
  let drawn = 0;
  const language = () => languages[(drawn += 1) % languages.length];
  const strict = () => ({ ...language(), client: 'strict' });
  const program = {
    seed,
    // The end of a process loses nothing under any policy; a gap leaves more between two commits.
    store: {
      sync: random.one(['always', 'always', 'interval', 'never']),
      commit_gap_ms: random.one([0, 1, 1, 20]),
    },
    publishers: each(5, (i) => publisher(random, `publisher${i}`, language())),
    retainers: each(2, (i) => retainer(random, `retainer${i}`, strict())),
    subscribers: [
      ...each(3, (i) => subscriber(random, `steady${i}`, language())),
      ...each(2, (i) => subscriber(random, `slow${i}`, language())),
      ...each(3, (i) => subscriber(random, `away${i}`, language())),
      ...each(1, (i) => subscriber(random, `restless${i}`, strict())),
      ...each(1, (i) => changing(`changing${i}`, strict())),
      ...each(1, (i) => subscriber(random, `renewing${i}`, { ...strict(), version: 5 })),
      ...each(3, (i) => member(`member${i}`, language())),
    ],
  };
  program.cycles = each(cyclesOfProgram, () => cycle(random, program));
  return program;
}

function each(count, make) {
  return Array.from({ length: count }, (_, i) => make(i));
}

function shuffled(random, list) {
  const rest = [...list];
  return list.map(() => rest.splice(random.between(0, rest.length - 1), 1)[0]);
}

function publisher(random, name, language) {
  const streams = topics.flatMap((topic) => [
    { topic, qos: 1 },
    { topic, qos: 2 },
  ]);
  return {
    name,
    ...language,
    streams: shuffled(random, streams).slice(0, random.between(3, streams.length)),
    window: random.between(1, 20), // messages on their way at a time
    everyMs: random.between(2, 12),
    bytesMax: random.one([40, 128, 1000, 20_000]),
    seed: random.between(1, 1e9),
  };
}

// Topics of its own with a retained message each; now and then it takes one away.
function retainer(random, name, language) {
  const streams = each(4, (i) => ({ topic: `r/${name}/${i}`, qos: (i % 2) + 1, retain: true }));
  return { name, ...language, streams, everyMs: 10, seed: random.between(1, 1e9) };
}

function subscriber(random, name, language) {
  const identifier = language.version === 5 && random.chance(0.5) ? random.between(1, 300) : 0;
  const first = { filter: random.one(filters), qos: random.one([1, 2, 2]), identifier };
  const second = { filter: random.one(filters), qos: random.one([1, 2]), identifier: 0 };
  const both = random.chance(0.4) && second.filter !== first.filter;
  return {
    name,
    ...language,
    subscriptions: both ? [first, second] : [first],
    receiveMaximum: language.version === 5 ? random.one([0, 5, 20]) : 0,
  };
}

// Subscribes and unsubscribes again and again.
function changing(name, language) {
  const subscriptions = [{ filter: 'c/+', qos: 2 }];
  return { name, ...language, subscriptions, changesEveryMs: 70 };
}

function member(name, language) {
  const subscriptions = [{ filter: '$share/workers/c/#', qos: 2 }];
  return { name, ...language, group: 'workers', subscriptions };
}

function cycle(random, { subscribers }) {
  const mayLeave = subscribers.filter(({ name }) => /^(away|member[12])/.test(name));
  const end = random.fraction();
  return {
    shards: random.one([1, 2, 2, 3]),
    rest: random.chance(0.3),
    end: end < 0.1 ? 'kill at start' : end < 0.18 ? 'stop' : end < 0.5 ? 'kill' : 'kill at answer',
    answer: random.one(['PUBACK', 'PUBACK', 'PUBREC', 'PUBREC', 'SUBACK', 'UNSUBACK', 'CONNACK']),
    afterMs: Math.round(600 * random.fraction() ** 2),
    takeovers: random.chance(0.5) ? random.between(1, 3) : 0,
    renews: random.chance(0.4),
    away: mayLeave.filter(() => random.chance(0.35)).map(({ name }) => name),
    politely: random.chance(0.5),
  };
}
