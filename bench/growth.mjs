// How costs grow: messages against subscriptions and connections, memory and look-ups against
// devices and retained messages, subscribing beside traffic, two shards against one. Writes
// bench/GROWTH.md and bench/plots, and the figures of each part as JSON into build/growth.
// PARTS (a comma list) chooses parts; then, or with QUICK=1, the report goes to build/growth, too.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as connections from './growth/connections.mjs';
import { quick, rounds } from './growth/measure.mjs';
import * as registry from './growth/registry.mjs';
import * as retained from './growth/retained.mjs';
import * as shards from './growth/shards.mjs';
import * as storms from './growth/storms.mjs';
import * as subscriptions from './growth/subscriptions.mjs';
import {
  brokerCore, commit, fairlead, loadCore, machine, root, version, work,
} from './harness.mjs';

const parts = { subscriptions, connections, registry, retained, storms, shards };

function heading(loads) {
  return ['# Growth', '',
    'How what Fairlead costs grows with what it holds. Written by `make bench-growth`',
    '(`bench/growth.mjs`). Where nothing else is said: one shard, the broker on core',
    `${brokerCore}, the load generator on core ${loadCore}, ws, payload 64 bytes; the median of`,
    `${rounds} runs, mosquitto in turn with Fairlead. CPU is user and system time of the broker;`,
    'memory is what the process shares with no other (`smaps_rollup`). Ratios between lines of',
    'one table mean more than the figures, as other work may share the machine.', '',
    `- machine: ${machine()}; load average ${loads}`,
    `- Fairlead ${version(fairlead, ['--version'], /fairlead (\S+)/)} at ${commit()}, mosquitto `
      + `${version('mosquitto', ['-h'], /version (\S+)/)} of Debian`,
    `- ${new Date().toISOString().slice(0, 10)}`, ''];
}

// A part that fails is said to, and the others still count.
async function measured(key, figures) {
  try {
    const data = await parts[key].measure();
    writeFileSync(path.join(figures, `${key}.json`), `${JSON.stringify(data, null, 1)}\n`);
    return parts[key].report(data);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
    return { plots: {}, lines: [`## ${key}`, '', `Not measured: ${error.message}`, ''] };
  }
}

async function main() {
  const wanted = process.env.PARTS?.split(',') ?? Object.keys(parts);
  const figures = path.join(root, 'build/growth');
  const target = process.env.PARTS || quick ? figures : path.join(root, 'bench');
  for (const directory of [figures, path.join(target, 'plots')]) {
    mkdirSync(directory, { recursive: true });
  }
  const loadAtStart = os.loadavg()[0].toFixed(1);
  const began = Date.now();
  const lines = [];
  for (const key of wanted) {
    const report = await measured(key, figures);
    lines.push(...report.lines);
    for (const [name, svg] of Object.entries(report.plots)) {
      writeFileSync(path.join(target, 'plots', `${name}.svg`), svg);
    }
    console.log(`${key}: ${Math.round((Date.now() - began) / 1000)} s so far`);
  }
  const loads = `${loadAtStart} at the start, ${os.loadavg()[0].toFixed(1)} at the end, with ours`;
  writeFileSync(path.join(target, 'GROWTH.md'), [...heading(loads), ...lines].join('\n'));
  console.log(`${path.relative(root, target)}/GROWTH.md written`);
}

try {
  await main();
} finally {
  rmSync(work, { recursive: true, force: true });
}
