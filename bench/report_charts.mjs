// The same rows as charts.
import { barChart } from './plot.mjs';
import { against, faults, middle, rowsOf, values } from './report_tables.mjs';

// Everybody has one colour everywhere.
const colours = { fairlead: '#0b5cad', roof: '#94a3b8', mosquitto: '#c2410c', nats: '#15803d',
  aedes: '#9333ea' };

function seriesOf(results, rows) {
  return results.peers.map(({ key, name }) => ({
    name,
    colour: colours[key],
    values: rows.map((row) => middle(row, key) ?? null),
    low: rows.map((row) => Math.min(...values(row, key))),
    high: rows.map((row) => Math.max(...values(row, key))),
    missing: rows.map((row) => faults(row, key) || 'cannot'),
  }));
}

function speedChart(results, kind, words) {
  const rows = rowsOf(results, kind);
  return rows.length && barChart({
    ...words,
    groups: rows.map(({ scenario }) => scenario.title),
    series: seriesOf(results, rows),
    value: { label: words.unit, log: true },
  });
}

function ratioChart(results) {
  const rows = rowsOf(results, 'messages', 'connects').filter(({ scenario }) => scenario.aim
    && !scenario.aimAgainst);
  const found = rows.map((row) => against(results, row));
  return found.some(({ ratio }) => ratio !== undefined) && barChart({
    title: 'Fairlead against mosquitto, and what is aimed at',
    subtitle: 'How many times as much Fairlead does with the same CPU time. Medians.',
    groups: rows.map(({ scenario }) => scenario.title),
    series: [
      { name: 'measured', colour: colours.fairlead,
        values: found.map(({ ratio }) => ratio ?? null) },
      { name: 'aim', colour: colours.roof, values: found.map(({ aim }) => aim) }],
    value: { label: 'times mosquitto', log: true },
  });
}

function memoryChart(results) {
  const rows = rowsOf(results, 'memory');
  return rows.length && barChart({
    title: 'Memory of an idle connection',
    subtitle: 'Private memory of the process over 5,000 connections with a subscription each; less '
      + 'is better.',
    groups: rows.map(({ scenario }) => scenario.title),
    series: seriesOf(results, rows),
    value: { label: 'KB' },
  });
}

function latencyChart(results) {
  const [row] = rowsOf(results, 'latency');
  if (!row) return undefined;
  const shares = [['p50_ms', 'p50'], ['p99_ms', 'p99'], ['p999_ms', 'p99.9']];
  const columns = shares.map(([key]) =>
    ({ ...row, runs: Object.fromEntries(Object.entries(row.runs).map(([peer, runs]) =>
      [peer, runs.map((run) => ({ p99_ms: run[key] }))])) }));
  return barChart({
    title: 'Latency at 2,000 messages a second',
    subtitle: 'Twenty ws pairs, from the moment a message was due to its receiver; less is better. '
      + 'Medians of the runs, lines from the lowest to the highest.',
    groups: shares.map(([, name]) => name),
    series: seriesOf(results, columns),
    value: { label: 'milliseconds', log: true },
  });
}

const whiskers = 'Medians, lines from the lowest run to the highest; more is better.';

// { file: SVG }; what has not been measured has no chart.
export function charts(results) {
  const all = {
    'messages.svg': speedChart(results, 'messages', {
      title: 'Messages per second of the broker\'s CPU',
      subtitle: whiskers, unit: 'messages per CPU-second' }),
    'connects.svg': speedChart(results, 'connects', {
      title: 'Connects per second of the broker\'s CPU',
      subtitle: whiskers, unit: 'connects per CPU-second' }),
    'ratios.svg': ratioChart(results),
    'memory.svg': memoryChart(results),
    'latency.svg': latencyChart(results),
  };
  return Object.fromEntries(Object.entries(all).filter(([, svg]) => svg));
}
