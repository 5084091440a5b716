// A broker of MQTT 3.1.1 over TCP that takes everybody in and hands messages of QoS 0 on, but for
// what `mangle(number, packet)` makes of them: the packets to send instead, in their order.

import { createServer } from 'node:net';

// The whole packets at the front of `bytes`, and what follows them.
function cut(bytes) {
  const packets = [];
  let from = 0;
  for (;;) {
    let length = 0;
    let at = from + 1;
    for (let shift = 0; ; shift += 7) {
      if (at >= bytes.length) return { packets, rest: bytes.subarray(from) };
      length |= (bytes[at] & 0x7f) << shift;
      if (!(bytes[at++] & 0x80)) break;
    }
    if (at + length > bytes.length) return { packets, rest: bytes.subarray(from) };
    packets.push({ type: bytes[from] >> 4, bytes: bytes.subarray(from, at + length) });
    from = at + length;
  }
}

// Resolves to { url, close }. Whoever has subscribed gets all messages.
export async function carelessBroker(mangle) {
  const subscribers = new Set();
  const sockets = new Set();
  let published = 0;
  const answer = (socket, { type, bytes }) => {
    if (type === 1) socket.write(Buffer.from([0x20, 2, 0, 0]));
    if (type === 8) {
      subscribers.add(socket);
      socket.write(Buffer.from([0x90, 3, bytes[2], bytes[3], 0]));
    }
    if (type === 3) {
      for (const packet of mangle(published++, Buffer.from(bytes))) {
        for (const subscriber of subscribers) subscriber.write(packet);
      }
    }
  };
  const server = createServer((socket) => {
    let waiting = Buffer.alloc(0);
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      const { packets, rest } = cut(Buffer.concat([waiting, data]));
      waiting = rest;
      for (const packet of packets) answer(socket, packet);
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `mqtt://127.0.0.1:${server.address().port}`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((done) => server.close(done));
    },
  };
}
