// report.mjs FILE: bench/RESULTS.md and its charts, of the figures that `make bench` has kept in
// build/bench/results.json. Nothing is measured.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { durableReport, recoveryReport } from './durable_report.mjs';
import { charts } from './report_charts.mjs';
import {
  busyTable, latencyTable, latencyVerdict, mainTable, peersTable, stormReport, tlsLines,
  troubleLines,
} from './report_tables.mjs';

export { summary } from './report_tables.mjs';

const folder = path.dirname(fileURLToPath(import.meta.url));

function heading(results) {
  const { rounds, seconds, brokerCore, loadCore } = results;
  const loads = results.loads.map((load) => load.toFixed(1));
  return ['# Results', '',
    'Written by `make bench` (`bench/run.mjs`). All brokers in turn, each run with a fresh',
    `process: broker on core ${brokerCore}, load generator on core ${loadCore}, Fairlead with one`,
    `shard. Median of ${rounds} runs of ${seconds} s, of memory 2 (lowest–highest).`, '',
    `- machine: ${results.machine}; load average ${loads[0]} at the start`
      + (loads[1] ? `, ${loads[1]} at the end, with ours` : ''),
    `- ${results.peers.filter(({ version }) => version)
      .map(({ name, version }) => `${name} ${version}`).join(', ')}`,
    `- ${results.date}`, ''];
}

const picture = (images, file, text) => (images[file] ? ['', `![${text}](plots/${file})`] : []);

function details(title, lines) {
  return ['', `<details><summary>${title}</summary>`, '', ...lines, '', '</details>'];
}

function latency(results, images) {
  const rows = latencyTable(results);
  if (!rows.length) return [];
  return ['', '## Latency', '',
    'Twenty ws pairs exchange 2,000 messages a second; milliseconds from the moment at which a',
    'message was due.', '',
    ...rows, '', ...latencyVerdict(results),
    ...picture(images, 'latency.svg', 'Latency of all brokers')];
}

function tables(results, images) {
  const tls = tlsLines(results);
  const trouble = troubleLines(results);
  return [
    '## Against mosquitto, and the aims', '',
    'Messages received, or connects, per second of the broker\'s CPU; of idle connections private',
    'memory. QoS 0, payload 64 bytes and 16 messages of each publisher on their way where nothing',
    'else is said. A connect is TCP, WebSocket, CONNECT, CONNACK, DISCONNECT, close. *Ratio*:',
    'Fairlead divided by mosquitto. *Of the roof*: of what a bare epoll program makes of the same',
    'bytes. Both are those of the round in the middle, as a round is the same weather for all that',
    'run in it. *Aim*: a ratio that was set beforehand.', '',
    ...mainTable(results),
    ...picture(images, 'ratios.svg', 'Ratios to mosquitto and aims'),
    '', '## All of them', '',
    '– where a broker cannot do a row, or has failed it.', '',
    ...peersTable(results),
    ...picture(images, 'messages.svg', 'Messages per CPU-second of all brokers'),
    ...picture(images, 'connects.svg', 'Connects per CPU-second of all brokers'),
    ...picture(images, 'memory.svg', 'Memory of an idle connection'),
    '', 'Lost, late (twice, or out of order), stalls of two seconds, failed:',
    ...(trouble.length ? ['', ...trouble] : ['none.']),
    ...(tls.length ? ['', 'What the connects over wss negotiated, with the kind of key that the',
      'certificate has:', '', ...tls] : []),
    ...latency(results, images),
    ...details('How busy the two cores were, in %: broker / load generator', busyTable(results))];
}

function notes(results) {
  return ['', '## How to read it', '',
    '- Speed is per second of the broker\'s CPU (user and system time of `/proc/PID/stat`), so',
    '  that a load generator slower than the broker does not flatter it; how busy the cores were',
    '  shows who waited, and how much of them other work had.',
    '- Memory is Private_Clean and Private_Dirty of the process (`smaps_rollup`) over 5,000',
    '  connections.',
    '- In TLS all have the same ECDSA P-256 certificate; Fairlead has an RSA one beside it.',
    ...results.peers.map(({ name, note }) => `- ${name}: ${note}.`),
    '- Absolute numbers are of this machine, which other work may share; compare ratios.', ''];
}

export function report(results, images = charts(results)) {
  return [...heading(results), ...tables(results, images), ...stormReport(results),
    ...(results.durables ? durableReport(results.durables) : []),
    ...(results.recovery ? recoveryReport(results.recovery) : []),
    ...notes(results)].join('\n');
}

export function writeReport(results) {
  const images = charts(results);
  mkdirSync(path.join(folder, 'plots'), { recursive: true });
  for (const [name, svg] of Object.entries(images)) {
    writeFileSync(path.join(folder, 'plots', name), svg);
  }
  writeFileSync(path.join(folder, 'RESULTS.md'), report(results, images));
  console.log('bench/RESULTS.md written');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeReport(JSON.parse(readFileSync(process.argv[2], 'utf8')));
}
