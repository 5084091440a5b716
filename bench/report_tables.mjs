// The rows that bench/measure.mjs has measured, as tables.
import { grouped, median, spread, sum, table } from './figures.mjs';
import { short } from './plot.mjs';
import { scenarios, stormCount, storms } from './scenarios.mjs';

const scenarioOf = ({ key }) => scenarios.find((scenario) => scenario.key === key);
export const rowsOf = (results, ...kinds) => results.rows
  .map((row) => ({ ...row, scenario: scenarioOf(row) }))
  .filter(({ scenario }) => scenario && kinds.includes(scenario.kind));
const rowOf = (results, key) => results.rows.find((row) => row.key === key);

const figures = {
  messages: (run) => run.per_broker_cpu_second,
  connects: (run) => run.per_broker_cpu_second,
  memory: (run) => run.bytes_per_connection / 1024,
  latency: (run) => run.p99_ms,
};
const units = {
  messages: short,
  connects: short,
  memory: (value) => `${value.toFixed(1)} KB`,
  latency: (value) => `${value.toFixed(2)} ms`,
};

// A run that is not what the row says has no figure: full handshakes are not resumed ones.
const countsFor = ({ resumes }) => (run) => !resumes || run.resumed >= 0.9 * run.connects;

// Round for round, with NaN for a run that has no figure; one that is so short that no CPU time was
// counted has none, either.
const byRound = ({ scenario, runs }, peer) => (runs[peer] ?? []).map((run) => {
  const value = countsFor(scenario)(run) ? figures[scenario.kind](run) : NaN;
  return Number.isFinite(value) ? value : NaN;
});

// Of all runs of a peer; empty: there is no figure.
export const values = (row, peer) => byRound(row, peer).filter(Number.isFinite);

export function middle(row, peer) {
  const all = values(row, peer);
  return all.length ? median(all) : undefined;
}

// How many times what `b` does in the same round: the machine is faster in some rounds than in
// others, for all that run in them.
function ratioOf(a, b) {
  const ratios = a.map((value, round) => value / b[round]).filter(Number.isFinite);
  return ratios.length ? median(ratios) : undefined;
}

// What went wrong in a row, in a few words.
export function faults(row, peer) {
  const runs = row.runs[peer] ?? [];
  const words = ['lost', 'late', 'stalls', 'failed'].filter((key) => sum(runs, key) > 0)
    .map((key) => `${key} ${grouped(sum(runs, key))}`);
  if (row.trouble[peer]) words.push('failed');
  else if (runs.length && !values(row, peer).length) words.push('not resumed');
  return words.join(', ');
}

const missing = '–';

function cell(row, peer) {
  const all = values(row, peer);
  const text = all.length ? spread(all, units[row.scenario.kind]) : missing;
  const wrong = faults(row, peer);
  return wrong ? `${text} *${wrong}*` : text;
}

// --- Against mosquitto, the roof and the aims ----------------------------------------------------

// What the aim of a row is about: { ratio, aim, met }; ratio may be missing.
export function against(results, row) {
  const { aim, aimAgainst, kind } = row.scenario;
  const other = aimAgainst ? rowOf(results, aimAgainst) : row;
  const ratio = other && ratioOf(byRound(row, 'fairlead'),
    byRound({ ...other, scenario: scenarioOf(other) }, aimAgainst ? 'fairlead' : 'mosquitto'));
  const met = ratio === undefined || aim === undefined ? undefined
    : kind === 'memory' ? ratio <= aim : ratio >= aim;
  return { ratio, aim, met };
}

const times = (value) => (value < 10 ? value.toFixed(2) : value.toFixed(1));

function aimCells(results, row) {
  const { ratio, aim, met } = against(results, row);
  const own = row.scenario.aimAgainst ? ' its own full' : '';
  const sign = row.scenario.kind === 'memory' ? '≤' : '≥';
  const verdict = met === undefined ? '' : met ? ', met' : ', not met';
  return [ratio === undefined ? missing : `**${times(ratio)}**${own}`,
    aim === undefined ? '' : `${sign} ${aim}${verdict}`];
}

function shareOfRoof(row) {
  const share = ratioOf(byRound(row, 'fairlead'), byRound(row, 'roof'));
  if (share === undefined) return missing;
  return row.scenario.kind === 'memory' ? `${times(share)} times` : `${Math.round(100 * share)} %`;
}

export function mainTable(results) {
  const rows = rowsOf(results, 'messages', 'connects', 'memory').map((row) => [
    row.scenario.title, cell(row, 'fairlead'), shareOfRoof(row), cell(row, 'mosquitto'),
    ...aimCells(results, row)]);
  return table(['', 'Fairlead', 'of the roof', 'mosquitto', 'ratio', 'aim'], rows);
}

// --- All of them ---------------------------------------------------------------------------------

const headOf = (results) => ['', ...results.peers.map(({ name }) => name)];

export function peersTable(results) {
  return table(headOf(results), rowsOf(results, 'messages', 'connects', 'memory')
    .map((row) => [row.scenario.title, ...results.peers.map(({ key }) => cell(row, key))]));
}

export function latencyTable(results) {
  const keys = ['p50_ms', 'p99_ms', 'p999_ms'];
  return rowsOf(results, 'latency').flatMap((row) => {
    const rows = results.peers.map(({ key, name }) => {
      const runs = row.runs[key] ?? [];
      return [name, ...keys.map((each) => (runs.length
        ? spread(runs.map((run) => run[each]), (value) => value.toFixed(2)) : missing))];
    });
    return table(['ms', 'p50', 'p99', 'p99.9'], rows);
  });
}

// Whether Fairlead's p99 is below that of every peer; the roof is none.
export function latencyVerdict(results) {
  return rowsOf(results, 'latency').flatMap((row) => {
    const others = results.peers.filter(({ key }) => !['fairlead', 'roof'].includes(key))
      .map(({ key }) => middle(row, key)).filter((value) => value !== undefined);
    const ours = middle(row, 'fairlead');
    if (ours === undefined || !others.length) return [];
    const met = ours <= Math.min(...others);
    return [`Aim: p99 the lowest of all brokers – ${met ? 'met' : 'not met'}.`];
  });
}

function busy(row, peer) {
  const runs = row.runs[peer] ?? [];
  if (!runs.length) return missing;
  const share = (key) => Math.round(100 * sum(runs, key) / sum(runs, 'wall_seconds'));
  return `${share('broker_cpu_seconds')} / ${share('generator_cpu_seconds')}`;
}

export function busyTable(results) {
  return table(headOf(results), rowsOf(results, 'messages', 'connects')
    .map((row) => [row.scenario.title, ...results.peers.map(({ key }) => busy(row, key))]));
}

// --- What was found out beside the figures -------------------------------------------------------

// What the rows of TLS negotiated: the same for all, or it says who differs.
export function tlsLines(results) {
  const said = new Map();
  for (const row of rowsOf(results, 'connects')) {
    for (const { key, name } of results.peers) {
      for (const { tls } of row.runs[key] ?? []) {
        if (tls) said.set(tls, (said.get(tls) ?? new Set()).add(name));
      }
    }
  }
  return [...said].map(([tls, names]) => `- ${tls}: ${[...names].join(', ')}`);
}

export function troubleLines(results) {
  const lines = rowsOf(results, 'messages', 'connects', 'memory', 'latency').flatMap((row) =>
    results.peers.flatMap(({ key, name }) => {
      const wrong = faults(row, key);
      const why = row.trouble[key] ? `: ${row.trouble[key]}` : '';
      return wrong ? [`- ${row.scenario.title}, ${name}: ${wrong}${why}`] : [];
    }));
  return [...lines, ...results.trouble.map((text) => `- ${text}`)];
}

// --- Storms --------------------------------------------------------------------------------------

function stormRow(title, name, runs) {
  const milliseconds = (pick) => spread(runs.map(pick), (value) => value.toFixed(1));
  return [title, name, milliseconds((r) => r.calm.p99_ms), milliseconds((r) => r.during.p50_ms),
    milliseconds((r) => r.during.p99_ms), milliseconds((r) => r.during.max_ms),
    median(runs.map((r) => r.storm.wall_seconds)).toFixed(2),
    grouped(median(runs.map((r) => r.storm.retries)))];
}

export function stormReport(results) {
  if (!results.storms.length) return [];
  const nameOf = (peer) => results.peers.find(({ key }) => key === peer)?.name ?? peer;
  const rows = results.storms.flatMap(({ key, runs, trouble }) => {
    const { title } = storms.find((storm) => storm.key === key);
    if (trouble) return [[title, '', `not measured: ${trouble}`, '', '', '', '', '']];
    return Object.keys(runs).map((peer) => stormRow(title, nameOf(peer), runs[peer]));
  });
  return ['', `## ${grouped(stormCount)} clients connect at once`, '',
    'Twenty ws pairs exchange 2,000 messages a second meanwhile; their latency in milliseconds,',
    'counted from the moment at which a message was due. The storm is over when everybody has a',
    'CONNACK. Both generators share a core, the storm with lower priority.', '',
    ...table(['storm', 'broker', 'p99 before', 'p50', 'p99', 'worst', 'storm, s', 'sent away'],
      rows)];
}

// One line for whoever waits.
export function summary(results, row) {
  const whole = { ...row, scenario: scenarioOf(row) };
  const parts = results.peers.map(({ key, name }) => `${name} ${cell(whole, key)}`);
  const { ratio } = against(results, whole);
  return `${whole.scenario.title}: ${parts.join('; ')}`
    + (ratio === undefined ? '' : `; ratio ${times(ratio)}`);
}
