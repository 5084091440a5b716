// One row of the tables: every broker in turn, round for round.
import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { generate, rounds, seconds, stop, work } from './harness.mjs';
import { stormCount } from './scenarios.mjs';

// A run takes seconds; whoever needs more has failed it.
const timeout = 60_000;
const patience = '25';
// Enough for p99.9 of 2,000 messages a second; of connections that rest nothing changes.
const lengths = { messages: seconds, connects: seconds, memory: seconds,
  latency: String(2 * Number(seconds)) };

// With a broker and a directory of its own, so that no run sees the memory of another.
async function withBroker(peer, scenario, body) {
  const directory = mkdtempSync(path.join(work, `${peer.key}-`));
  try {
    const broker = await peer.start(directory, scenario);
    try {
      return await body(broker);
    } finally {
      await stop(broker.child);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const target = ({ child, ports }, port) =>
  ['--port', String(ports[port]), '--pid', String(child.pid)];

// Programs that are compiled while they run need longer until they are what they can be.
const warmUp = (peer) => (peer.warmUp ? ['--warm-up', String(peer.warmUp)] : []);

function measure(peer, scenario) {
  const login = scenario.port === 'secured' ? peer.login : [];
  return withBroker(peer, scenario, (broker) =>
    generate([...scenario.args, ...login, '--seconds', lengths[scenario.kind], '--patience',
      patience, ...warmUp(peer), ...target(broker, scenario.port)], { timeout }).result);
}

export const lastWords = (error) => error.message.split(': ').pop().trim();

// { runs: { peer: [result] }, trouble: { peer: sentence } }. Whoever fails is not asked again.
export async function measureRow(scenario, peers) {
  const able = peers.filter((peer) => !peer.cannot?.(scenario));
  const row = { key: scenario.key, runs: {}, trouble: {} };
  const times = scenario.kind === 'memory' ? Math.min(rounds, 2) : rounds;
  for (let round = 0; round < times; ++round) {
    for (let i = 0; i < able.length; ++i) {
      const peer = able[(i + round) % able.length];
      if (row.trouble[peer.key]) continue;
      try {
        (row.runs[peer.key] ??= []).push(await measure(peer, scenario));
      } catch (error) {
        row.trouble[peer.key] = lastWords(error);
      }
    }
  }
  return row;
}

// Latency of twenty pairs at 2,000 messages a second, alone and while a storm passes.
function measureStorm(peer, storm) {
  return withBroker(peer, storm, async (broker) => {
    const probe = ['latency', '--flows', '20', '--rate', '2000', ...target(broker, 'ws')];
    const calm = await generate([...probe, '--seconds', '3'], { timeout }).result;
    let passed;
    const prober = generate([...probe, '--until-eof'], {
      input: 'pipe',
      timeout: 2 * timeout,
      measuring: () => {
        passed = generate(['storm', '--connections', String(stormCount), '--prefix', 'storm',
          ...storm.args, ...target(broker, storm.port)], { nice: 10, timeout: 2 * timeout })
          .result.finally(() => prober.stdin.end());
        passed.catch(() => {});  // it is told below
      },
    });
    const during = await prober.result;
    return { calm, during, storm: await passed };
  });
}

// A machine with other work may be too slow for a storm: that is said, and the rest still counts.
export async function measureStormRow(storm, peers) {
  const row = { key: storm.key, runs: {} };
  try {
    for (let round = 0; round < rounds; ++round) {
      for (const peer of peers) {
        (row.runs[peer.key] ??= []).push(await measureStorm(peer, storm));
      }
    }
  } catch (error) {
    row.trouble = lastWords(error);
  }
  return row;
}
