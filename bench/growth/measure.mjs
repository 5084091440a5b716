// What the measurements of growth share: brokers, fillers that make them hold more and more, and
// what a message costs meanwhile.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import {
  brokerCore, fairlead, freePort, generate, loadCore, median, started, stop, work,
} from '../harness.mjs';
import { startPlain } from '../peers/mosquitto.mjs';

const filler = path.join(path.dirname(fairlead), 'fairlead-growth');

// Smaller and shorter for a look: `make bench-growth QUICK=1`.
export const quick = Boolean(process.env.QUICK);
export const rounds = Number(process.env.ROUNDS ?? (quick ? 1 : 3));

const newDirectory = () => mkdtempSync(path.join(work, 'growth-'));

// { child, port, end() }. `cores` as taskset has them.
export async function startFairlead({ shards = 1, cores = brokerCore, config = '', data } = {}) {
  const port = await freePort();
  const directory = newDirectory();
  const file = path.join(directory, 'fairlead.toml');
  writeFileSync(file, `[log]\nlevel = "warning"\n${config}`);
  const child = spawn('taskset', ['-c', cores, fairlead,
    '--data-dir', data ?? path.join(directory, 'data'), 'serve',
    '--listen', `127.0.0.1:${port}`, '--admin', 'off', '--shards', String(shards),
    '--allow-anonymous', '--config', file],
    { stdio: ['ignore', 'ignore', 'pipe'] });
  await started(child, [port], 'fairlead');
  return { child, port, end: () => stop(child) };
}

export async function startMosquitto() {
  const { child, port } = await startPlain(newDirectory());
  return { child, port, end: () => stop(child) };
}

// A process that holds clients: tell('subscribe exact 1000') answers what that took.
export function fill(broker, more = [], { nice = 0 } = {}) {
  const child = spawn('nice', ['-n', String(nice), 'taskset', '-c', loadCore, filler,
    '--port', String(broker.port), '--pid', String(broker.child.pid), ...more],
    { stdio: ['pipe', 'pipe', 'pipe'] });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let errors = '';
  child.stderr.on('data', (data) => { errors += data; });
  const exited = once(child, 'exit');
  return {
    async tell(command) {
      child.stdin.write(`${command}\n`);
      const line = await lines.next();
      if (!line.done) return JSON.parse(line.value);
      await exited;
      throw new Error(`${command}: ${errors.trim()}`);
    },
    async end() {
      child.stdin.end();
      await exited;
    },
  };
}

// Nanoseconds of the broker's CPU for a message that a subscriber has received, by pairs.
export async function pairCost(broker, qos, more = []) {
  const result = await generate(['traffic', '--qos', String(qos), '--warm-up', '0.2', '--seconds',
    quick ? '0.4' : '0.8', '--port', String(broker.port), '--pid', String(broker.child.pid),
    ...more]).result;
  if (result.lost + result.late + result.stalls > 0) {
    throw new Error(`messages were lost or late: ${JSON.stringify(result)}`);
  }
  return 1e9 / result.per_broker_cpu_second;
}

export function privateBytes(broker) {
  const text = readFileSync(`/proc/${broker.child.pid}/smaps_rollup`, 'utf8');
  const kilobytes = [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm)];
  return 1024 * kilobytes.reduce((sum, [, value]) => sum + Number(value), 0);
}

// User and system time so far.
export function cpuSeconds(broker) {
  const text = readFileSync(`/proc/${broker.child.pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;  // proc(5): utime is field 14
}

// --- How figures are shown -----------------------------------------------------------------------

export const count = (value) => Math.round(value).toLocaleString('en-US');

// Three digits that count.
export function digits(value) {
  if (value >= 100) return count(value);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

// Median (lowest–highest).
export function spread(values, show = count) {
  return `${show(median(values))} (${show(Math.min(...values))}–${show(Math.max(...values))})`;
}

// A point of a line with its band.
export const point = (x, values) =>
  ({ x, y: median(values), low: Math.min(...values), high: Math.max(...values) });

export function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), `|--:${'|--:'.repeat(head.length - 1)}|`, ...rows.map(line)];
}

export const picture = (name, alt) => ['', `![${alt}](plots/${name}.svg)`, ''];
