// Certificates of a running server: renewed, revoked, removed and half-written files, with
// certificates from the openssl command and real handshakes. No connection is dropped by any.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect as connectTls } from 'node:tls';

import mqtt from 'mqtt';

import { Fairlead, deviceCredentials } from './lib/fairlead.mjs';

const servers = [];
after(async () => {
  for (const server of servers) await server.remove();
});

async function fresh() {
  const server = new Fairlead();
  servers.push(server);
  await server.certificates();
  await server.product('std', 'standard');
  await server.device('std', 'dev1');
  return server;
}

// A whole handshake and a request behind it: TLS 1.3 tells a client late that it is refused.
// Resolves to { ok, resumed, ticket, names }.
function ask(server, options = {}) {
  return new Promise((done) => {
    const seen = { ok: false, resumed: false, ticket: null, names: '' };
    const socket = connectTls({
      host: '127.0.0.1',
      port: server.port,
      servername: 'localhost',
      ca: readFileSync(server.ca),
      ...options,
    });
    socket.on('session', (ticket) => (seen.ticket = ticket));
    socket.on('secureConnect', () => {
      seen.resumed = socket.isSessionReused();
      seen.names = socket.getPeerCertificate().subjectaltname ?? '';
      socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    });
    socket.on('data', (data) => (seen.ok = String(data).startsWith('HTTP/1.1 200 ')));
    socket.on('error', () => {}); // it ends, and that says it
    socket.on('close', () => done(seen));
  });
}

// A client that stays connected, and what it says when it is asked.
async function staying(server, options = {}) {
  const { clientId, username, password } = await deviceCredentials('std', 'dev1', 'mqtts');
  const client = await mqtt.connectAsync(server.url('mqtts'), {
    clientId,
    username,
    password,
    ca: readFileSync(server.ca),
    reconnectPeriod: 0,
    ...options,
  });
  return {
    alive: async () => {
      await client.publishAsync('/std/dev1/user/update', 'here', { qos: 1 });
    },
    close: () => client.endAsync(),
  };
}

// An authority of devices, led by the openssl command.
class Devices {
  #folder;
  constructor(folder, name) {
    this.#folder = folder;
    this.certificate = this.#file(`${name}.crt`);
    this.#key = this.#file(`${name}.key`);
    this.#config = this.#file(`${name}.cnf`);
    writeFileSync(this.#file(`${name}.index`), '');
    writeFileSync(this.#file(`${name}.serial`), '10');
    writeFileSync(
      this.#config,
      `[req]
distinguished_name = empty
[empty]
[root]
basicConstraints = critical,CA:TRUE
[ca]
default_ca = this
[this]
database = ${this.#file(`${name}.index`)}
serial = ${this.#file(`${name}.serial`)}
new_certs_dir = ${folder}
certificate = ${this.certificate}
private_key = ${this.#key}
default_md = sha256
default_crl_days = 5
policy = any
[any]
commonName = supplied
`,
    );
    this.#newKey(['-x509', '-days', '20', '-extensions', 'root'], name, {
      out: this.certificate,
      key: this.#key,
    });
  }
  #key;
  #config;

  #file(name) {
    return join(this.#folder, name);
  }

  #openssl(...args) {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  #newKey(how, name, { out, key }) {
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const files = ['-keyout', key, '-out', out, '-config', this.#config];
    this.#openssl('req', ...how, ...curve, '-subj', `/CN=${name}`, ...files);
  }

  // { cert, key, file } of a device.
  device(name) {
    const [request, key, out] = ['csr', 'key', 'crt'].map((kind) => this.#file(`${name}.${kind}`));
    this.#newKey(['-new'], name, { out: request, key });
    const ca = ['ca', '-batch', '-notext', '-config', this.#config];
    this.#openssl(...ca, '-days', '15', '-in', request, '-out', out);
    return { cert: readFileSync(out), key: readFileSync(key), file: out };
  }

  revoke(device) {
    this.#openssl('ca', '-config', this.#config, '-revoke', device.file);
  }

  // The list as of now, as text.
  list() {
    const out = this.#file('list.tmp');
    this.#openssl('ca', '-config', this.#config, '-gencrl', '-out', out);
    return readFileSync(out, 'utf8');
  }
}

// As tools do it: whole, or not at all.
function replace(file, text) {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

test('Renewed certificates are served without a signal, old connections stay', async () => {
  const server = await fresh();
  await server.start();
  const stays = await staying(server);
  assert.doesNotMatch((await ask(server)).names, /new\.example\.com/);
  const reloaded = server.logged(/ tls\.reloaded /);
  await server.cli('cert', 'init', '--host', 'localhost', '--host', 'new.example.com');
  await reloaded;
  let now;
  do {
    now = await ask(server); // the two certificates are written one after the other
    assert.ok(now.ok);
  } while (!/new\.example\.com/.test(now.names));
  await stays.alive();
  await stays.close();
  const metrics = await (await fetch(`${server.admin}/metrics`)).text();
  const sample = /^fairlead_certificate_expiry_timestamp_seconds\{kind="server",.*\} \d{10}$/m;
  assert.match(metrics, sample);
});

test('Revoked devices and removed authorities are refused at the next handshake', async () => {
  const server = await fresh();
  const devices = new Devices(server.directory, 'devices');
  const [one, two] = [devices.device('one'), devices.device('two')];
  const list = join(server.directory, 'revoked.pem');
  writeFileSync(list, devices.list());
  const config = join(server.directory, 'tls.toml');
  writeFileSync(
    config,
    `[[listener]]
address = "127.0.0.1"
port = 0
[tls]
client_certificates = "require"
client_ca_file = "devices.crt"
client_crl_file = "revoked.pem"
`,
  );
  await server.start('--config', config);
  assert.match(server.log, / warning tls\.expires_soon file=\S+devices\.crt .*days_left=19/);
  const stays = await staying(server, { cert: one.cert, key: one.key });
  const first = await ask(server, one);
  assert.ok(first.ok && first.ticket);
  const resumed = await ask(server, { ...one, session: first.ticket });
  assert.ok(resumed.ok && resumed.resumed);

  devices.revoke(one);
  const revoked = devices.list();
  let reloaded = server.logged(/ tls\.reloaded /);
  replace(list, revoked);
  await reloaded;
  const refused = server.logged(/ connection\.refused .*certificate revoked/);
  assert.ok(!(await ask(server, { ...one, session: resumed.ticket ?? first.ticket })).ok);
  await refused;
  assert.ok((await ask(server, two)).ok);
  assert.ok(!(await ask(server)).ok, 'a device without a certificate');
  await stays.alive();

  const failed = server.logged(/ tls\.reload_failed .*revoked\.pem/);
  writeFileSync(list, revoked.slice(0, revoked.length / 2));
  await failed;
  assert.ok((await ask(server, two)).ok);
  assert.ok(!(await ask(server, one)).ok);
  reloaded = server.logged(/ tls\.reloaded /);
  writeFileSync(list, revoked);
  await reloaded;

  const others = new Devices(server.directory, 'others');
  writeFileSync(list, revoked + others.list());
  replace(devices.certificate, readFileSync(others.certificate));
  server.signal('SIGHUP');
  const three = others.device('three');
  while (!(await ask(server, three)).ok); // SIGHUP or the look at the files, whichever is first
  assert.ok(!(await ask(server, two)).ok);
  await stays.alive();
  await stays.close();
  const metrics = await (await fetch(`${server.admin}/metrics`)).text();
  assert.match(metrics, /\{kind="crl",file="[^"]*revoked\.pem",subject="CN=others"\} \d{10}/);
});

test('cert show says what is wrong', async () => {
  const server = await fresh();
  const good = JSON.parse(await server.cli('cert', 'show', '--json'));
  assert.equal(good.length, 3);
  for (const each of good) {
    assert.deepEqual(each.problems, []);
    assert.ok(each.daysLeft > 800);
  }
  const folder = join(server.directory, 'certs');
  writeFileSync(
    join(server.directory, 'fairlead.toml'),
    `[[tls.certificate]]
certificate_files = ["certs/server-rsa.crt", "certs/server-ec.crt"]
key_files = ["certs/server-ec.key", "certs/none.key"]
`,
  );
  const bad = await server.try('cert', 'show', '--json');
  assert.equal(bad.code, 1);
  const [rsa, ec] = JSON.parse(bad.stdout);
  assert.equal(rsa.file, join(folder, 'server-rsa.crt'));
  assert.match(rsa.problems.join(), /server-ec\.key is that of another certificate/);
  assert.match(ec.problems.join(), /none\.key cannot be read/);
});
