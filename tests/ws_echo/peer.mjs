// A WebSocket client that says exactly what it is told to, and writes down what it hears. It has
// nothing in common with src/proto/ws: node's socket and node's zlib.

import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';

const tail = Buffer.from([0, 0, 0xff, 0xff]);

// Starts the program; resolves to { port, stop }.
export async function startEcho(...options) {
  const child = spawn(process.env.WS_ECHO, ['--port', '0', ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await new Promise((done, failed) => {
    child.once('error', failed);
    child.once('exit', (code) => failed(new Error(`ws_echo ended with ${code}`)));
    createInterface({ input: child.stdout }).once('line', (...args) => done(args));
  });
  return { port: Number(/\d+$/.exec(line)[0]), stop: () => child.kill() };
}

// ---- What is sent ----------------------------------------------------------------------------

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

// One masked frame; `bits` are those above the opcode: 0x80 final, 0x40 compressed.
export function frame(opcode, payload = '', { bits = 0x80, mask = randomBytes(4) } = {}) {
  const body = Buffer.from(payload);
  let header;
  if (body.length < 126) {
    header = Buffer.from([bits | opcode, 0x80 | body.length]);
  } else if (body.length < 65536) {
    header = Buffer.from([bits | opcode, 0x80 | 126, 0, 0]);
    header.writeUInt16BE(body.length, 2);
  } else {
    header = Buffer.concat([Buffer.from([bits | opcode, 0x80 | 127]), Buffer.alloc(8)]);
    header.writeBigUInt64BE(BigInt(body.length), 2);
  }
  for (let i = 0; i < body.length; ++i) body[i] ^= mask[i & 3];
  return Buffer.concat([header, mask, body]);
}

export function closeFrame(code, reason = '') {
  const body = Buffer.from(`..${reason}`);
  body.writeUInt16BE(code);
  return frame(opcodes.close, body);
}

// A message in fragments of at most `size` bytes; `first` are further bits of the first one.
export function fragments(opcode, payload, size, first = 0) {
  const body = Buffer.from(payload);
  const frames = [];
  for (let at = 0; at === 0 || at < body.length; at += size) {
    const bits = (at + size >= body.length ? 0x80 : 0) | (at === 0 ? first : 0);
    frames.push(frame(at === 0 ? opcode : 0, body.subarray(at, at + size), { bits }));
  }
  return Buffer.concat(frames);
}

export function compress(payload, options = {}) {
  const whole = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH, ...options });
  return whole.subarray(0, whole.length - tail.length);
}

export const compressed = (opcode, payload, options) =>
  frame(opcode, compress(payload, options), { bits: 0xc0 });

// ---- What is heard ---------------------------------------------------------------------------

const shown = (opcode, body) => {
  if (opcode === opcodes.text) return `text:${body}`;
  if (opcode === opcodes.binary) return `binary:${body.toString('latin1')}`;
  if (opcode === opcodes.ping) return `ping:${body}`;
  if (opcode === opcodes.pong) return `pong:${body}`;
  if (opcode !== opcodes.close) return `opcode ${opcode}`;
  return body.length === 0 ? 'close' : `close:${body.readUInt16BE()}`;
};

// Takes a frame of the server from the front of `bytes`: { event, size, wasCompressed }.
function takeFrame(bytes, windowBits) {
  if (bytes.length < 2) return null;
  if (bytes[1] & 0x80) throw new Error('the server masks');
  if ((bytes[0] & 0xb0) !== 0x80) throw new Error('the server sends fragments or reserved bits');
  let length = bytes[1];
  let at = 2;
  if (length === 126) {
    if (bytes.length < 4) return null;
    [length, at] = [bytes.readUInt16BE(2), 4];
  } else if (length === 127) {
    if (bytes.length < 10) return null;
    [length, at] = [Number(bytes.readBigUInt64BE(2)), 10];
  }
  if (bytes.length < at + length) return null;
  let body = bytes.subarray(at, at + length);
  const wasCompressed = (bytes[0] & 0x40) !== 0;
  if (wasCompressed) {
    if (windowBits === 0) throw new Error('compressed, and that was not agreed on');
    body = inflateRawSync(Buffer.concat([body, tail]), {
      finishFlush: constants.Z_SYNC_FLUSH,
      windowBits,
    });
  }
  return { event: shown(bytes[0] & 15, body), size: at + length, wasCompressed };
}

// Connects, upgrades, says `chunks` one after the other, and resolves to what was heard until the
// server closed: { status, extensions, events, compressedCount }.
export function talk(port, chunks, { offers = [], windowBits = 0 } = {}) {
  const key = randomBytes(16).toString('base64');
  const head = [
    'GET /echo HTTP/1.1',
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
    ...offers.map((offer) => `Sec-WebSocket-Extensions: ${offer}`),
    '\r\n',
  ].join('\r\n');
  return new Promise((done, failed) => {
    const heard = { status: 0, extensions: '', events: [], compressedCount: 0 };
    let bytes = Buffer.alloc(0);
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const onHead = () => {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) return false;
      const lines = bytes.subarray(0, end).toString().split('\r\n');
      const value = (name) =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
      heard.status = Number(lines[0].split(' ')[1]);
      heard.extensions = value('Sec-WebSocket-Extensions');
      const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
      const accept = createHash('sha1').update(key + guid).digest('base64');
      if (heard.status === 101 && value('Sec-WebSocket-Accept') !== accept)
        throw new Error('a wrong Sec-WebSocket-Accept');
      bytes = bytes.subarray(end + 4);
      return true;
    };
    socket.on('error', failed);
    socket.on('connect', () => {
      socket.write(head);
      for (const chunk of chunks) socket.write(chunk);
    });
    socket.on('data', (data) => {
      try {
        bytes = Buffer.concat([bytes, data]);
        if (heard.status === 0 && !onHead()) return;
        if (heard.status !== 101) return;
        for (let next; (next = takeFrame(bytes, windowBits)); bytes = bytes.subarray(next.size)) {
          heard.events.push(next.event);
          if (next.wasCompressed) ++heard.compressedCount;
        }
      } catch (error) {
        socket.destroy();
        failed(error);
      }
    });
    socket.on('end', () => socket.end());
    socket.on('close', () => done(heard));
  });
}
