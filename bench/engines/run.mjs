// SQLite and RocksDB in turn, each run in a fresh process and directory; prints the tables of
// bench/ENGINES.md. Needs RocksDB and build/release/fairlead-engines. Arguments: the sections to
// run (all, without). DIR: where to write, on the disk that is asked about; else the build folder.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const build = process.env.BUILD ?? path.join(root, 'build/release');
const program = path.join(build, 'fairlead-engines');
const rounds = Number(process.env.ROUNDS ?? 3);
const parent = process.env.DIR ?? build;
const loads = [];

const sqlite = ['--engine', 'sqlite', '--page', '4096', '--checkpoint', '4000'];
const plainRocksdb = ['--engine', 'rocksdb'];
const rocksdb = [...plainRocksdb, '--insert-hint', '--single-delete'];
const both = { SQLite: sqlite, RocksDB: rocksdb };

function measure(directory, args) {
  loads.push(os.loadavg()[0]);
  return JSON.parse(execFileSync(program, [...args, '--dir', directory], { encoding: 'utf8' }));
}

function fresh(work) {
  const directory = mkdtempSync(path.join(parent, 'fairlead-engines-'));
  try {
    return work(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

// Of each number, the median of the rounds.
function medians(results) {
  const keys = Object.keys(results[0]);
  return Object.fromEntries(keys.map((key) => [key, median(results.map((each) => each[key]))]));
}

// Every case once, then every case again: what else the machine does hits all of them.
function interleaved(cases, work) {
  const results = cases.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    cases.forEach((each, i) => {
      results[i].push(work(each));
      console.error(round, each.title, JSON.stringify(results[i].at(-1)));
    });
  }
  return results.map(medians);
}

const short = (value) =>
  value >= 1000 ? Math.round(value).toLocaleString('en-US')
    : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

function table(cases, results, columns) {
  console.log(`| | ${Object.values(columns).join(' | ')} |`);
  console.log(`|---|${'---:|'.repeat(Object.keys(columns).length)}`);
  cases.forEach((each, i) => {
    const cells = Object.keys(columns).map((key) => short(results[i][key]));
    console.log(`| ${each.title} | ${cells.join(' | ')} |`);
  });
  console.log();
}

const run = (cases) =>
  interleaved(cases, (each) => fresh((directory) => measure(directory, each.args)));

const speed = { messages_s: 'messages/s', cpu_us: 'CPU µs/message', p50_ms: 'commit p50 ms',
  p99_ms: 'p99', max_ms: 'max', write_amplification: 'bytes written/payload' };
const steadySpeed = { messages_s: 'messages/s', cpu_us: 'CPU µs/message', p50_ms: 'commit p50 ms',
  p99_ms: 'p99', p999_ms: 'p99.9', max_ms: 'max', write_amplification: 'bytes written/payload',
  peak_mb: 'disk peak MB', drained_mb: 'drained MB', reclaimed_mb: 'reclaimed MB',
  reclaim_s: 'reclaim s', rss_mb: 'RSS MB' };

// The throughput that the store aims at, in commits as they come then.
const atTheAim = ['steady', '--rate', '30000', '--group', '100', '--messages', '240000'];

const sections = {
  sqlite() {
    const page = (bytes, pages, ...more) =>
      ['--engine', 'sqlite', '--page', String(bytes), '--checkpoint', String(pages), ...more];
    const cases = [
      { title: 'SQLite 4096, checkpoint 1000', args: page(4096, 1000) },
      { title: 'SQLite 4096, 4000', args: page(4096, 4000) },
      { title: 'SQLite 4096, 16000', args: page(4096, 16000) },
      { title: 'SQLite 8192, 2000', args: page(8192, 2000) },
      { title: 'SQLite 16384, 1000', args: page(16384, 1000) },
      { title: 'SQLite 4096, 4000, second thread', args: page(4096, 4000, '--checkpoint-thread') },
      { title: 'SQLite 4096, 16000, second thread',
        args: page(4096, 16000, '--checkpoint-thread') },
      { title: 'SQLite 4096, 4000, secure_delete as in Debian',
        args: page(4096, 4000, '--secure-delete') },
      { title: 'SQLite 4096, 4000, no incremental vacuum',
        args: page(4096, 4000, '--no-incremental-vacuum') },
      { title: 'SQLite 4096, 4000, exclusive', args: page(4096, 4000, '--exclusive') },
    ].map((each) => ({ ...each, args: [...atTheAim, ...each.args] }));
    table(cases, run(cases), steadySpeed);
  },
  rocksdb() {
    const cases = [
      { title: 'RocksDB', args: plainRocksdb },
      { title: 'RocksDB, 2 recycled logs', args: [...plainRocksdb, '--recycled-logs', '2'] },
      { title: 'RocksDB, insert hint', args: [...plainRocksdb, '--insert-hint'] },
      { title: 'RocksDB, insert hint, SingleDelete', args: rocksdb },
    ].map((each) => ({ ...each, args: [...atTheAim, ...each.args] }));
    table(cases, run(cases), steadySpeed);
  },
  commits() {
    const cases = [];
    for (const sessions of [1, 10, 1000]) {
      for (const group of [1, 16, 256, 4096]) {
        if (sessions * group > 260_000) continue;
        for (const [name, args] of Object.entries(both)) {
          cases.push({ title: `${sessions} session${sessions > 1 ? 's' : ''}, ${group}: ${name}`,
            args: ['commits', '--sessions', String(sessions), '--group', String(group),
              '--seconds', '1.5', ...args] });
        }
      }
    }
    table(cases, run(cases), speed);
  },
  steady() {
    const kinds = {
      '1 session': ['--messages', '1000000'],
      '1 session, every 16th stays 200,000 messages':
        ['--messages', '1000000', '--straggler', '16'],
      '10 sessions': ['--messages', '200000', '--sessions', '10'],
    };
    const cases = [];
    for (const [kind, more] of Object.entries(kinds)) {
      for (const [name, args] of Object.entries(both)) {
        cases.push({ title: `${kind}: ${name}`, args: ['steady', ...more, ...args] });
      }
    }
    table(cases, run(cases), steadySpeed);
  },
  drain() {
    const page = (bytes, pages) =>
      ['--engine', 'sqlite', '--page', String(bytes), '--checkpoint', String(pages)];
    const cases = [
      { title: 'SQLite 4096, checkpoint 1000', args: page(4096, 1000) },
      { title: 'SQLite 4096, 4000', args: page(4096, 4000) },
      { title: 'SQLite 4096, 16000', args: page(4096, 16000) },
      { title: 'SQLite 2048, 8000', args: page(2048, 8000) },
      { title: 'RocksDB', args: rocksdb },
    ].map((each) => ({ ...each, args: ['--messages', '250000', ...each.args] }));
    const results = interleaved(cases, ({ args }) => fresh((directory) => {
      measure(directory, ['fill', ...args]);
      return measure(directory, ['drain', ...args]);
    }));
    const { peak_mb: _, ...columns } = steadySpeed;
    table(cases, results, columns);
  },
  recovery() {
    const cases = Object.entries(both).map(([title, args]) => ({ title, args }));
    const results = interleaved(cases, ({ args }) => fresh((directory) => {
      const copy = `${directory}/copy`;
      const original = `${directory}/original`;
      execFileSync('mkdir', [copy, original]);
      const filled = measure(original, ['fill', ...args]);
      cpSync(original, copy, { recursive: true });
      return { ...filled, ...measure(original, ['recover', ...args]),
        ...measure(copy, ['read', ...args]) };
    }));
    table(cases, results, { disk_mb: 'disk MB', open_s: 'open s', total_s: 'open and read all s',
      cpu_s: 'CPU s', rss_mb: 'RSS added MB', points_cold_ms: '1,000 by number, cold ms',
      points_warm_ms: 'warm', range_cold_ms: '1,000 in a row, cold ms', range_warm_ms: 'warm' });
  },
  idle() {
    const cases = Object.entries(both).map(([title, args]) => ({ title, args: ['idle', ...args] }));
    table(cases, run(cases), { rss_mb: 'RSS added MB', threads: 'threads' });
  },
};

for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(sections)) {
  console.log(`## ${name}\n`);
  sections[name]();
}
console.log(`load average: median ${short(median(loads))}, highest ${short(Math.max(...loads))}`);
