// Two shards against one: what a message costs, and how many pass in a second of the clock.
import os from 'node:os';
import { brokerCore, generate, median } from '../harness.mjs';
import { barChart } from '../plot.mjs';
import {
  fill, picture, quick, rounds, spread, startFairlead, table,
} from './measure.mjs';

const bothCores = '0,1';
const nice = 19;  // of the generator: it has what the broker leaves
const seconds = quick ? '0.5' : '1.5';
const sides = [
  { key: 'one', title: 'one shard', shards: 1, cores: brokerCore },
  { key: 'two', title: 'two shards', shards: 2, cores: bothCores },
];
const flood = (publishers, receivers) => ({ filler }) =>
  filler.tell(`flood ${publishers} ${receivers} ${seconds}`);
const scenarios = [
  { key: 'pair', title: '100 pairs 1:1, QoS 0', run: flood(100, 1), timed: true },
  { key: 'fanout', title: 'fan-out 1 → 500, QoS 0', run: flood(1, 500), timed: true },
  { key: 'fanouts', title: '8 fan-outs 1 → 60, QoS 0', run: flood(8, 60), timed: true },
  { key: 'pair1', title: '100 pairs 1:1, QoS 1', async run({ broker }) {
    const result = await generate(['traffic', '--qos', '1', '--warm-up', '0.3', '--seconds',
      seconds, '--port', String(broker.port), '--pid', String(broker.child.pid)], { nice }).result;
    return { ...result, messages: result.delivered };
  } },
];

export async function measure() {
  if (os.cpus().length < 2) return undefined;
  const data = Object.fromEntries(scenarios.map(({ key }) => [key, { one: [], two: [] }]));
  const all = [];
  try {
    for (const side of sides) {
      const broker = await startFairlead(side);
      all.push({ ...side, broker, filler: fill(broker, [], { nice, cores: bothCores }) });
    }
    for (let round = 0; round < 2 * rounds; ++round) {
      for (const { key, run } of scenarios) {
        for (const side of all) {
          const took = await run(side);
          data[key][side.key].push({ ns: 1e9 * took.broker_cpu_seconds / took.messages,
            per_second: took.messages / took.wall_seconds,
            busy: took.broker_cpu_seconds / took.wall_seconds,
            generator: took.generator_cpu_seconds / took.wall_seconds });
        }
      }
    }
    for (const { key } of scenarios) console.log(key, JSON.stringify(data[key]));
    return data;
  } finally {
    for (const { broker, filler } of all) {
      await filler.end();
      await broker.end();
    }
  }
}

export function report(data) {
  if (!data) return { plots: {}, lines: ['## Two shards', '', 'Not measured: one core.', ''] };
  const of = (key, side, figure) => data[key][side].map((run) => run[figure]);
  const middle = (key, side, figure) => median(of(key, side, figure));
  const gain = (key) => 2 * middle(key, 'one', 'ns') / middle(key, 'two', 'ns');
  const percent = (value) => `${Math.round(100 * value)} %`;
  const timed = scenarios.filter((scenario) => scenario.timed);
  const plot = barChart({
    title: 'Two shards against one',
    subtitle: 'Messages per second that two saturated shards deliver, as a multiple of one: twice '
      + 'the ratio of what a message costs. 2 is the most.',
    description: 'Bars near two: a message costs hardly more with two shards than with one.',
    groups: scenarios.map(({ title }) => title),
    series: [{ name: 'both cores the broker\'s', values: scenarios.map(({ key }) => gain(key)) }],
    value: { label: 'times one shard', show: (value) => value.toFixed(value % 1 ? 2 : 0) },
  });
  return {
    plots: { shards: plot },
    lines: ['## Two shards', '',
      `Two shards on two cores deliver ${gain('pair').toFixed(2)} times what one delivers on one`,
      `core, with 100 pairs, and ${gain('fanout').toFixed(2)} times with a fan-out to 500.`,
      'Sessions live on the shard that their names hash to, so that half of the pairs have their',
      'publisher on one and their subscriber on the other: what is missing to 2 is the mail',
      'between them.',
      ...picture('shards', 'Throughput of two shards as a multiple of one'),
      'How it is measured: this machine has two cores, and somebody has to send. So the figure is',
      'not taken from the clock, but from what a message costs the broker, in CPU of all its',
      'threads: two shards that have two cores for themselves deliver 2 ÷ (CPU of a message with',
      'two shards), one shard 1 ÷ (CPU with one). That holds as long as both shards have the same',
      'to do. The generator runs at nice 19, so that it has what the broker leaves, and costs',
      'little: it sends blocks of 64 frames that were made once, and has the kernel discard what',
      'comes, by its size. QoS 1 is the ordinary generator, at nice 19, too. Both brokers are',
      'measured in turn.', '',
      ...table(['', 'ns per message, one shard', 'two shards', 'times one, both cores busy'],
        scenarios.map(({ key, title }) => [title, spread(of(key, 'one', 'ns')),
          spread(of(key, 'two', 'ns')), `**${gain(key).toFixed(2)}**`])), '',
      'By the clock, with the generator on the same two cores. *Busy* is the CPU of the broker',
      'per second, 200 % at most with two shards: what is missing went to the generator, to the',
      'system, to other work on the machine, or was spent waiting for one another.', '',
      ...table(['', 'messages per second, one shard', 'two shards', 'ratio', 'busy, one shard',
        'two shards', 'generator, two shards'], timed.map(({ key, title }) => [title,
        spread(of(key, 'one', 'per_second')), spread(of(key, 'two', 'per_second')),
        (middle(key, 'two', 'per_second') / middle(key, 'one', 'per_second')).toFixed(2),
        percent(middle(key, 'one', 'busy')), percent(middle(key, 'two', 'busy')),
        percent(middle(key, 'two', 'generator'))])), ''],
  };
}
