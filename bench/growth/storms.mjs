// What others notice while many filters come and go.
import { barChart } from '../plot.mjs';
import { generate, median } from '../harness.mjs';
import {
  count, digits, fill, picture, quick, rounds, startFairlead, startMosquitto, table,
} from './measure.mjs';

const filterCount = quick ? 20_000 : 100_000;
const clientCount = 200;
const storms = [
  { key: 'calm', title: 'calm' },
  { key: 'subscribing', title: 'subscribing', command: (shape) =>
    `subscribe ${shape} ${filterCount}` },
  { key: 'unsubscribing', title: 'unsubscribing', command: () => 'unsubscribe' },
];
const subjects = [
  { key: 'fairleadExact', title: 'Fairlead, exact', start: startFairlead, shape: 'exact' },
  { key: 'fairleadPlus', title: 'Fairlead, +', start: startFairlead, shape: 'plus' },
  { key: 'mosquittoExact', title: 'mosquitto, exact', start: startMosquitto, shape: 'exact' },
  { key: 'mosquittoPlus', title: 'mosquitto, +', start: startMosquitto, shape: 'plus' },
];

// Latency of twenty pairs at 2,000 messages a second until `work` is done.
async function probe(broker, work) {
  let done;
  const prober = generate(['latency', '--flows', '20', '--rate', '2000', '--until-eof',
    '--port', String(broker.port), '--pid', String(broker.child.pid)], {
    input: 'pipe',
    measuring: () => { done = work().finally(() => prober.stdin.end()); },
  });
  const { p50_ms, p99_ms, max_ms } = await prober.result;
  return { p50_ms, p99_ms, max_ms, seconds: (await done)?.wall_seconds ?? 0 };
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function measureSubject({ start, shape }) {
  const broker = await start();
  const filler = fill(broker, [], { nice: 10 });
  try {
    await filler.tell(`connect ${clientCount}`);
    const figures = {};
    for (const { key, command } of storms) {
      figures[key] = await probe(broker,
        () => (command ? filler.tell(command(shape)) : pause(quick ? 1000 : 2000)));
    }
    return figures;
  } finally {
    await filler.end();
    await broker.end();
  }
}

export async function measure() {
  const data = Object.fromEntries(subjects.map(({ key }) => [key, []]));
  for (let round = 0; round < rounds; ++round) {
    for (const subject of subjects) {
      data[subject.key].push(await measureSubject(subject));
      console.log(subject.title, JSON.stringify(data[subject.key].at(-1)));
    }
  }
  return data;
}

export function report(data) {
  const of = (key, storm, figure) => data[key].map((run) => run[storm][figure]);
  const milliseconds = (key, storm, figure) => digits(median(of(key, storm, figure)));
  const rows = subjects.map(({ key, title }) => [title,
    ...storms.flatMap((storm) => ['p50_ms', 'p99_ms'].map((figure) =>
      milliseconds(key, storm.key, figure))),
    ...['subscribing', 'unsubscribing'].flatMap((storm) =>
      [milliseconds(key, storm, 'max_ms'), digits(median(of(key, storm, 'seconds')))])]);
  const plot = barChart({
    title: `Latency while ${count(filterCount)} filters come and go`,
    subtitle: `p99 of 20 pairs over ws, 2,000 messages a second, while ${clientCount} clients `
      + 'subscribe as fast as they can. Whiskers: lowest and highest of the runs.',
    description: 'Milliseconds from the moment at which a message was due to its receiver.',
    groups: subjects.map(({ title }) => title),
    series: storms.map((storm) => {
      const values = subjects.map(({ key }) => of(key, storm.key, 'p99_ms'));
      return { name: storm.title, values: values.map(median),
        low: values.map((v) => Math.min(...v)), high: values.map((v) => Math.max(...v)) };
    }),
    value: { label: 'p99, ms', log: true },
  });
  return {
    plots: { storms: plot },
    lines: ['## Subscribing beside traffic', '',
      `${clientCount} clients, each with one SUBSCRIBE of up to 200 filters on its way, subscribe`,
      `to ${count(filterCount)} filters as fast as the broker confirms them, and then give them`,
      'up. A turn of a shard takes a few hundred filters and leaves the rest to the next, so that',
      'traffic does not wait for all that have come. Twenty pairs exchange 2,000 messages a second',
      'meanwhile. Both generators share a core, the storm with lower priority; what its messages',
      'wait for there is part of the figures.',
      ...picture('storms', 'Latency of traffic while filters come and go'),
      'Milliseconds from the moment at which a message was due until its receiver has it; *took*:',
      'seconds until all was confirmed.', '',
      ...table(['', 'calm p50', 'p99', 'subscribing p50', 'p99', 'unsubscribing p50', 'p99',
        'subscribing, worst', 'took, s', 'unsubscribing, worst', 'took, s'], rows), ''],
  };
}
