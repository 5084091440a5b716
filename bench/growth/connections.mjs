// What a message costs beside idle connections, and what those take.
import { median } from '../harness.mjs';
import { lineChart } from '../plot.mjs';
import {
  count, digits, fill, pairCost, picture, point, quick, rounds, spread, startFairlead,
  startMosquitto, table,
} from './measure.mjs';

const steps = quick ? [100, 1_000, 5_000] : [100, 1_000, 5_000, 15_000];
const subjects = [
  { key: 'none', title: 'Fairlead, none', start: startFairlead },
  { key: 'fairlead', title: 'Fairlead', start: startFairlead, filled: true },
  { key: 'mosquittoNone', title: 'mosquitto, none', start: startMosquitto },
  { key: 'mosquitto', title: 'mosquitto', start: startMosquitto, filled: true },
];

async function open(subject) {
  const broker = await subject.start();
  const filler = subject.filled ? fill(broker) : undefined;
  await filler?.tell('connect 20');  // what is made once is not counted
  const before = await filler?.tell('rest');
  return { ...subject, broker, filler, before: before?.private_bytes, points: [] };
}

async function grow(subject, connections) {
  const figures = { connections, qos0: [], qos1: [] };
  subject.points.push(figures);
  if (!subject.filler) return;
  await subject.filler.tell(`connect ${connections}`);
  await subject.filler.tell(`subscribe exact ${connections}`);
  const { private_bytes } = await subject.filler.tell('rest');
  figures.bytes_each = (private_bytes - subject.before) / (connections - 20);
}

export async function measure() {
  const all = [];
  try {
    for (const subject of subjects) all.push(await open(subject));
    for (const connections of steps) {
      for (const subject of all) await grow(subject, connections);
      for (let round = 0; round < rounds; ++round) {
        for (const qos of [0, 1]) {
          for (const { broker, points } of all) {
            points.at(-1)[`qos${qos}`].push(await pairCost(broker, qos));
          }
        }
      }
      for (const { title, points } of all) {
        const { qos0, qos1, bytes_each } = points.at(-1);
        console.log(`${count(connections)} idle, ${title}: ${spread(qos0)}, ${spread(qos1)} ns; `
          + `${count(bytes_each ?? 0)} bytes each`);
      }
    }
    return Object.fromEntries(all.map(({ key, points }) => [key, points]));
  } finally {
    for (const { broker, filler } of all) {
      await filler?.end();
      await broker.end();
    }
  }
}

export function report(data) {
  const rows = data.none.map((figures, i) => [count(figures.connections),
    ...subjects.flatMap(({ key }) => ['qos0', 'qos1'].map((qos) => spread(data[key][i][qos]))),
    ...['fairlead', 'mosquitto'].map((key) => digits(data[key][i].bytes_each))]);
  const growth = ['qos0', 'qos1'].map((qos) =>
    (median(data.fairlead.at(-1)[qos]) / median(data.none.at(-1)[qos])).toFixed(2)).join(' and ');
  const plot = lineChart({
    title: 'Cost of a message beside idle connections',
    subtitle: '100 pairs over ws, 64 bytes; the others have one subscription each and are silent. '
      + 'Bands: lowest and highest of the runs.',
    description: 'Nanoseconds of broker CPU for each delivered message, against the number of '
      + 'idle connections.',
    x: { label: 'idle connections', log: true },
    y: { label: 'broker CPU, ns per message', log: true },
    series: ['fairlead', 'mosquitto'].flatMap((key) => [0, 1].map((qos) => ({
      name: `${key === 'fairlead' ? 'Fairlead' : 'mosquitto'}, QoS ${qos}`,
      dashed: key === 'mosquitto',
      points: data[key].map((figures) => point(figures.connections, figures[`qos${qos}`])),
    }))),
  });
  return {
    plots: { connections: plot },
    lines: ['## Idle connections', '',
      `Beside ${count(data.none.at(-1).connections)} connections that are silent a message costs,`,
      `at QoS 0 and 1, ${growth} times what it costs beside none; each of them takes the same`,
      'memory, however many there are.',
      ...picture('connections', 'Cost of a message against the number of idle connections'),
      'Nanoseconds of the broker\'s CPU for each delivered message, and private bytes for each',
      'idle connection over ws with its session and one subscription. *None*: a second broker of',
      'the same kind, without idle connections, measured in turn with the first.', '',
      ...table(['idle', ...subjects.flatMap(({ title }) => [`${title}, QoS 0`, 'QoS 1']),
        'bytes each, Fairlead', 'mosquitto'], rows), ''],
  };
}
