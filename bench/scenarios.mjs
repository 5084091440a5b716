// What is measured: the generator's words, and which of a broker's ports. Figures are per second of
// the broker's CPU, better when they are higher; of `memory` bytes, better when they are lower.
// `aim`: how many times mosquitto 2.0.11 Fairlead means to be (memory: at most this share of it).

const traffic = (...more) => ['traffic', ...more];
const fanOut = (...more) => traffic('--flows', '1', '--receivers', '500', ...more);
const idle = (...more) => ['idle', '--connections', '5000', ...more];
const qos = (level) => ['--qos', String(level)];

const messages = [
  { key: 'fanout16', title: 'ws fan-out 1 → 500, 16 B', aim: 12.5,
    args: fanOut('--payload', '16') },
  { key: 'fanout1k', title: 'ws fan-out 1 → 500, 1 KB', aim: 7.9,
    args: fanOut('--payload', '1024') },
  { key: 'fanout16w1', title: 'ws fan-out 1 → 500, 16 B, window 1', aim: 1.31,
    args: fanOut('--payload', '16', '--window', '1') },
  { key: 'fanout1', title: 'ws fan-out 1 → 500, QoS 1', qos: 1, args: fanOut(...qos(1)) },
  { key: 'pair0', title: 'ws 100 pairs', aim: 8.7, args: traffic() },
  { key: 'pair0w1', title: 'ws 100 pairs, window 1', aim: 1.28, args: traffic('--window', '1') },
  { key: 'pair1', title: 'ws 100 pairs, QoS 1', aim: 10.2, qos: 1, args: traffic(...qos(1)) },
  { key: 'pair2', title: 'ws 100 pairs, QoS 2', aim: 15, qos: 2, args: traffic(...qos(2)) },
  { key: 'fanin1', title: 'ws fan-in 200 → 1, QoS 1', aim: 22, qos: 1,
    args: traffic('--flows', '200', '--fan-in', ...qos(1)) },
  { key: 'wsspair1', title: 'wss 100 pairs, QoS 1', aim: 9, qos: 1, port: 'wss',
    args: traffic('--tls', ...qos(1)) },
  { key: 'wssfanout16', title: 'wss fan-out 1 → 500, 16 B', aim: 8.4, port: 'wss',
    args: fanOut('--tls', '--payload', '16') },
  { key: 'tcppair1', title: 'tcp 100 pairs, QoS 1', aim: 16, qos: 1, port: 'tcp',
    args: traffic('--tcp', ...qos(1)) },
].map((row) => ({ ...row, kind: 'messages' }));

const connects = [
  { key: 'connect', title: 'ws connects, anonymous', args: ['connects'] },
  { key: 'auth', title: 'ws connects, three-tuple / password', aim: 2.9, port: 'secured',
    args: ['connects'] },
  { key: 'tlsfull', title: 'wss connects, full handshakes', aim: 1.25, port: 'wss',
    args: ['connects', '--tls'] },
  // The aim is against one's own full handshakes.
  { key: 'tlsresumed', title: 'wss connects, resumed sessions', aim: 5, aimAgainst: 'tlsfull',
    port: 'wss', args: ['connects', '--tls', '--resume'], resumes: true },
  { key: 'tlsresumed12', title: 'wss connects, resumed sessions of TLS 1.2', aim: 5,
    aimAgainst: 'tlsfull', port: 'wss', args: ['connects', '--tls12', '--resume'],
    resumes: true },
].map((row) => ({ ...row, kind: 'connects' }));

const memory = [
  { key: 'idlews', title: 'idle ws connection, one subscription', aim: 0.32, args: idle() },
  { key: 'idlewss', title: 'idle wss connection, one subscription', aim: 0.79, port: 'wss',
    args: idle('--tls', '--concurrent', '20') },
].map((row) => ({ ...row, kind: 'memory' }));

const latency = [
  { key: 'latency', title: 'ws, 20 pairs, 2,000 messages a second', kind: 'latency',
    args: ['latency', '--flows', '20', '--rate', '2000'] },
];

export const scenarios = [...messages, ...connects, ...memory, ...latency]
  .map((row) => ({ port: 'ws', ...row }));

// What the clients that are connected notice when this many connect at once.
export const stormCount = 5000;
export const storms = [
  { key: 'stormws', title: 'ws', port: 'ws', args: [] },
  { key: 'stormwss', title: 'wss, full handshakes', port: 'wss', args: ['--tls'] },
];
