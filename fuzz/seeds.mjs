// Seeds for the fuzz targets from what real clients sent:
//
//   FAIRLEAD_CAPTURE=FOLDER node --test tests/interop/*.test.mjs     (a release build)
//   packaging/build.sh fuzz && node fuzz/seeds.mjs FOLDER
//
// Every captured connection is cut into what each target reads. Of that, corpus/ gets what reaches
// code that nothing in there reaches yet (libFuzzer's merge), under the client's name; scripts of
// whole connections are kept for each program, because they show what it is like. The secrets in
// there are the tests' own.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(import.meta.url), '../..');
const [folder] = process.argv.slice(2);
const seedBytesMax = 1500;

// target → name → bytes
const seeds = {};
function add(target, name, ...pieces) {
  const bytes = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
  (seeds[target] ??= new Map()).set(name, bytes);
}

// ---- Taking streams apart ---------------------------------------------------------------------

// [payload, bytes of the frame] of each whole WebSocket frame.
function* frames(stream) {
  for (let at = 0; at + 2 <= stream.length; ) {
    const masked = stream[at + 1] >= 128;
    let length = stream[at + 1] & 127;
    let header = 2;
    if (length === 126) {
      length = stream.readUInt16BE(at + 2);
      header = 4;
    } else if (length === 127) {
      length = Number(stream.readBigUInt64BE(at + 2));
      header = 10;
    }
    const key = masked ? stream.subarray(at + header, at + header + 4) : null;
    if (masked) header += 4;
    const end = at + header + length;
    if (end > stream.length) return;
    const payload = Buffer.from(stream.subarray(at + header, end));
    if (key) payload.forEach((byte, i) => (payload[i] = byte ^ key[i % 4]));
    const isData = (stream[at] & 15) < 8;
    yield [isData ? payload : Buffer.alloc(0), stream.subarray(at, end)];
    at = end;
  }
}

// Each whole MQTT packet.
function* packets(stream) {
  for (let at = 0; at < stream.length; ) {
    let length = 0;
    let shift = 0;
    let from = at + 1;
    do {
      if (from >= stream.length) return;
      length += (stream[from] & 127) << shift;
      shift += 7;
    } while (stream[from++] >= 128);
    if (from + length > stream.length) return;
    yield { whole: stream.subarray(at, from + length), body: stream.subarray(from, from + length) };
    at = from + length;
  }
}

// As many as fit.
function first(pieces, bytesMax = seedBytesMax) {
  const taken = [];
  let size = 0;
  for (const piece of pieces) {
    if ((size += piece.length) > bytesMax) break;
    taken.push(piece);
  }
  return taken;
}

const field = (body, at) => body.subarray(at + 2, at + 2 + body.readUInt16BE(at));

// { version, fields } of a CONNECT: client id, then will topic and payload, user name, password.
function connect(body) {
  let at = 2 + body.readUInt16BE(0);
  const version = body[at];
  at += 4; // level, flags, keep alive
  const skipProperties = () => {
    if (version === 5) at += 1 + body[at]; // of one byte's length, in what we capture
  };
  const flags = body[at - 3];
  skipProperties();
  const take = () => {
    const bytes = field(body, at);
    at += 2 + bytes.length;
    return bytes;
  };
  const id = take();
  if (flags & 4) {
    skipProperties();
    take();
    take();
  }
  const user = flags & 128 ? take() : '';
  const password = flags & 64 ? take() : '';
  return { version, id, user, password };
}

// ---- Seeds of one connection ------------------------------------------------------------------

function connection(name, pieces) {
  // A back end reads along: it connects as c1 and subscribes to everything.
  const backend = [0x10, 0, 0x16, 1, 4, 0, 0x17, 9, 2];
  const steps = pieces.flatMap((piece) => [
    Buffer.from([15, 255, piece.length >> 8, piece.length & 255]),
    piece,
  ]);
  add('connection', name, [0], backend, [0, 0], ...steps);
}

function session(name, version, client) {
  const hello = { 3: [6], 4: [10], 5: [2, 60, 3, 255] }[version];
  const steps = client
    .slice(1)
    .filter(({ body }) => body.length < 256)
    .map(({ whole, body }) => Buffer.concat([Buffer.from([4, whole[0], body.length]), body]));
  add('session', name, hello, ...first(steps));
}

function mqtt(name, up, down) {
  const client = [...packets(up)];
  if (client.length === 0 || client[0].whole[0] !== 0x10) return;
  const { version, id, user, password } = connect(client[0].body);
  const wholes = (stream) => first([...packets(stream)].map(({ whole }) => whole));
  add('mqtt_reader', `${name}_up`, [version - 3], ...wholes(up));
  add('mqtt_reader', `${name}_down`, [version - 3], ...wholes(down));
  add('client_id', name, id, [0], user, [0], password);
  session(name, version, client);
  const subscribe = client.find(({ whole }) => whole[0] >> 4 === 8);
  const publish = client.find(({ whole }) => whole[0] >> 4 === 3);
  if (subscribe && publish) {
    const filter = field(subscribe.body, version === 5 ? 3 + subscribe.body[2] : 2);
    add('topic_filter', name, filter, '\n', field(publish.body, 0));
  }
}

function webSocket(name, up, down) {
  const split = (stream) => {
    const end = stream.indexOf('\r\n\r\n') + 4;
    return [stream.subarray(0, end), [...frames(stream.subarray(end))]];
  };
  const [upHead, upFrames] = split(up);
  const [downHead, downFrames] = split(down);
  for (const target of ['http_head', 'ws_handshake']) {
    add(target, `${name}_up`, upHead);
    add(target, `${name}_down`, downHead);
  }
  const bytes = (list) => first(list.map(([, frame]) => frame));
  add('ws_frame', `${name}_up`, [0], ...bytes(upFrames));
  add('ws_frame', `${name}_down`, [1], ...bytes(downFrames));
  connection(name, [upHead, ...bytes(upFrames)]);
  const stream = (list) => Buffer.concat(list.map(([payload]) => payload));
  mqtt(name, stream(upFrames), stream(downFrames));
}

function seedsOf(name, up, down) {
  if (up[0] === 0x16) {
    add('hello_guard', name, [0], up.subarray(0, 5 + up.readUInt16BE(3)));
  } else if (up[0] === 0x10) {
    connection(name, first([...packets(up)].map(({ whole }) => whole)));
    mqtt(name, up, down);
  } else if (up.length > 0) {
    webSocket(name, up, down);
  }
}

// ---- What is kept -----------------------------------------------------------------------------

const sha1 = (bytes) => createHash('sha1').update(bytes).digest('hex');

function adopt(target, candidates) {
  const corpus = join(root, 'fuzz/corpus', target);
  const work = mkdtempSync(join(tmpdir(), 'fairlead-seeds-'));
  const [merged, offered] = [join(work, 'merged'), join(work, 'offered')];
  mkdirSync(corpus, { recursive: true });
  cpSync(corpus, merged, { recursive: true });
  mkdirSync(offered);
  for (const [name, bytes] of candidates) writeFileSync(join(offered, name), bytes);
  const program = join(root, 'build/fuzz/fuzz', `${target}_fuzz`);
  const inputs = { stdio: 'ignore', cwd: work }; // what breaks a target is left there
  execFileSync(program, ['-merge=1', merged, offered], inputs);
  const useful = new Set(readdirSync(merged).map((name) => sha1(readFileSync(join(merged, name)))));
  let kept = 0;
  for (const [name, bytes] of candidates) {
    if (target !== 'connection' && !useful.delete(sha1(bytes))) continue;
    writeFileSync(join(corpus, name), bytes);
    kept += 1;
  }
  rmSync(work, { recursive: true });
  console.log(`${target}: ${kept} of ${candidates.size}`);
}

const seen = new Map();
for (const file of readdirSync(folder).sort()) {
  if (!file.endsWith('.up')) continue;
  const title = file.replace(/-\d+\.up$/, '');
  const count = (seen.get(title) ?? 0) + 1;
  seen.set(title, count);
  if (count > 2) continue; // the first connection, and the one that resumes
  const up = readFileSync(join(folder, file));
  const down = readFileSync(join(folder, file.replace(/up$/, 'down')));
  seedsOf(count === 1 ? title : `${title}_again`, up, down);
}
for (const [target, candidates] of Object.entries(seeds)) adopt(target, candidates);
