// aedes_broker.mjs CERTIFICATE KEY USER PASSWORD: aedes over tcp, ws, wss, and ws with a password;
// prints their ports as JSON.
import { timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { Aedes } from 'aedes';
import { WebSocketServer, createWebSocketStream } from 'ws';

const [certificate, key, user, password] = process.argv.slice(2);

async function listening(server) {
  await new Promise((done) => server.listen(0, '127.0.0.1', 4096, done));
  return server.address().port;
}

function overWebSocket(server, broker) {
  const sockets = new WebSocketServer({ server, perMessageDeflate: false,
    handleProtocols: () => 'mqtt' });
  sockets.on('connection', (socket, request) => {
    request.socket.setNoDelay(true);
    broker.handle(createWebSocketStream(socket), request);
  });
  return server;
}

const broker = await Aedes.createBroker();
const secured = await Aedes.createBroker({
  authenticate: (client, name, given, done) => {
    const [ours, theirs] = [Buffer.from(password), Buffer.from(given ?? '')];
    const same = name === user && ours.length === theirs.length && timingSafeEqual(ours, theirs);
    done(null, same);
  },
});
const tls = { cert: readFileSync(certificate), key: readFileSync(key) };
console.log(JSON.stringify({
  tcp: await listening(net.createServer({ noDelay: true }, broker.handle)),
  ws: await listening(overWebSocket(http.createServer(), broker)),
  wss: await listening(overWebSocket(https.createServer(tls), broker)),
  secured: await listening(overWebSocket(http.createServer(), secured)),
}));
