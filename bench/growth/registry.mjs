// Memory and look-ups against the number of devices that may connect.
import { execFileSync } from 'node:child_process';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fairlead, generate, median, work } from '../harness.mjs';
import { lineChart } from '../plot.mjs';
import {
  count, cpuSeconds, digits, picture, point, privateBytes, quick, rounds, spread, startFairlead,
  table,
} from './measure.mjs';

const steps = quick ? [1_000, 10_000, 100_000] : [1_000, 10_000, 100_000, 1_000_000];
const secret = '00112233445566778899aabbccddeeff';
// Connects are of so many devices at most, who lie anywhere among all.
const connectingMax = 100_000;
// Shares no divisor with the steps: rows in an order that is not that of the names.
const stride = 617_411;

function importDevices(data, devices) {
  const run = (...args) =>
    execFileSync(fairlead, ['--data-dir', data, ...args], { stdio: 'pipe', timeout: 600_000 });
  run('product', 'create', '--key', 'bench');
  const file = path.join(work, 'devices.csv');
  const rows = Array.from({ length: devices },
    (_, i) => `bench,bench-${i * stride % devices},${secret}`);
  writeFileSync(file, `productKey,deviceName,deviceSecret\n${rows.join('\n')}\n`);
  const began = Date.now();
  run('device', 'import', '--file', file);
  rmSync(file);
  return (Date.now() - began) / 1000;
}

async function measureStep(devices, empty) {
  const data = path.join(work, `registry-${devices}`);
  const importing_seconds = importDevices(data, devices);
  const file_bytes = statSync(path.join(data, 'registry.db')).size;
  const broker = await startFairlead({ data });
  try {
    const figures = { devices, importing_seconds, file_bytes,
      start_cpu_seconds: cpuSeconds(broker),
      bytes_each: (privateBytes(broker) - empty) / devices, connects: [], failed: 0 };
    for (let round = 0; round < rounds; ++round) {
      const result = await generate(['connects', '--seconds', quick ? '0.7' : '1.5',
        '--product', 'bench', '--secret', secret, '--devices',
        String(Math.min(devices, connectingMax)), '--port', String(broker.port),
        '--pid', String(broker.child.pid)]).result;
      figures.connects.push(result.per_broker_cpu_second);
      figures.failed += result.failed;
    }
    return figures;
  } finally {
    await broker.end();
    rmSync(data, { recursive: true, force: true });
  }
}

export async function measure() {
  const broker = await startFairlead();
  const empty = privateBytes(broker);
  await broker.end();
  const points = [];
  for (const devices of steps) {
    points.push(await measureStep(devices, empty));
    console.log(JSON.stringify(points.at(-1)));
  }
  return points;
}

export function report(points) {
  const plot = lineChart({
    title: 'Connects against devices in the registry',
    subtitle: 'Three-tuple over ws: TCP, upgrade, CONNECT, CONNACK, DISCONNECT, close. Band: '
      + 'lowest and highest of the runs.',
    description: 'Connects for each second of the broker\'s CPU against the number of registered '
      + 'devices.',
    x: { label: 'devices in the registry', log: true },
    y: { label: 'connects per CPU-second' },
    series: [{ name: 'Fairlead, three-tuple',
      points: points.map(({ devices, connects }) => point(devices, connects)) }],
  });
  const [first, last] = [points[0], points.at(-1)];
  const rows = points.map((p) => [count(p.devices), spread(p.connects), digits(p.bytes_each),
    digits(p.file_bytes / p.devices), p.importing_seconds.toFixed(1),
    p.start_cpu_seconds.toFixed(2)]);
  const failed = points.reduce((sum, p) => sum + p.failed, 0);
  return {
    plots: { registry: plot },
    lines: ['## Devices in the registry', '',
      'A CONNECT with the three-tuple looks its device up in memory, in one hash table: with',
      `${count(last.devices)} devices a second of the broker\'s CPU takes`,
      `${(median(last.connects) / median(first.connects)).toFixed(2)} times the connects that it`,
      `takes with ${count(first.devices)}; each costs `
        + `${digits(1e6 / median(last.connects))} and ${digits(1e6 / median(first.connects))} µs.`,
      'What is left of a difference are misses of the processor\'s caches.',
      ...picture('registry', 'Connects per CPU-second against devices in the registry'),
      `The devices are imported by \`fairlead device import\`; those that connect (at most`,
      `${count(connectingMax)}) lie anywhere among them. Memory is what the server has more than`,
      'one with an empty registry, just after its start. The first steps show what a process',
      'allocates in blocks rather than what a device takes.', '',
      ...table(['devices', 'connects per CPU-second', 'bytes of memory each', 'bytes on disk each',
        'import, s', 'CPU of the start, s'], rows), '',
      `Failed connects: ${failed === 0 ? 'none' : failed}.`, ''],
  };
}
