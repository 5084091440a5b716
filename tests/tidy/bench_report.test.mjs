// bench/report.mjs, which makes bench/RESULTS.md of what `make bench` has measured: tables and
// charts say what the figures are, and what has no figure is said to have none.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { report } from '../../bench/report.mjs';
import { charts } from '../../bench/report_charts.mjs';
import { against, rowsOf } from '../../bench/report_tables.mjs';
import { scenarios } from '../../bench/scenarios.mjs';
import { root, text } from './sources.mjs';

const names = { fairlead: 'Fairlead', roof: 'roof', mosquitto: 'mosquitto', nats: 'nats-server' };

const speed = (value, more = {}) => ({
  per_broker_cpu_second: value, wall_seconds: 2, broker_cpu_seconds: 1.9,
  generator_cpu_seconds: 1, lost: 0, late: 0, stalls: 0, ...more });
const connects = (value, resumed) => speed(value, { connects: 100, resumed, tls: 'TLS 9 EC' });
const delay = (p99) => ({ p50_ms: 0.1, p99_ms: p99, p999_ms: 2 * p99, wall_seconds: 2 });
const memory = (kilobytes) => ({ bytes_per_connection: 1024 * kilobytes });

const results = () => ({
  date: '2030-01-02', commit: 'abc', machine: 'a machine', brokerCore: '0', loadCore: '1',
  rounds: 3, seconds: '1.5', loads: [0.5, 1.5],
  peers: Object.entries(names).map(([key, name]) =>
    ({ key, name, note: 'as it is', version: '1' })),
  rows: [
    { key: 'pair1', trouble: { nats: 'the broker closed the connection' }, runs: {
      fairlead: [speed(900_000), speed(1_100_000), speed(1_000_000)],
      roof: [speed(2_000_000), speed(2_000_000), speed(2_500_000)],
      mosquitto: [speed(60_000), speed(50_000, { lost: 123 }), speed(40_000)] } },
    { key: 'pair2', trouble: {}, runs: {
      fairlead: [speed(140_000)], mosquitto: [speed(10_000)] } },
    { key: 'tlsfull', trouble: {}, runs: {
      fairlead: [connects(2_000, 0)], mosquitto: [connects(1_000, 0)] } },
    { key: 'tlsresumed', trouble: {}, runs: {
      fairlead: [connects(12_000, 100)], mosquitto: [connects(1_000, 0)] } },
    { key: 'idlews', trouble: {}, runs: {
      fairlead: [memory(1.5)], roof: [memory(1)], mosquitto: [memory(6)] } },
    { key: 'latency', trouble: {}, runs: {
      fairlead: [delay(0.4)], roof: [delay(0.3)], mosquitto: [delay(0.6)] } },
  ],
  storms: [], trouble: ['durable: mosquitto did not start'],
});

// The cells of the row of a table, in the n-th table that has it.
function cells(page, title, nth = 0) {
  const line = page.split('\n').filter((each) => each.startsWith(`| ${title} |`))[nth];
  assert.ok(line, `${title}: no such row`);
  return line.split('|').slice(2, -1).map((cell) => cell.trim());
}

// Ratios are those of the rounds, in the middle, not that of the figures in the middle.
test('A row has its median and spread, its share of the roof, its ratio and aim', () => {
  const page = report(results());
  assert.deepEqual(cells(page, 'ws 100 pairs, QoS 1'), [
    '1M (900k–1.1M)', '45 %', '50k (40k–60k) *lost 123*', '**22.0**', '≥ 10.2, met']);
  assert.deepEqual(cells(page, 'ws 100 pairs, QoS 2').slice(3), ['**14.0**', '≥ 15, not met']);
});

test('Memory is better when it is less', () => {
  const row = cells(report(results()), 'idle ws connection, one subscription');
  assert.deepEqual(row, ['1.5 KB', '1.50 times', '6.0 KB', '**0.25**', '≤ 0.32, met']);
  const more = results();
  more.rows[4].runs.fairlead = [memory(3)];
  const [last] = cells(report(more), 'idle ws connection, one subscription').slice(-1);
  assert.equal(last, '≤ 0.32, not met');
});

test('Resumed sessions are held against ones own full handshakes, and must be resumed', () => {
  const page = report(results());
  assert.deepEqual(cells(page, 'wss connects, resumed sessions'), [
    '12k', '–', '– *not resumed*', '**6.00** its own full', '≥ 5, met']);
  assert.match(page, /- TLS 9 EC: Fairlead, mosquitto/);
});

test('Who cannot do a row or has failed it has a dash, and the reason is told', () => {
  const page = report(results());
  assert.deepEqual(cells(page, 'ws 100 pairs, QoS 1', 1).at(-1), '– *failed*');
  assert.deepEqual(cells(page, 'ws 100 pairs, QoS 2', 1).at(-1), '–');
  assert.match(page, /^- ws 100 pairs, QoS 1, nats-server: failed: the broker closed/m);
  assert.match(page, /^- durable: mosquitto did not start$/m);
});

test('The lowest latency of all brokers is the aim; the roof is none', () => {
  assert.match(report(results()), /p99 the lowest of all brokers – met/);
  const slow = results();
  slow.rows[5].runs.fairlead = [delay(0.7)];
  assert.match(report(slow), /p99 the lowest of all brokers – not met/);
});

test('Every chart is linked, and shows the medians', () => {
  const images = charts(results());
  assert.deepEqual(Object.keys(images).sort(),
    ['connects.svg', 'latency.svg', 'memory.svg', 'messages.svg', 'ratios.svg']);
  const page = report(results(), images);
  for (const name of Object.keys(images)) assert.ok(page.includes(`(plots/${name})`), name);
  assert.match(images['messages.svg'], /data-series="Fairlead" data-value="1000000"/);
  assert.match(images['ratios.svg'], /data-series="measured" data-value="22"/);
});

test('A run that measured next to nothing can be reported, too', () => {
  const little = { ...results(), rows: [], trouble: [] };
  assert.deepEqual(charts(little), {});
  assert.match(report(little), /# Results/);
  assert.deepEqual(rowsOf(little, 'messages'), []);
});

test('Rows have different names, and aims only where somebody is there to compare with', () => {
  const keys = scenarios.map(({ key }) => key);
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(new Set(scenarios.map(({ title }) => title)).size, keys.length);
  for (const { aimAgainst } of scenarios) assert.ok(!aimAgainst || keys.includes(aimAgainst));
  const alone = results();
  alone.rows = [{ ...alone.rows[0], runs: { fairlead: [speed(1)] } }];
  const [row] = rowsOf(alone, 'messages');
  assert.equal(against(alone, row).met, undefined);
});

test('Every broker that has a file is measured', () => {
  const index = text('bench/peers/index.mjs');
  const others = ['index.mjs', 'setup.mjs', 'aedes_broker.mjs'];
  for (const name of readdirSync(join(root, 'bench/peers'))) {
    if (!name.endsWith('.mjs') || others.includes(name)) continue;
    assert.ok(index.includes(`'./${name}'`), `bench/peers/index.mjs does not name ${name}`);
  }
});
