// Proxies of Debian in front of the server, with the very snippets of the operators' guide.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { root } from './fairlead.mjs';
import { Inbox } from './inbox.mjs';
import { lines } from './lines.mjs';

// The code blocks of one language that stand in a section of a guide, in their order.
export function snippets(guide, section, language) {
  const text = readFileSync(join(root, 'docs', guide), 'utf8');
  const from = text.indexOf(`\n${section}\n`);
  if (from < 0) throw new Error(`${guide} has no section "${section}"`);
  const level = section.match(/^#+/)[0].length;
  const rest = text.slice(from + 1 + section.length);
  const blocks = [];
  for (const [, is, block, heading] of rest.matchAll(/^```(\w*)\n(.*?)^```$|^(#+) /gms)) {
    if (heading && heading.length <= level) break;
    if (is === language) blocks.push(block);
  }
  return blocks;
}

// Puts what a test needs in the place of what a guide says; each occurs once.
export function adapt(text, changes) {
  return Object.entries(changes).reduce((made, [what, instead]) => {
    if (made.split(what).length !== 2) throw new Error(`"${what}" is not there once in:\n${made}`);
    return made.replace(what, () => instead);
  }, text);
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

// Starts a proxy on `count` ports; resolves to { proxy, ports }. Proxies cannot be told to take any
// port and say which: these were free a moment ago, and others are tried when they are not now.
export async function onFreePorts(count, start) {
  for (let attempt = 1; ; attempt++) {
    const ports = [];
    while (ports.length < count) ports.push(await freePort());
    try {
      return { proxy: await start(...ports), ports };
    } catch (error) {
      if (attempt === 5 || !/in use/i.test(error.message)) throw error;
    }
  }
}

export class Proxy {
  directory = mkdtempSync(join(tmpdir(), 'fairlead-proxy-'));
  #child;
  #exit;
  #said = '';

  write(name, text) {
    const file = join(this.directory, name);
    writeFileSync(file, text);
    return file;
  }

  // Resolves when every one of `ready` has been seen in what it says.
  async start(command, args, ready) {
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const awaited = new Set(ready);
    const seen = new Inbox();
    const look = (line) => {
      this.#said = `${this.#said}${line}\n`.slice(-16_384);
      for (const pattern of awaited) {
        if (!pattern.test(line)) continue;
        awaited.delete(pattern);
        seen.push(line);
      }
    };
    const read = [lines(this.#child.stdout, look), lines(this.#child.stderr, look)];
    this.#exit = new Promise((done) => {
      const end = (how) => {
        seen.fail(new Error(`${command} ended with ${how}:\n${this.#said}`));
        done();
      };
      this.#child.on('error', (error) => end(error.message));
      this.#child.on('close', async (code, signal) => {
        await Promise.all(read);
        end(code ?? signal);
      });
    });
    try {
      await seen.take(ready.length, `${command} to be ready`);
    } catch (error) {
      error.message += `\n${this.#said}`;
      await this.remove();
      throw error;
    }
  }

  async remove() {
    this.#child?.kill('SIGTERM');
    await this.#exit;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

// nginx with a `server` of http and a whole `stream`; either may be empty.
export async function startNginx({ http, stream }) {
  const proxy = new Proxy();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `  ${kind}_temp_path ${join(proxy.directory, kind)};`)
    .join('\n');
  const config = proxy.write(
    'nginx.conf',
    `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
${process.getuid() === 0 ? 'user root;' : ''}
worker_processes 1;
pid ${join(proxy.directory, 'pid')};
error_log stderr notice;
events {}
http {
  access_log off;
${temporary}
${http}
}
${stream}
`,
  );
  const args = ['-e', 'stderr', '-p', proxy.directory, '-c', config, '-g', 'daemon off;'];
  await proxy.start('/usr/sbin/nginx', args, [/start worker process \d+/]);
  return proxy;
}

// HAProxy, ready when it has found all its servers healthy.
export async function startHaproxy(text, servers) {
  const proxy = new Proxy();
  const config = proxy.write(
    'haproxy.cfg',
    `global
    log stdout format raw local0
${adapt(text, { 'defaults\n': 'defaults\n    log global\n    option log-health-checks\n' })}`,
  );
  await proxy.start(
    '/usr/sbin/haproxy',
    ['-db', '-f', config],
    servers.map((name) => new RegExp(`check for server ${name} succeeded.*Layer7.*200`)),
  );
  return proxy;
}
