// What bench/durable.mjs has measured, as tables.
import { grouped, median } from './figures.mjs';

// What a broker promises with its PUBACK or PUBREC.
export const variants = [
  { key: 'none', title: 'Fairlead, no store', store: 'enabled = false',
    promise: 'nothing outlives the process' },
  { key: 'never', title: '`never`', store: 'sync = "never"',
    promise: 'survives the end of the process, `kill -9` too; a power cut takes what the system '
      + 'has not yet written' },
  { key: 'interval', title: '`interval`', store: 'sync = "interval"',
    promise: 'the same; a power cut takes one second at most' },
  { key: 'always', title: '`always`', store: 'sync = "always"',
    promise: 'on the disk, or with every subscriber: a power cut takes nothing. The default' },
  { key: 'lazy', title: 'mosquitto', mosquitto: ['autosave_interval 1800'],
    promise: '`persistence true`, and its defaults: all of its state is written every half hour '
      + 'and at a clean end. `kill -9` takes up to half an hour' },
  { key: 'eager', title: 'mosquitto, careful',
    mosquitto: ['autosave_on_changes true', 'autosave_interval 1'],
    promise: 'as careful as it can be: all of its state is written anew after each turn of its '
      + 'loop that changed something; an acknowledgement does not wait for that, so that '
      + '`kill -9` still takes what came since' },
];

const middle = (row, variant, key) => median(row.results[variant.key].map((r) => r[key]));
const number = (row, variant, key) => grouped(middle(row, variant, key));

function share(row, variant, key) {
  if (variant.mosquitto || variant.key === 'none') return '';
  return ` (${Math.round(100 * middle(row, variant, key) / middle(row, variants[0], key))} %)`;
}

const milliseconds = (value) => (value < 10 ? value.toFixed(2) : value.toFixed(0));

function table(rows, cell) {
  const lines = [`| | ${variants.map((v) => v.title).join(' | ')} |`,
    `|---|${variants.map(() => '--:|').join('')}`];
  for (const row of rows) {
    const cells = variants.map((variant) => cell(row, variant));
    lines.push(`| ${[row.scenario.title, ...cells].join(' | ')} |`);
  }
  return lines;
}

function trouble(rows) {
  const found = [];
  for (const { scenario, results } of rows) {
    for (const variant of variants) {
      for (const key of ['lost', 'late', 'stalls']) {
        const count = results[variant.key].reduce((total, r) => total + r[key], 0);
        if (count > 0) found.push(`${scenario.title}, ${variant.title}: ${key} ${count}`);
      }
    }
  }
  return found.join('; ') || 'none';
}

const speed = (key) => (row, variant) => number(row, variant, key) + share(row, variant, key);

export function durableReport(rows) {
  return ['', '## What durability costs', '',
    'Each publisher has one subscriber, whose session is kept. It is *online*, or *offline*: it',
    'has subscribed, and gone before the first message, so that all messages are kept. Payload 64',
    'bytes, 16 of each publisher on their way; QoS 1 where nothing else is said. Messages are',
    'those received, or of subscribers that are offline those acknowledged; queues never overflow.',
    'All threads of the broker, the one that writes too, share its core. In brackets: of the speed',
    'without a store.', '',
    'What an acknowledgement promises:', '',
    ...variants.map((v) => `- ${v.title}: ${v.promise}.`), '',
    'Messages per second of the broker\'s CPU, its writer included:', '',
    ...table(rows, speed('per_broker_cpu_second')), '',
    'Messages per second of the clock:', '',
    ...table(rows, speed('per_second')), '',
    'From PUBLISH to PUBACK (QoS 2: PUBREC), p50 / p99 in milliseconds. With many on their way',
    'this is mostly their number divided by the speed; *one message at a time* is the answer time',
    'of an idle broker:', '',
    ...table(rows, (row, variant) => `${milliseconds(middle(row, variant, 'answer_p50_ms'))} / `
      + milliseconds(middle(row, variant, 'answer_p99_ms'))), '',
    `Lost, late, stalls of two seconds: ${trouble(rows)}.`];
}

const megabytes = (bytes) => `${Math.round(bytes / 2 ** 20)} MB`;

function recoveryRow(title, results) {
  const of = (key) => median(results.map((r) => r[key]));
  return `| ${[title, `${of('seconds').toFixed(2)} s`, `${of('cpu').toFixed(2)} s`,
    megabytes(of('rss')), megabytes(of('fileBytes'))].join(' | ')} |`;
}

export function recoveryReport(results) {
  const { fill } = results;
  return ['', '## Start with a full store', '',
    `${grouped(fill.sessions)} sessions with a subscription each, and`,
    `${grouped(fill.messages)} messages of 64 bytes that wait for them. From the`,
    'start of the process to `listening`; the file is in the system\'s cache. One shard, on one',
    `core. Filling it took ${fill.sessions_seconds.toFixed(1)} s for the sessions, connected over`,
    `ws, and ${fill.messages_seconds.toFixed(1)} s for the messages; the process that took them`,
    `had ${megabytes(fill.rss)} then.`, '',
    '| | until `listening` | CPU | RSS then | store on disk |', '|---|--:|--:|--:|--:|',
    recoveryRow('nothing in the store', results.empty),
    recoveryRow('after `kill -9`', results.killed),
    recoveryRow('after a clean end', results.stopped)];
}
