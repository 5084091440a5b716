// What a message costs beside more and more subscriptions that it does not match.
import { median } from '../harness.mjs';
import { lineChart } from '../plot.mjs';
import {
  count, digits, fill, pairCost, picture, point, quick, rounds, spread, startFairlead,
  startMosquitto, table,
} from './measure.mjs';

const steps = quick ? [10, 1_000, 100_000] : [10, 1_000, 100_000, 1_000_000];
const sessionCount = 500;
const deep = ['--topic-prefix', 'bench/a/b/c/d/e'];

// `shape`: of fairlead-growth; without one the broker stays empty, for comparison beside the rest.
const subjects = [
  { key: 'none', title: 'Fairlead, none', start: startFairlead },
  { key: 'exact', title: 'Fairlead, exact', start: startFairlead, shape: 'exact' },
  { key: 'plus', title: 'Fairlead, +', start: startFairlead, shape: 'plus' },
  { key: 'hash', title: 'Fairlead, #', start: startFairlead, shape: 'hash' },
  { key: 'crossed', title: 'Fairlead, worst case', start: startFairlead, shape: 'crossed',
    more: deep },
  { key: 'deep', title: 'Fairlead, none, eight levels', start: startFairlead, more: deep },
  { key: 'mosquittoNone', title: 'mosquitto, none', start: startMosquitto },
  { key: 'mosquittoExact', title: 'mosquitto, exact', start: startMosquitto, shape: 'exact' },
  { key: 'mosquittoPlus', title: 'mosquitto, +', start: startMosquitto, shape: 'plus' },
  { key: 'mosquittoCrossed', title: 'mosquitto, worst case', start: startMosquitto,
    shape: 'crossed', more: deep },
];

async function open(subject) {
  const broker = await subject.start();
  if (!subject.shape) return { ...subject, broker, points: [] };
  const filler = fill(broker, subject.more);
  await filler.tell(`connect ${sessionCount}`);
  await filler.tell('rest');
  return { ...subject, broker, filler, points: [] };
}

async function grow(subject, filters) {
  const figures = { filters, qos0: [], qos1: [] };
  subject.points.push(figures);
  if (!subject.filler) return;
  const took = await subject.filler.tell(`subscribe ${subject.shape} ${filters}`);
  figures.subscribing_cpu_seconds = took.broker_cpu_seconds;
  figures.private_bytes = (await subject.filler.tell('rest')).private_bytes;
}

export async function measure() {
  const open_ = [];
  try {
    for (const subject of subjects) open_.push(await open(subject));
    for (const filters of steps) {
      for (const subject of open_) await grow(subject, filters);
      for (let round = 0; round < rounds; ++round) {
        for (const qos of [0, 1]) {
          for (const { broker, more, points } of open_) {
            points.at(-1)[`qos${qos}`].push(await pairCost(broker, qos, more));
          }
        }
      }
      for (const { title, points } of open_) {
        const { qos0, qos1 } = points.at(-1);
        console.log(`${count(filters)} filters, ${title}: ${spread(qos0)}, ${spread(qos1)} ns`);
      }
    }
    return Object.fromEntries(open_.map(({ key, points }) => [key, points]));
  } finally {
    for (const { broker, filler } of open_) {
      await filler?.end();
      await broker.end();
    }
  }
}

const titleOf = (key) => subjects.find((subject) => subject.key === key).title;

function costTable(data, qos) {
  const rows = data.none.map((_, i) => [count(data.none[i].filters),
    ...subjects.map(({ key }) => spread(data[key][i][`qos${qos}`]))]);
  return table(['filters', ...subjects.map(({ title }) => title)], rows);
}

function memoryTable(data) {
  const shaped = subjects.filter(({ shape }) => shape);
  const rows = shaped.map(({ key, title }) => {
    const [first, last] = [data[key][0], data[key].at(-1)];
    const added = last.filters - first.filters;
    const cpu = data[key].reduce((sum, figures) => sum + figures.subscribing_cpu_seconds, 0);
    return [title, digits((last.private_bytes - first.private_bytes) / added),
      digits(1e6 * cpu / last.filters)];
  });
  return table(['', 'bytes per subscription', 'µs of CPU to subscribe'], rows);
}

// How much dearer a message is at the most filters than beside none, in the same minutes.
function growthOf(data, key, without, qos) {
  const at = (of) => median(data[of].at(-1)[`qos${qos}`]);
  return (at(key) / at(without)).toFixed(2);
}

function plot(data) {
  const shown = ['exact', 'plus', 'hash', 'crossed', 'mosquittoExact', 'mosquittoPlus',
    'mosquittoCrossed'];
  return lineChart({
    title: 'Cost of a message beside subscriptions that it does not match',
    subtitle: `100 pairs over ws, QoS 0, 64 bytes; the filters are held by ${sessionCount} other `
      + 'sessions. Bands: lowest and highest of the runs.',
    description: 'Nanoseconds of broker CPU for each delivered message, against the number of '
      + 'filters. The lines of exact filters and of those with + and # are flat; the worst case '
      + 'rises until all branches are there, then it is flat, too.',
    x: { label: 'filters in the broker', log: true },
    y: { label: 'broker CPU, ns per message', log: true },
    series: shown.map((key) => ({ name: titleOf(key), dashed: key.startsWith('mosquitto'),
      points: data[key].map((figures) => point(figures.filters, figures.qos0)) })),
  });
}

export function report(data) {
  const most = count(data.none.at(-1).filters);
  const growth = (key, without = 'none') => [0, 1].map((qos) =>
    growthOf(data, key, without, qos)).join(' and ');
  return {
    plots: { subscriptions: plot(data) },
    lines: ['## Subscriptions', '',
      'A message costs the same however many filters there are that it does not match: beside',
      `${most} filters it takes, at QoS 0 and 1, ${growth('exact')} times the CPU that it takes`,
      `beside none (exact ones), ${growth('plus')} times (\`+\`) and ${growth('hash')} times`,
      '(`#`). What is above 1 for filters with wildcards is there with ten of them already: the',
      'three levels of the topic are looked up in the tree, once there is one.',
      ...picture('subscriptions', 'Cost of a message against the number of filters'),
      `The filters are held by ${sessionCount} sessions over ws, with one of four shapes:`,
      '`bench/flow/device-N/set`, `bench/flow/device-N/+/set`, `bench/flow/device-N/#`; the',
      'traffic is on `bench/flow/N`, so that it shares the levels before the device\'s with all of',
      'them. *Worst case*: topics of eight levels, and filters in which each of the first seven is',
      'the topic\'s or `+`, by the bits of their number. Only their last level does not match, so',
      'that 255 places of the tree have to be looked at: a message costs what the branches that',
      'match its beginning cost, at most 2 to the power of its levels, and never more for more',
      'filters beyond that. Devices cannot make such filters where their products\' topics are',
      'those of the platform: each begins with its own names.', '',
      'Nanoseconds of the broker\'s CPU for each delivered message, QoS 0; median',
      '(lowest–highest). All brokers run side by side and are measured in turn, each beside an',
      'empty one of its kind (*none*).', '',
      ...costTable(data, 0), '', 'QoS 1:', '', ...costTable(data, 1), '',
      'Private memory for each subscription, the session\'s own record of it included, between ten',
      'filters and all of them, and the CPU of subscribing:', '',
      ...memoryTable(data), ''],
  };
}
