// MQTT.js on Node: three versions of MQTT over four transports.

import { fileURLToPath } from 'node:url';

import { Puppet } from './lib/puppet.mjs';
import { ladderTest, suite } from './lib/suite.mjs';

const at = suite();
const program = fileURLToPath(new URL('clients/mqttjs_client.mjs', import.meta.url));
const versions = { 3: '3.1', 4: '3.1.1', 5: '5.0' };

for (const [version, name] of Object.entries(versions)) {
  for (const scheme of ['mqtt', 'mqtts', 'ws', 'wss']) {
    ladderTest(
      at,
      `MQTT.js, MQTT ${name}, ${scheme}`,
      { scheme, tellsPresent: version !== '3' },
      ({ url, ca, sign }) =>
        new Puppet(process.execPath, [
          program,
          url,
          ca,
          sign.clientId,
          sign.username,
          sign.password,
          version,
        ]),
    );
  }
}

ladderTest(
  at,
  'MQTT.js, compatible profile, ws',
  { scheme: 'ws', profile: 'compatible' },
  ({ url, ca, sign }) =>
    new Puppet(process.execPath, [
      program,
      url,
      ca,
      sign.clientId,
      sign.username,
      sign.password,
      '4',
    ]),
);
