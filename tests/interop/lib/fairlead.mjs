// The server under test, and its command line. FAIRLEAD names the binary; by default it is
// build/release/fairlead of this tree.

import { execFile, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { credentials } from '../../../console/page/sign.js';
import { Capture } from './capture.mjs';
import { Inbox } from './inbox.mjs';
import { lines } from './lines.mjs';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const binary = resolve(process.env.FAIRLEAD ?? join(root, 'build/release/fairlead'));
accessSync(binary, constants.X_OK);

export const secret = '0123456789abcdefghijklmnopqrstuv';
export const backendPassword = 'back end of the tests';

// Runs the binary to its end. Resolves to { code, stdout, stderr }; a non-zero code is no error.
export function fairlead(args, { input, timeout = 60_000, env } = {}) {
  return new Promise((done) => {
    const child = execFile(
      binary,
      args,
      { timeout, maxBuffer: 64 << 20, env: { ...process.env, ...env } },
      (error, stdout, stderr) =>
        done({
          code: error ? (typeof error.code === 'number' ? error.code : error.signal) : 0,
          stdout,
          stderr,
        }),
    );
    child.stdin.on('error', () => {}); // it may end before it has read
    child.stdin.end(input ?? '');
  });
}

// A data directory of its own, removed at the end, and the server over it.
export class Fairlead {
  directory = mkdtempSync(join(tmpdir(), 'fairlead-test-'));
  #child = null;
  #capture = null;
  #log = '';
  #awaited = new Set();
  #exit = null;

  get ca() {
    return join(this.directory, 'certs', 'ca.crt');
  }

  // The CLI on this data directory; an error when it fails.
  async cli(...args) {
    const result = await this.try(...args);
    if (result.code !== 0) {
      throw new Error(
        `fairlead ${args.join(' ')}: exit ${result.code}\n${result.stdout}${result.stderr}`,
      );
    }
    return result.stdout;
  }

  try(...args) {
    return fairlead(['--data-dir', this.directory, ...args]);
  }

  certificates() {
    return this.cli('cert', 'init', '--host', 'localhost', '--ip', '127.0.0.1', '--ip', '::1');
  }

  product(key, profile) {
    return this.cli('product', 'create', '--key', key, '--profile', profile);
  }

  device(product, name) {
    return this.cli('device', 'create', '--product', product, '--name', name, '--secret', secret);
  }

  backend(name = 'backend') {
    return this.cli(
      'app',
      'create',
      '--name',
      name,
      '--password',
      backendPassword,
      '--allow',
      'sub:#',
      '--allow',
      'pub:#',
    );
  }

  // Starts `serve` on ports of the kernel's choice, or as a configuration file says; resolves when
  // every listener is ready.
  async start(...args) {
    const config = args[args.indexOf('--config') + 1];
    const configured = args.includes('--config')
      ? readFileSync(config, 'utf8').split('[[listener]]').length - 1
      : 0;
    const listen = args.includes('--listen') || configured ? [] : ['--listen', '127.0.0.1:0'];
    this.#child = spawn(
      binary,
      ['--data-dir', this.directory, 'serve', ...listen, '--admin', '127.0.0.1:0', ...args],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const wanted =
      1 +
      (configured || (listen.length ? 1 : args.filter((each) => each === '--listen').length));
    const ready = new Inbox();
    const keep = (line) => {
      this.#log = `${this.#log}${line}\n`.slice(-(1 << 20));
      for (const wait of this.#awaited) wait(line);
      if (/^(listening|admin) /.test(line)) ready.push(line);
    };
    const read = [lines(this.#child.stdout, keep), lines(this.#child.stderr, keep)];
    this.#exit = new Promise((done) => {
      this.#child.on('close', async (code, signal) => {
        await Promise.all(read);
        ready.fail(new Error(`the server ended with ${code ?? signal}:\n${this.#log}`));
        done(code ?? signal);
      });
    });
    const said = await ready.take(wanted, 'the server to listen');
    this.listeners = said
      .filter((line) => line.startsWith('listening '))
      .map((line) => {
        const port = /:(\d+)\s*$/.exec(line);
        if (!port) throw new Error(`no port in "${line}"`);
        return Number(port[1]);
      });
    [this.port] = this.listeners;
    if (process.env.FAIRLEAD_CAPTURE) {
      this.#capture = await Capture.start(this.port, process.env.FAIRLEAD_CAPTURE);
      this.port = this.#capture.port;
    }
    this.admin = said
      .find((line) => line.startsWith('admin '))
      .slice('admin '.length)
      .trim()
      .replace(/\/$/, '');
    return this;
  }

  url(scheme, host = '127.0.0.1') {
    return `${scheme}://${host}:${this.port}${scheme.startsWith('ws') ? '/mqtt' : ''}`;
  }

  // What is captured from now on belongs to this client.
  captureAs(name) {
    if (this.#capture) this.#capture.name = name;
  }

  get pid() {
    return this.#child.pid;
  }

  get log() {
    return this.#log;
  }

  // Resolves to the next line of the log that matches, from now on. Ask before causing it.
  logged(pattern) {
    const found = new Inbox();
    const look = (line) => {
      if (!pattern.test(line)) return;
      this.#awaited.delete(look);
      found.push(line);
    };
    this.#awaited.add(look);
    return found.take(1, `a log line like ${pattern}`).then(([line]) => line);
  }

  signal(name) {
    this.#child.kill(name);
  }

  // Resolves to the exit code, or the signal that ended it.
  exited() {
    return this.#exit;
  }

  // SIGTERM; the exit code must be 0.
  async stop() {
    this.#capture?.close();
    if (!this.#child) return;
    this.#child.kill('SIGTERM');
    const code = await this.#exit;
    this.#child = null;
    if (code !== 0) throw new Error(`the server ended with ${code}:\n${this.#log}`);
  }

  async remove() {
    try {
      await this.stop();
    } finally {
      rmSync(this.directory, { recursive: true, force: true });
    }
  }
}

// What a device sends in CONNECT.
export function deviceCredentials(productKey, deviceName, scheme = 'mqtt', method = 'hmacsha256') {
  return credentials({
    productKey,
    deviceName,
    secret,
    method,
    secure: /^(mqtts|ssl|wss)$/.test(scheme),
  });
}
