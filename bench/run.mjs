// Fairlead against Debian's mosquitto, and the roof, in turn, on one machine: broker on one core,
// load on the other. Prints progress, writes bench/RESULTS.md. Needs build/release and mosquitto,
// no root.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { durableReport, measureDurables, measureRecovery, recoveryReport } from './durable.mjs';
import {
  brokerCore, fairlead, freePort, generate, generator, loadCore, machine, median, roof, root,
  rounds, seconds, started, stop, version, work,
} from './harness.mjs';

const secret = 'bench-secret-of-all';
const deviceCount = 1000;

const traffic = (...more) => ['traffic', '--seconds', seconds, ...more];
const fanOut = (...more) => traffic('--flows', '1', '--receivers', '500', ...more);
const connects = (...more) => ['connects', '--seconds', seconds, ...more];
const idle = (...more) => ['idle', '--connections', '5000', ...more];
const credentials = {
  mosquitto: ['--user', 'bench', '--password', 'bench-password'],
  fairlead: ['--product', 'bench', '--secret', secret, '--devices', String(deviceCount)],
};

// What the generator does, and on which of a broker's ports. Speeds are better when they are
// higher, `memory` when it is lower. `roofed`: measured against the bare program, too.
const scenarios = [
  { key: 'pair0', title: 'ws, 100 pairs 1:1, QoS 0', roofed: true,
    args: () => traffic('--qos', '0') },
  { key: 'pair0w1', title: 'ws, 100 pairs 1:1, QoS 0, one on its way', roofed: true,
    args: () => traffic('--qos', '0', '--window', '1') },
  { key: 'pair1', title: 'ws, 100 pairs 1:1, QoS 1', roofed: true,
    args: () => traffic('--qos', '1') },
  { key: 'pair2', title: 'ws, 100 pairs 1:1, QoS 2', roofed: true,
    args: () => traffic('--qos', '2') },
  { key: 'fanout0', title: 'ws, fan-out 1 → 500, QoS 0', roofed: true,
    args: () => fanOut('--qos', '0') },
  { key: 'fanout0k', title: 'ws, fan-out 1 → 500, QoS 0, 1 KB', roofed: true,
    args: () => fanOut('--qos', '0', '--payload', '1024') },
  { key: 'fanout1', title: 'ws, fan-out 1 → 500, QoS 1', roofed: true,
    args: () => fanOut('--qos', '1') },
  { key: 'wsspair1', title: 'wss, 100 pairs 1:1, QoS 1', roofed: true, port: 'tls',
    args: () => traffic('--qos', '1', '--tls') },
  { key: 'wssfanout0', title: 'wss, fan-out 1 → 500, QoS 0', roofed: true, port: 'tls',
    args: () => fanOut('--qos', '0', '--tls') },
  { key: 'connect', title: 'ws connects, anonymous', args: () => connects() },
  { key: 'auth', title: 'ws connects, three-tuple / password', port: 'secured',
    args: (broker) => connects(...credentials[broker]) },
  { key: 'idlews', title: 'idle ws connection, one subscription', memory: true,
    args: () => idle() },
  { key: 'idlewss', title: 'idle wss connection, one subscription', memory: true, port: 'tls',
    args: () => idle('--tls', '--concurrent', '20') },
];

// What the clients that are connected notice when this many connect at once.
const stormCount = 5000;
const storms = [
  { key: 'stormws', title: 'ws', port: 'plain', args: [] },
  { key: 'stormwss', title: 'wss, full handshakes', port: 'tls', args: ['--tls'] },
];

const certs = path.join(work, 'data/certs');

function prepare() {
  const run = (...args) =>
    execFileSync(fairlead, ['--data-dir', path.join(work, 'data'), ...args], { stdio: 'pipe' });
  run('cert', 'init', '--host', 'localhost', '--ip', '127.0.0.1');
  run('product', 'create', '--key', 'bench');
  const rows = Array.from({ length: deviceCount }, (_, i) => `bench,bench-${i},${secret}`);
  const file = path.join(work, 'devices.csv');
  writeFileSync(file, ['productKey,deviceName,deviceSecret', ...rows, ''].join('\n'));
  run('device', 'import', '--file', file);
  const passwords = path.join(work, 'passwords');
  writeFileSync(passwords, 'bench:bench-password\n', { mode: 0o600 });
  execFileSync('mosquitto_passwd', ['-U', passwords]);
}

// A broker has its ports for: anyone, anyone in TLS, those with credentials.
async function startMosquitto() {
  const ports = { plain: await freePort(), tls: await freePort(), secured: await freePort(),
    unused: await freePort() };  // 2.0.11 refuses to start with WebSocket listeners alone
  const config = path.join(work, 'mosquitto.conf');
  writeFileSync(config, `
per_listener_settings true
persistence false
log_type none
max_queued_messages 100000
max_inflight_messages 1000
set_tcp_nodelay true
user ${os.userInfo().username}
listener ${ports.unused} 127.0.0.1
listener ${ports.plain} 127.0.0.1
protocol websockets
allow_anonymous true
listener ${ports.tls} 127.0.0.1
protocol websockets
allow_anonymous true
cafile ${certs}/ca.crt
certfile ${certs}/server-rsa.crt
keyfile ${certs}/server-rsa.key
listener ${ports.secured} 127.0.0.1
protocol websockets
allow_anonymous false
password_file ${path.join(work, 'passwords')}
`);
  const child = spawn('taskset', ['-c', brokerCore, 'mosquitto', '-c', config],
    { stdio: ['ignore', 'ignore', 'pipe'] });
  await started(child, Object.values(ports), 'mosquitto');
  return { child, ports };
}

async function startFairlead() {
  const port = await freePort();
  const config = path.join(work, 'fairlead.toml');
  writeFileSync(config, '[log]\nlevel = "warning"\n');
  const child = spawn('taskset', ['-c', brokerCore, fairlead, '--data-dir',
    path.join(work, 'data'), 'serve', '--listen', `127.0.0.1:${port}`, '--admin', 'off',
    '--shards', '1', '--allow-anonymous', '--config', config],
    { stdio: ['ignore', 'ignore', 'pipe'] });
  await started(child, [port], 'fairlead');
  return { child, ports: { plain: port, tls: port, secured: port } };
}

// Speaks ws or wss, on a port that it says.
async function startRoof(scenario) {
  const files = scenario.port === 'tls'
    ? [path.join(certs, 'server-rsa.crt'), path.join(certs, 'server-rsa.key')] : [];
  const child = spawn('taskset', ['-c', brokerCore, roof, ...files],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout, 'data');
  const port = Number(String(line).trim().split(':').pop());
  return { child, ports: { plain: port, tls: port } };
}

const starters = { mosquitto: startMosquitto, fairlead: startFairlead, roof: startRoof };

// One run with a broker of its own, so that no run sees the memory of another.
async function measure(broker, scenario) {
  const { child, ports } = await starters[broker](scenario);
  try {
    const args = [...scenario.args(broker), '--port', String(ports[scenario.port ?? 'plain']),
      '--pid', String(child.pid)];
    const text = execFileSync('taskset', ['-c', loadCore, generator, ...args],
      { timeout: 180_000, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    return JSON.parse(text);
  } finally {
    await stop(child);
  }
}

// Latency of twenty pairs at 2,000 messages a second, alone and while a storm passes.
async function measureStorm(broker, storm) {
  const { child, ports } = await starters[broker]();
  const pid = ['--pid', String(child.pid)];
  const probe = ['latency', '--flows', '20', '--rate', '2000', '--port', String(ports.plain),
    ...pid];
  try {
    const calm = await generate([...probe, '--seconds', '3']).result;
    let passed;
    const prober = generate([...probe, '--until-eof'], {
      input: 'pipe',
      measuring: () => {
        passed = generate(['storm', '--connections', String(stormCount), '--prefix',
          'storm', '--port', String(ports[storm.port]), ...pid,
          ...storm.args], { nice: 10 }).result.finally(() => prober.stdin.end());
      },
    });
    const during = await prober.result;
    return { calm, during, storm: await passed };
  } finally {
    await stop(child);
  }
}

const figure = (scenario, result) =>
  scenario.memory ? result.bytes_per_connection / 1024 : result.per_broker_cpu_second;

function show(value, scenario) {
  if (scenario.memory) return `${value.toFixed(1)} KB`;
  return `${Math.round(value).toLocaleString('en-US')}`;
}

function cell(results, scenario) {
  const values = results.map((r) => figure(scenario, r));
  const spread = `${show(Math.min(...values), scenario)}–${show(Math.max(...values), scenario)}`;
  return `${show(median(values), scenario)} (${spread})`;
}

function ratio(row) {
  const [ours, theirs] = ['fairlead', 'mosquitto'].map(
    (broker) => median(row[broker].map((r) => figure(row.scenario, r))));
  return (row.scenario.memory ? theirs / ours : ours / theirs).toFixed(2);
}

// Of what a program that does nothing else makes of the same bytes.
function shareOfRoof(row) {
  if (!row.roof.length) return '';
  const [ours, most] = [row.fairlead, row.roof].map(
    (results) => median(results.map((r) => figure(row.scenario, r))));
  return `${Math.round(100 * ours / most)} %`;
}

const sum = (results, key) => results.reduce((total, r) => total + (r[key] ?? 0), 0);

function health(row) {
  const parts = [];
  for (const broker of ['fairlead', 'mosquitto']) {
    const r = row[broker];
    const bad = ['lost', 'late', 'stalls', 'failed'].filter((k) => sum(r, k) > 0)
      .map((k) => `${k} ${sum(r, k)}`);
    if (bad.length) parts.push(`${broker}: ${bad.join(', ')}`);
  }
  return parts.join('; ') || 'none';
}

function busy(results) {
  const share = (key) => Math.round(100 * sum(results, key) / sum(results, 'wall_seconds'));
  return `${share('broker_cpu_seconds')} / ${share('generator_cpu_seconds')}`;
}

function heading(loads) {
  const commit = execFileSync('git', ['-C', root, 'rev-parse', '--short', 'HEAD'],
    { encoding: 'utf8' }).trim();
  const ours = version(fairlead, ['--version'], /fairlead (\S+)/);
  const theirs = version('mosquitto', ['-h'], /version (\S+)/);
  return [
    '# Results', '',
    'Written by `make bench` (`bench/run.mjs`). Both brokers in turn, each run with a fresh',
    `process: broker on core ${brokerCore}, load generator on core ${loadCore}, Fairlead with one`,
    `shard. Median of ${rounds} runs of ${seconds} s, of memory 2 runs (lowest–highest).`,
    'Ratio above 1: Fairlead is ahead.', '',
    `- machine: ${machine()}; load average ${loads}`,
    `- Fairlead ${ours} at ${commit}, mosquitto ${theirs} with the libwebsockets of Debian`,
    `- ${new Date().toISOString().slice(0, 10)}`, ''];
}

function tableRow(row, ...more) {
  const { scenario } = row;
  return `| ${[scenario.title, cell(row.fairlead, scenario), cell(row.mosquitto, scenario),
    `**${ratio(row)}**`, ...more].join(' | ')} |`;
}

function stormRow(title, broker, results) {
  const milliseconds = (pick) => {
    const values = results.map(pick);
    return `${median(values).toFixed(1)} (${Math.min(...values).toFixed(1)}–`
      + `${Math.max(...values).toFixed(1)})`;
  };
  return `| ${[title, broker, milliseconds((r) => r.calm.p99_ms),
    milliseconds((r) => r.during.p50_ms), milliseconds((r) => r.during.p99_ms),
    milliseconds((r) => r.during.max_ms),
    median(results.map((r) => r.storm.wall_seconds)).toFixed(2),
    median(results.map((r) => r.storm.retries))].join(' | ')} |`;
}

function stormLines({ storm, fairlead: ours, mosquitto: theirs, trouble }) {
  if (trouble) return [`| ${storm.title} | | not measured: ${trouble} | | | | | |`];
  return [stormRow(storm.title, 'Fairlead', ours), stormRow(storm.title, 'mosquitto', theirs)];
}

function stormReport(rows) {
  const lines = ['', `## ${stormCount.toLocaleString('en-US')} clients connect at once`, '',
    'Twenty ws pairs exchange 2,000 messages a second meanwhile; their latency in milliseconds,',
    'counted from the moment at which a message was due. The storm is over when everybody has a',
    'CONNACK. Both generators share a core, the storm with lower priority.', '',
    '| storm | broker | p99 before | p50 | p99 | worst | storm, s | sent away |',
    '|---|---|---|---|---|---|---|---|'];
  return [...lines, ...rows.flatMap(stormLines)];
}

function report(head, rows, stormRows, durables, recovery) {
  const lines = [...head,
    '## For each second of the broker\'s CPU', '',
    'Messages are received by subscribers; payload 64 bytes, 16 of each publisher on their way.',
    'A connect is TCP, WebSocket, CONNECT, CONNACK, DISCONNECT, close. *Of the roof*: of what',
    '`fairlead-roof` makes of the same bytes in the same run, a bare epoll program that parses,',
    'checks and keeps nothing it does not need to pass them on.', '',
    '| | Fairlead | mosquitto | ratio | of the roof | lost, late, failed '
      + '| busy % (broker / load), Fairlead | mosquitto |',
    '|---|---|---|---|---|---|---|---|'];
  for (const row of rows.filter((r) => !r.scenario.memory)) {
    lines.push(tableRow(row, shareOfRoof(row), health(row), busy(row.fairlead),
      busy(row.mosquitto)));
  }
  lines.push('', '## Private memory of a connection', '',
    'Private_Clean and Private_Dirty of the process (`smaps_rollup`) over 5,000 connections.', '',
    '| | Fairlead | mosquitto | ratio |', '|---|---|---|---|');
  for (const row of rows.filter((r) => r.scenario.memory)) lines.push(tableRow(row));
  if (stormRows.length) lines.push(...stormReport(stormRows));
  if (durables) lines.push(...durableReport(durables));
  if (recovery) lines.push(...recoveryReport(recovery));
  lines.push('', '## How to read it', '',
    '- Speed is per second of the broker\'s CPU (user and system time of `/proc/PID/stat`), so',
    '  that a load generator slower than the broker does not flatter it; `busy` shows who',
    '  waited, and how much of the cores other work had.',
    '- mosquitto: `persistence false` but where durability is measured, no log, TCP_NODELAY,',
    '  queues that never drop. Its passwords are PBKDF2; Fairlead checks the three-tuple with',
    '  HMAC-SHA256, as devices sign it.',
    '- Absolute numbers are of this machine, which other work may share; compare ratios.', '');
  return lines.join('\n');
}

// A machine with other work may be too slow for a storm: that is said, and the rest still counts.
async function measureStorms(storm) {
  const row = { storm, fairlead: [], mosquitto: [] };
  try {
    for (let round = 0; round < rounds; ++round) {
      for (const broker of ['fairlead', 'mosquitto']) {
        row[broker].push(await measureStorm(broker, storm));
      }
    }
  } catch (error) {
    row.trouble = error.message.split(': ').pop().trim();
  }
  console.log(stormLines(row).join('\n'));
  return row;
}

async function main() {
  const wanted = process.env.SCENARIOS?.split(',');
  const chosen = scenarios.filter((s) => !wanted || wanted.includes(s.key));
  const loadAtStart = os.loadavg()[0].toFixed(1);
  prepare();
  const rows = [];
  for (const scenario of chosen) {
    const row = { scenario, fairlead: [], mosquitto: [], roof: [] };
    const times = scenario.memory ? Math.min(rounds, 2) : rounds;
    for (let round = 0; round < times; ++round) {
      const order = round % 2 ? ['mosquitto', 'fairlead'] : ['fairlead', 'mosquitto'];
      if (scenario.roofed) order.splice(1, 0, 'roof');
      for (const broker of order) row[broker].push(await measure(broker, scenario));
    }
    rows.push(row);
    console.log(`${scenario.title}: fairlead ${cell(row.fairlead, scenario)}, `
      + `mosquitto ${cell(row.mosquitto, scenario)}, ratio ${ratio(row)}, `
      + `of the roof ${shareOfRoof(row)}, trouble: ${health(row)}`);
    if (process.env.VERBOSE) console.log(JSON.stringify(row, null, 1));
  }
  const chosenToo = (key) => !wanted || wanted.includes(key);
  const durables = chosenToo('durable') ? await measureDurables() : undefined;
  const recovery = chosenToo('recovery') ? await measureRecovery() : undefined;
  const stormRows = [];
  for (const storm of storms.filter((s) => !wanted || wanted.includes(s.key))) {
    stormRows.push(await measureStorms(storm));
  }
  const loads = `${loadAtStart} at the start, ${os.loadavg()[0].toFixed(1)} at the end, with ours`;
  const text = report(heading(loads), rows, stormRows, durables, recovery);
  if (wanted) return console.log(text);
  writeFileSync(path.join(root, 'bench/RESULTS.md'), text);
  console.log('bench/RESULTS.md written');
}

try {
  await main();
} finally {
  rmSync(work, { recursive: true, force: true });
}
