// What durability costs: QoS 1 and 2 to sessions that are kept, with each promise that Fairlead and
// mosquitto can give; and how long a server with much in its store takes to start.
import { spawn } from 'node:child_process';
import {
  cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync }
  from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  brokerCore, fairlead, freePort, generate, median, rounds, seconds, started, stop, work,
} from './harness.mjs';

// What a broker promises with its PUBACK or PUBREC.
const variants = [
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

const flows = (count, qos, ...more) =>
  ['--flows', String(count), '--qos', String(qos), '--persistent', ...more];
const scenarios = [
  { title: 'online, 1 publisher', args: flows(1, 1) },
  { title: 'online, 10 publishers', args: flows(10, 1) },
  { title: 'online, 100 publishers', args: flows(100, 1) },
  { title: 'offline, 1 publisher, one message at a time',
    args: flows(1, 1, '--offline', '--window', '1') },
  { title: 'offline, 1 publisher', args: flows(1, 1, '--offline') },
  { title: 'offline, 10 publishers', args: flows(10, 1, '--offline') },
  { title: 'offline, 100 publishers', args: flows(100, 1, '--offline') },
  { title: 'online, 100 publishers, QoS 2', args: flows(100, 2) },
  { title: 'offline, 100 publishers, QoS 2', args: flows(100, 2, '--offline') },
];

function freshDirectory(name) {
  const directory = mkdtempSync(path.join(work, `${name}-`));
  mkdirSync(path.join(directory, 'data'));
  return directory;
}

async function startMosquitto(variant, directory) {
  const port = await freePort();
  const unused = await freePort();  // 2.0.11 refuses to start with WebSocket listeners alone
  const config = path.join(directory, 'mosquitto.conf');
  writeFileSync(config, `
persistence true
persistence_location ${directory}/data/
${variant.mosquitto.join('\n')}
log_type none
max_queued_messages 0
max_inflight_messages 1000
set_tcp_nodelay true
allow_anonymous true
user ${os.userInfo().username}
listener ${unused} 127.0.0.1
listener ${port} 127.0.0.1
protocol websockets
`);
  const child = spawn('taskset', ['-c', brokerCore, 'mosquitto', '-c', config],
    { stdio: ['ignore', 'ignore', 'pipe'] });
  await started(child, [port], 'mosquitto');
  return { child, port };
}

function spawnFairlead(directory, port) {
  return spawn('taskset', ['-c', brokerCore, fairlead, '--data-dir', path.join(directory, 'data'),
    'serve', '--listen', `127.0.0.1:${port}`, '--admin', 'off', '--shards', '1',
    '--allow-anonymous', '--config', path.join(directory, 'fairlead.toml')],
  { stdio: ['ignore', 'pipe', 'pipe'] });
}

// Queues that never drop, as mosquitto's.
function writeConfig(directory, store) {
  cpSync(path.join(work, 'data/certs'), path.join(directory, 'data/certs'), { recursive: true });
  writeFileSync(path.join(directory, 'fairlead.toml'), `
[log]
level = "warning"
[session]
queue_count = 100000000
queue_bytes = 4294967295
[store]
${store}
`);
}

async function startFairlead(variant, directory) {
  writeConfig(directory, variant.store);
  const port = await freePort();
  const child = spawnFairlead(directory, port);
  await started(child, [port], 'fairlead');
  return { child, port };
}

// One run with a broker and a disk of its own.
async function measure(variant, scenario) {
  const directory = freshDirectory(variant.key);
  const start = variant.mosquitto ? startMosquitto : startFairlead;
  const { child, port } = await start(variant, directory);
  try {
    return await generate(['traffic', '--seconds', seconds, ...scenario.args, '--port',
      String(port), '--pid', String(child.pid)]).result;
  } finally {
    await stop(child, 'SIGKILL');
    rmSync(directory, { recursive: true });
  }
}

export async function measureDurables() {
  const rows = scenarios.map((scenario) => (
    { scenario, results: Object.fromEntries(variants.map((v) => [v.key, []])) }));
  for (const row of rows) {
    for (let round = 0; round < rounds; ++round) {
      for (const variant of variants) {
        row.results[variant.key].push(await measure(variant, row.scenario));
      }
    }
    console.log(`${row.scenario.title}: ${variants.map((v) =>
      `${v.key} ${number(row, v, 'per_broker_cpu_second')}`).join(', ')}`);
  }
  return rows;
}

const middle = (row, variant, key) => median(row.results[variant.key].map((r) => r[key]));
const number = (row, variant, key) => Math.round(middle(row, variant, key)).toLocaleString('en-US');

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

// --- Recovery ------------------------------------------------------------------------------------

const sessionCount = Number(process.env.RECOVERY_SESSIONS ?? 100_000);
const queuedCount = 10;

function said(child, word) {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
      if (text.includes(word)) resolve(text);
    });
    child.on('exit', () => reject(new Error(`fairlead ended: ${text}`)));
  });
}

const memory = (pid) =>
  Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) * 1024;

// The process is the last one whose CPU time counts: taskset becomes fairlead.
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function storeBytes(directory) {
  return readdirSync(path.join(directory, 'data')).filter((name) => name.startsWith('store.db'))
    .reduce((total, name) => total + statSync(path.join(directory, 'data', name)).size, 0);
}

async function timedStart(directory) {
  const fileBytes = storeBytes(directory);
  const begun = performance.now();
  const child = spawnFairlead(directory, 0);
  const text = await said(child, 'listening');
  const took = (performance.now() - begun) / 1000;
  return { child, port: Number(text.match(/listening .*:(\d+)/)[1]),
    figures: { seconds: took, cpu: cpuSeconds(child.pid), rss: memory(child.pid), fileBytes } };
}

export async function measureRecovery() {
  const directory = freshDirectory('recovery');
  writeConfig(directory, 'sync = "always"');
  const first = await timedStart(directory);
  const results = { empty: [first.figures], killed: [], stopped: [] };
  results.fill = await generate(['fill', '--connections', String(sessionCount), '--queued',
    String(queuedCount), '--concurrent', '1000', '--prefix', 'kept', '--port', String(first.port),
    '--pid', String(first.child.pid)]).result;
  results.fill.rss = memory(first.child.pid);
  let child = first.child;
  for (let round = 0; round < rounds; ++round) {
    for (const [name, signal] of [['killed', 'SIGKILL'], ['stopped', 'SIGTERM']]) {
      await stop(child, signal);
      const next = await timedStart(directory);
      results[name].push(next.figures);
      child = next.child;
    }
  }
  await stop(child, 'SIGKILL');
  rmSync(directory, { recursive: true });
  console.log(JSON.stringify(results));
  return results;
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
    `${fill.sessions.toLocaleString('en-US')} sessions with a subscription each, and`,
    `${fill.messages.toLocaleString('en-US')} messages of 64 bytes that wait for them. From the`,
    'start of the process to `listening`; the file is in the system\'s cache. One shard, on one',
    `core. Filling it took ${fill.sessions_seconds.toFixed(1)} s for the sessions, connected over`,
    `ws, and ${fill.messages_seconds.toFixed(1)} s for the messages; the process that took them`,
    `had ${megabytes(fill.rss)} then.`, '',
    '| | until `listening` | CPU | RSS then | store on disk |', '|---|--:|--:|--:|--:|',
    recoveryRow('nothing in the store', results.empty),
    recoveryRow('after `kill -9`', results.killed),
    recoveryRow('after a clean end', results.stopped)];
}
