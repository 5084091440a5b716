// Fairlead, its peers and the roof in turn, on one machine: broker on one core, load on the other.
// Prints progress, keeps the figures in build/bench/results.json, and has bench/report.mjs write
// bench/RESULTS.md and charts of them. Needs build/release, mosquitto, nats-server and the packages
// of bench/peers, no root. SCENARIOS (a comma list) chooses rows, PEERS brokers; the report is then
// printed only.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { measureDurables, measureRecovery } from './durable.mjs';
import {
  brokerCore, commit, loadCore, machine, root, rounds, seconds, work,
} from './harness.mjs';
import { lastWords, measureRow, measureStormRow } from './measure.mjs';
import { peers as allPeers } from './peers/index.mjs';
import { report, summary, writeReport } from './report.mjs';
import { scenarios, storms } from './scenarios.mjs';

const list = (text) => text?.split(',');
const wanted = list(process.env.SCENARIOS);
const wantedPeers = list(process.env.PEERS);
const chosen = (key) => !wanted || wanted.includes(key);
const stormy = ['fairlead', 'mosquitto'];
const file = path.join(root, 'build/bench/results.json');

// What has been measured is not lost when the rest fails.
function keep(results) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
}

async function attempt(results, what, body) {
  try {
    return await body();
  } catch (error) {
    results.trouble.push(`${what}: ${lastWords(error)}`);
    console.error(error);
    return undefined;
  }
}

async function main() {
  const peers = allPeers.filter((peer) => !wantedPeers || wantedPeers.includes(peer.key));
  for (const peer of allPeers) peer.prepare?.();
  const results = {
    date: new Date().toISOString().slice(0, 10), commit: commit(), machine: machine(),
    brokerCore, loadCore, rounds, seconds, loads: [os.loadavg()[0]],
    peers: peers.map((peer) => (
      { key: peer.key, name: peer.name, note: peer.note, version: peer.version() })),
    rows: [], storms: [], trouble: [] };
  for (const scenario of scenarios.filter(({ key }) => chosen(key))) {
    const row = await measureRow(scenario, peers);
    results.rows.push(row);
    keep(results);
    console.log(summary(results, row));
  }
  if (chosen('durable')) results.durables = await attempt(results, 'durable', measureDurables);
  if (chosen('recovery')) results.recovery = await attempt(results, 'recovery', measureRecovery);
  for (const storm of storms.filter(({ key }) => chosen(key))) {
    const row = await measureStormRow(storm, peers.filter(({ key }) => stormy.includes(key)));
    results.storms.push(row);
    console.log(`storm, ${storm.title}: ${row.trouble ?? 'measured'}`);
  }
  results.loads.push(os.loadavg()[0]);
  keep(results);
  if (wanted || wantedPeers) return console.log(report(results));
  writeReport(results);
}

try {
  await main();
} finally {
  rmSync(work, { recursive: true, force: true });
}
