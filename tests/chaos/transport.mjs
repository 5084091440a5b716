// Bytes to the server and back, over tcp or wss: what a strict client speaks MQTT over.

import net from 'node:net';

import { WebSocket } from './packages.mjs';

// Calls on.open(), on.data(bytes) and, once and whatever happened, on.close(). Nothing is called
// any more after drop().
export function dial({ scheme, url, ca }, on) {
  return scheme === 'wss' ? overWebSocket(url, ca, on) : overTcp(new URL(url), on);
}

function overTcp({ hostname, port }, on) {
  const socket = net.connect({ host: hostname, port: Number(port), noDelay: true });
  socket.on('connect', () => on.open());
  socket.on('data', (bytes) => on.data(bytes));
  socket.on('error', () => {}); // its close follows
  socket.on('close', () => on.close());
  return {
    send: (bytes) => socket.write(bytes),
    end: () => socket.end(),
    drop() {
      socket.removeAllListeners('data').removeAllListeners('close').removeAllListeners('connect');
      socket.destroy();
    },
  };
}

function overWebSocket(url, ca, on) {
  const socket = new WebSocket(url, ['mqtt'], { ca, perMessageDeflate: false });
  socket.binaryType = 'nodebuffer';
  socket.on('open', () => on.open());
  socket.on('message', (bytes) => on.data(bytes));
  socket.on('error', () => {});
  socket.on('close', () => on.close());
  return {
    send: (bytes) => socket.send(bytes, () => {}),
    end: () => socket.close(),
    drop() {
      socket.removeAllListeners('message').removeAllListeners('close').removeAllListeners('open');
      socket.terminate();
    },
  };
}
