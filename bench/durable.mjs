// What durability costs: QoS 1 and 2 to sessions that are kept, with each promise that Fairlead and
// mosquitto can give; and how long a server with much in its store takes to start.
import { spawn } from 'node:child_process';
import {
  cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync }
  from 'node:fs';
import path from 'node:path';
import { variants } from './durable_report.mjs';
import { grouped, median } from './figures.mjs';
import {
  brokerCore, fairlead, freePort, generate, rounds, seconds, started, stop, work,
} from './harness.mjs';
import { startPlain } from './peers/mosquitto.mjs';

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

const startMosquitto = (variant, directory) => startPlain(directory,
  ['persistence true', `persistence_location ${directory}/data/`, ...variant.mosquitto]);

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
    const speed = (v) => median(row.results[v.key].map((r) => r.per_broker_cpu_second));
    console.log(`${row.scenario.title}: ${variants.map((v) =>
      `${v.key} ${grouped(speed(v))}`).join(', ')}`);
  }
  return rows;
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
