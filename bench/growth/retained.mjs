// Memory of retained messages, and what subscribing costs beside them.
import { median } from '../harness.mjs';
import { lineChart } from '../plot.mjs';
import {
  count, digits, fill, picture, point, quick, rounds, spread, startFairlead, startMosquitto, table,
} from './measure.mjs';

const steps = quick ? [1_000, 10_000, 100_000] : [1_000, 10_000, 100_000, 1_000_000];
// `times`: enough for the clock of the broker's CPU, which ticks a hundred times a second.
const questions = [
  { key: 'exact', title: 'exact', times: () => 20_000 },
  { key: 'device', title: '`…/7/42/#`, one message', times: () => 20_000 },
  { key: 'group', title: '`…/7/+/state`, 1,000 messages', times: () => 300 },
  { key: 'search', title: '`…/+/+/none`, nothing', times: (messages) =>
    Math.min(20_000, Math.max(4, 4e6 / messages)) },
];
const subjects = [
  { key: 'fairlead', title: 'Fairlead', start: () =>
    startFairlead({ config: '[retained]\ncount = 2000000\nbytes = 4294967296\n' }) },
  { key: 'mosquitto', title: 'mosquitto', start: startMosquitto },
];

async function open(subject) {
  const broker = await subject.start();
  const filler = fill(broker);
  await filler.tell('connect 20');
  const before = await filler.tell('rest');
  return { ...subject, broker, filler, before: before.private_bytes, points: [] };
}

async function grow({ filler, before, points }, messages) {
  const figures = { messages };
  const took = await filler.tell(`retain ${messages}`);
  const since = messages - (points.at(-1)?.messages ?? 0);
  figures.retaining_us = 1e6 * took.broker_cpu_seconds / since;
  await filler.tell('rest');
  figures.bytes_each = ((await filler.tell('rest')).private_bytes - before) / messages;
  for (const { key } of questions) figures[key] = { us: [], longest_ms: [] };
  points.push(figures);
}

async function askAll({ filler, points }) {
  const figures = points.at(-1);
  for (const { key, times } of questions) {
    const took = await filler.tell(`ask ${key} ${Math.round(times(figures.messages))}`);
    figures[key].us.push(1e6 * took.broker_cpu_seconds / took.questions);
    figures[key].longest_ms.push(took.max_ms);
  }
}

export async function measure() {
  const all = [];
  try {
    for (const subject of subjects) all.push(await open(subject));
    for (const messages of steps) {
      for (const subject of all) await grow(subject, messages);
      for (let round = 0; round < rounds; ++round) {
        for (const subject of all) await askAll(subject);
      }
      for (const { title, points } of all) {
        const figures = points.at(-1);
        console.log(`${count(messages)} retained, ${title}: ${count(figures.bytes_each)} bytes, `
          + questions.map(({ key }) => `${key} ${spread(figures[key].us, digits)}`).join(', '));
      }
    }
    return Object.fromEntries(all.map(({ key, points }) => [key, points]));
  } finally {
    for (const { broker, filler } of all) {
      await filler.end();
      await broker.end();
    }
  }
}

export function report(data) {
  const rows = data.fairlead.flatMap((_, i) => subjects.map(({ key, title }) => {
    const figures = data[key][i];
    const enough = figures.messages >= 10_000;  // to see them through blocks and the clock's ticks
    return [count(figures.messages), title, ...questions.map((question) =>
      digits(median(figures[question.key].us))), digits(median(figures.search.longest_ms)),
      enough ? digits(figures.bytes_each) : '–', enough ? digits(figures.retaining_us) : '–'];
  }));
  const plot = lineChart({
    title: 'Cost of a subscription against retained messages',
    subtitle: 'SUBSCRIBE, what it finds, and UNSUBSCRIBE, over ws. Bands: lowest and highest of '
      + 'the runs.',
    description: 'Microseconds of broker CPU against the number of retained messages. What one '
      + 'topic or device is asked for is flat; + before a level that no topic has is linear.',
    x: { label: 'retained messages, each on a topic of its own', log: true },
    y: { label: 'broker CPU, µs', log: true },
    series: [['exact', 'exact topic'], ['device', 'one device, #'],
      ['group', '+, 1,000 messages found'], ['search', '+ and +, nothing found']]
      .map(([key, name]) => ({ name,
        points: data.fairlead.map((f) => point(f.messages, f[key].us)) })),
  });
  return {
    plots: { retained: plot },
    lines: ['## Retained messages', '',
      'Who subscribes to one topic, or to all of one device, pays nothing for what is retained',
      'elsewhere; who finds 1,000 messages pays for 1,000 messages. What does grow is a filter',
      'with `+` before levels that no topic has: all topics that match its beginning are looked',
      'at, one after the other, as there is no index by later levels. mosquitto does the same; a',
      'device\'s filters begin with its own names, and cannot ask that.',
      ...picture('retained', 'Cost of a subscription against the number of retained messages'),
      'Topics are `bench/kept/GROUP/N/state`, 1,000 in a group, payload 64 bytes, QoS 1, kept on',
      'disk by Fairlead (the default), and not by mosquitto. Microseconds of the broker\'s CPU for',
      'SUBSCRIBE, the messages that are found, and UNSUBSCRIBE. *Pause*: how long the filter that',
      'looks at all topics, and finds none, took; the shard does nothing else meanwhile. Memory is',
      'private bytes for each message with its topic, and *retaining* CPU for each PUBLISH.', '',
      ...table(['messages', '', ...questions.map(({ title }) => title), 'pause, ms',
        'bytes each', 'retaining, µs'], rows), ''],
  };
}
