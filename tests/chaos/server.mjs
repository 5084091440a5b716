// The server under test: one data directory, a process at a time over it, always on the same ports.

import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Fairlead, backendPassword } from '../interop/lib/fairlead.mjs';

// An address of this process's own, so that the ports are still free after a restart: neither the
// kernel nor another program gives them to a connection of 127.0.0.1.
const address = `127.77.${(process.pid >> 8) & 0xff}.${process.pid & 0xff || 1}`;
const user = 'backend';

export class Server {
  died = null; // what ended a process that nobody wanted to end
  #fairlead = new Fairlead();
  #ports = { mqtt: 0, wss: 0 };
  #running = false;
  #ca;

  // `store` are keys of the configuration, unless `more`, further lines of it, has others.
  async prepare(store, more) {
    await this.#fairlead.cli('cert', 'init', '--host', 'localhost', '--ip', address);
    await this.#fairlead.backend(user);
    this.#ca = readFileSync(this.#fairlead.ca);
    const keys = Object.entries(store).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
    writeFileSync(
      join(this.#fairlead.directory, 'fairlead.toml'),
      `[session]
queue_count = 1000000
queue_bytes = 1073741824
takeovers_per_minute = 0
${more.includes('[store]') ? '' : `[store]\n${keys.join('\n')}`}
${more}
`,
    );
  }

  get directory() {
    return this.#fairlead.directory;
  }

  get log() {
    return this.#fairlead.log;
  }

  // Where a client of the scheme connects, and with what.
  endpoint = (scheme) => ({
    scheme,
    url: `${scheme}://${address}:${this.#ports[scheme]}${scheme === 'wss' ? '/mqtt' : ''}`,
    ca: this.#ca,
  });
  login = { user, password: backendPassword };

  // Resolves to the milliseconds until it listens, or to null when it was killed before.
  async start(shards) {
    const began = performance.now();
    this.#running = true;
    const { mqtt, wss } = this.#ports;
    const listen = [`${address}:${mqtt}/mqtt`, `${address}:${wss}/wss`];
    const started = this.#fairlead.start(
      ...listen.flatMap((each) => ['--listen', each]),
      ...['--shards', `${shards}`],
    );
    const exited = this.#fairlead.exited().then((how) => this.#ended(how));
    try {
      await started;
    } catch (error) {
      await exited;
      if (this.died) throw error;
      return null;
    }
    [this.#ports.mqtt, this.#ports.wss] = this.#fairlead.listeners;
    return performance.now() - began;
  }

  #ended(how) {
    if (this.#running) this.died = `the server ended by itself with ${how}`;
    this.#running = false;
  }

  async kill() {
    if (!this.#running) return;
    this.#running = false;
    this.#fairlead.signal('SIGKILL');
    await this.#fairlead.exited();
  }

  async stop() {
    this.#running = false;
    await this.#fairlead.stop();
  }

  // Between two processes: keeps a copy of the store; puts it back, as a disk does that forgot what
  // it was told to write since. To see that it is noticed.
  rememberStore() {
    for (const name of this.#storeFiles()) cpSync(name, `${name}.remembered`);
  }

  forgetStore() {
    for (const name of this.#storeFiles()) rmSync(name);
    for (const name of this.#storeFiles('.remembered'))
      cpSync(name, name.slice(0, -'.remembered'.length));
  }

  #storeFiles(suffix = '') {
    const wanted = ['store.db', 'store.db-wal'].map((name) => `${name}${suffix}`);
    return readdirSync(this.directory)
      .filter((name) => wanted.includes(name))
      .map((name) => join(this.directory, name));
  }

  remove() {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
