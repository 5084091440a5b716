// Two shards against one, each beside a generator on its own core.
import os from 'node:os';
import { brokerCore, generate, loadCore, median } from '../harness.mjs';
import { barChart } from '../plot.mjs';
import { count, picture, quick, rounds, spread, startFairlead, table } from './measure.mjs';

const times = ['--warm-up', '0.5', '--seconds', quick ? '0.5' : '2'];
const pairs = ['--flows', '100'];
const fanOut = ['--flows', '1', '--receivers', '500'];
const scenarios = [
  { key: 'pair', title: '100 pairs, QoS 0', args: pairs },
  { key: 'pair1', title: '100 pairs, QoS 1', args: [...pairs, '--qos', '1'] },
  { key: 'pair2', title: '100 pairs, QoS 2', args: [...pairs, '--qos', '2'] },
  { key: 'durable1', title: '100 pairs, QoS 1, durable',
    args: [...pairs, '--qos', '1', '--persistent'] },
  { key: 'fanout', title: 'fan-out 1 → 500, QoS 0', args: fanOut },
  { key: 'fanout1k', title: 'fan-out 1 → 500, 1 KB', args: [...fanOut, '--payload', '1024'] },
  { key: 'fanout1', title: 'fan-out 1 → 500, QoS 1', args: [...fanOut, '--qos', '1'] },
];
const sides = [
  { key: 'one', shards: 1, cores: [brokerCore] },
  { key: 'two', shards: 2, cores: [brokerCore, loadCore] },
];

const sum = (values) => values.reduce((total, value) => total + value, 0);

// A generator on each core of the side, with clients and topics of its own.
async function run({ args }, { broker, cores }) {
  const parts = await Promise.all(cores.map((core) => generate(['traffic', ...args, ...times,
    '--prefix', `load-${core}`, '--topic-prefix', `topics-${core}`,
    '--port', String(broker.port), '--pid', String(broker.child.pid)], { core }).result));
  if (parts.some(({ lost, late, stalls }) => lost + late + stalls > 0)) {
    throw new Error(`messages were lost or late: ${JSON.stringify(parts)}`);
  }
  const perSecond = sum(parts.map(({ delivered, wall_seconds: seconds }) => delivered / seconds));
  const busy = sum(parts.map((part) => part.broker_cpu_seconds / part.wall_seconds)) / parts.length;
  const generators = sum(parts.map((part) => part.generator_cpu_seconds / part.wall_seconds));
  return { per_second: perSecond, busy, generators, ns: 1e9 * busy / perSecond };
}

export async function measure() {
  if (os.cpus().length < 2) return undefined;
  const data = Object.fromEntries(scenarios.map(({ key }) => [key, { one: [], two: [] }]));
  const all = [];
  try {
    for (const side of sides) {
      all.push({ ...side, broker: await startFairlead({ ...side, cores: side.cores.join(',') }) });
    }
    for (let round = 0; round < 2 * rounds - 1; ++round) {
      for (const scenario of scenarios) {
        for (const side of all) data[scenario.key][side.key].push(await run(scenario, side));
      }
    }
    for (const { key, title } of scenarios) {
      console.log(`${title}: ${spread(gains(data[key]), ratio)} times one shard`);
    }
    return data;
  } finally {
    for (const { broker } of all) await broker.end();
  }
}

const ratio = (value) => value.toFixed(2);
// Of the runs of one round.
const gains = ({ one, two }) => two.map((run, i) => run.per_second / one[i].per_second);

export function report(data) {
  if (!data) return { plots: {}, lines: ['## Two shards', '', 'Not measured: one core.', ''] };
  const gain = (key) => ratio(median(gains(data[key])));
  const middle = (key, side, figure) => median(data[key][side].map((run) => run[figure]));
  const percent = (value) => `${Math.round(100 * value)} %`;
  const plot = barChart({
    title: 'Two shards against one',
    subtitle: 'Messages per second of two cores, as a multiple of those of one core, with a shard '
      + 'and a load generator on each core. 2: the second core gives as much as the first. '
      + 'Whiskers: lowest and highest.',
    description: 'Bars near two: a message costs hardly more with two shards than with one.',
    groups: scenarios.map(({ title }) => title),
    series: [{ name: 'two shards on two cores',
      values: scenarios.map(({ key }) => median(gains(data[key]))),
      low: scenarios.map(({ key }) => Math.min(...gains(data[key]))),
      high: scenarios.map(({ key }) => Math.max(...gains(data[key]))) }],
    value: { label: 'times one shard on one core',
      show: (value) => value.toFixed(value % 1 ? 2 : 0) },
  });
  return {
    plots: { shards: plot },
    lines: ['## Two shards', '',
      `Two shards deliver ${gain('pair')} times what one delivers with 100 pairs at QoS 0,`,
      `${gain('pair1')} times at QoS 1, and ${gain('fanout')} times with fan-outs to 500.`,
      'Sessions live on the shard that their names hash to, so that half of the pairs have their',
      'publisher on one and their subscriber on the other: what is missing to 2 is the mail',
      'between them, and what its lines cost to fetch from the other core\'s cache.',
      ...picture('shards', 'Throughput of two shards as a multiple of one'),
      'How it is measured: somebody has to send, and a machine with two cores has none to spare.',
      'So one core with a shard and a load generator is compared with two such cores: two shards,',
      'and two generators, pinned to a core each, with clients and topics of their own, all at',
      'equal priority. Nobody has idle time, so that the ratio of messages per second is what the',
      'second core adds to all of it; the generators share nothing with each other, so that what',
      'it does not add is the broker\'s. Both brokers are measured in turn; the ratio is the',
      'median of those of a round, with the lowest and the highest. Where it is above 2 there is',
      'more to share than work: two cores have two caches for what a fan-out copies, and one wait',
      'for the disk serves both shards.', '',
      ...table(['', 'times one shard', 'messages per second, one shard', 'two shards',
        'ns of the broker per message, one shard', 'two shards', 'broker, two shards',
        'generators'], scenarios.map(({ key, title }) => [title,
        spread(gains(data[key]), ratio).replace(/\S+/, '**$&**'),
        count(middle(key, 'one', 'per_second')), count(middle(key, 'two', 'per_second')),
        count(middle(key, 'one', 'ns')), count(middle(key, 'two', 'ns')),
        percent(middle(key, 'two', 'busy')), percent(middle(key, 'two', 'generators'))])), ''],
  };
}
