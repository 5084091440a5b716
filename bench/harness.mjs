// What the tables of results share: processes on their cores, numbers, and words about the machine.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const build = process.env.BUILD ?? path.join(root, 'build/release');
export const fairlead = path.join(build, 'fairlead');
export const generator = path.join(build, 'fairlead-bench');
export const roof = path.join(build, 'fairlead-roof');
export const rounds = Number(process.env.ROUNDS ?? 5);
export const seconds = process.env.SECONDS_EACH ?? '3';
export const brokerCore = '0';
export const loadCore = os.cpus().length > 1 ? '1' : '0';
export const work = mkdtempSync(path.join(os.tmpdir(), 'fairlead-bench-'));

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function reachable(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => { socket.destroy(); resolve(true); });
    socket.on('error', () => resolve(false));
  });
}

export async function started(child, ports, name) {
  let said = '';
  child.stderr.on('data', (data) => { said += data; });
  for (let i = 0; i < 100; ++i) {
    if (child.exitCode !== null) throw new Error(`${name} did not start: ${said}`);
    if ((await Promise.all(ports.map(reachable))).every(Boolean)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${name} does not listen`);
}

export function stop(child, signal = 'SIGTERM') {
  return new Promise((resolve) => {
    child.on('exit', resolve);
    child.kill(signal);
  });
}

// Runs the generator; `input` is what it reads until it ends, `measuring` is called when it begins.
export function generate(args, { input = 'ignore', nice = 0, measuring } = {}) {
  const child = spawn('nice', ['-n', String(nice), 'taskset', '-c', loadCore, generator, ...args],
    { stdio: [input, 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  child.stdout.on('data', (data) => { out += data; });
  child.stderr.on('data', (data) => {
    errors += data;
    if (errors.includes('measuring')) measuring?.();
    measuring = undefined;
  });
  child.result = new Promise((resolve, reject) => {
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(out));
      else reject(new Error(`${generator} ${args.join(' ')}: ${errors}`));
    });
  });
  return child;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function version(command, args, pattern) {
  try {
    return execFileSync(command, args, { encoding: 'utf8' }).match(pattern)?.[1] ?? 'unknown';
  } catch (error) {  // mosquitto -h ends with 3
    return String(error.stdout ?? '').match(pattern)?.[1] ?? 'unknown';
  }
}

export function machine() {
  const cores = os.cpus();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  return `${cores[0].model}, ${cores.length} cores, ${memory} GB, Linux ${os.release()}`;
}
