// The bare program that ratios to the roof are taken against: bench/roof.
import { firstWords, roof, spawnBroker } from '../harness.mjs';
import { certificate, plainLogin } from './setup.mjs';

async function start(directory, scenario) {
  const files = scenario.port === 'wss' ? [certificate.file, certificate.key] : [];
  const child = spawnBroker(roof, files, 'pipe');
  const port = Number((await firstWords(child, 'fairlead-roof')).split(':').pop());
  return { child, ports: { tcp: port, ws: port, wss: port, secured: port } };
}

export default {
  key: 'roof',
  name: 'roof',
  note: 'no broker: `fairlead-roof`, a bare epoll program that parses, checks and keeps nothing it '
    + 'does not need to pass the bytes of these rows on',
  version: () => '',
  start,
  login: plainLogin.words,
};
