// What the tables of results share: processes on their cores, numbers, and words about the machine.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export { median } from './figures.mjs';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const build = process.env.BUILD ?? path.join(root, 'build/release');
export const fairlead = path.join(build, 'fairlead');
export const generator = path.join(build, 'fairlead-bench');
export const roof = path.join(build, 'fairlead-roof');
export const rounds = Number(process.env.ROUNDS ?? 3);
export const seconds = process.env.SECONDS_EACH ?? '1.5';
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
  child.kill('SIGKILL');
  throw new Error(`${name} does not listen`);
}

// What a program prints when it listens.
export function firstWords(child, name) {
  let said = '';
  child.stderr.on('data', (data) => { said += data; });
  return new Promise((resolve, reject) => {
    child.stdout.once('data', (data) => resolve(String(data).trim()));
    child.once('exit', () => reject(new Error(`${name} did not start: ${said}`)));
  });
}

// Alone on the broker's core, with all of its threads: taskset becomes the program.
export function spawnBroker(program, args, output = 'ignore') {
  return spawn('taskset', ['-c', brokerCore, program, ...args],
    { stdio: ['ignore', output, 'pipe'] });
}

// Whoever does not end is made to; one with much to write has time for it.
export function stop(child, signal = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const killer = setTimeout(() => child.kill('SIGKILL'), 60_000);
    child.on('exit', () => {
      clearTimeout(killer);
      resolve();
    });
    child.kill(signal);
  });
}

// Runs the generator; `input` is what it reads until it ends, `measuring` is called when it begins.
// It gives up by itself where nobody answers; `timeout` (ms) is for a broker that makes it hang.
export function generate(args, options = {}) {
  const { input = 'ignore', nice = 0, core = loadCore, timeout = 0 } = options;
  let { measuring } = options;
  const child = spawn('nice', ['-n', String(nice), 'taskset', '-c', core, generator, ...args],
    { stdio: [input, 'pipe', 'pipe'], timeout, killSignal: 'SIGKILL' });
  let out = '';
  let errors = '';
  child.stdout.on('data', (data) => { out += data; });
  child.stderr.on('data', (data) => {
    errors += data;
    if (errors.includes('measuring')) measuring?.();
    measuring = undefined;
  });
  child.result = new Promise((resolve, reject) => {
    child.on('close', (code, signal) => {
      if (code === 0) resolve(JSON.parse(out));
      else reject(new Error(`${generator} ${args.join(' ')}: ${errors || `ended by ${signal}`}`));
    });
  });
  return child;
}

export function version(command, args, pattern) {
  try {
    return execFileSync(command, args, { encoding: 'utf8' }).match(pattern)?.[1] ?? 'unknown';
  } catch (error) {  // mosquitto -h ends with 3
    return String(error.stdout ?? '').match(pattern)?.[1] ?? 'unknown';
  }
}

export const commit = () => execFileSync('git', ['-C', root, 'rev-parse', '--short', 'HEAD'],
  { encoding: 'utf8' }).trim();

export function machine() {
  const cores = os.cpus();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  return `${cores[0].model}, ${cores.length} cores, ${memory} GB, Linux ${os.release()}`;
}
