// Paho C, Paho C++ and Paho Python, as Debian ships them. The first two are built by CMake from
// clients/; PAHO_PROGRAMS names the folder.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { root } from './lib/fairlead.mjs';
import { Puppet } from './lib/puppet.mjs';
import { ladderTest, suite } from './lib/suite.mjs';

const at = suite();
const programs = process.env.PAHO_PROGRAMS ?? join(root, 'build/release/tests/interop');
const python = fileURLToPath(new URL('clients/paho_client.py', import.meta.url));

function pahoTest(name, command, version, scheme, profile = 'standard') {
  const title =
    `${name}, MQTT ${{ 3: '3.1', 4: '3.1.1', 5: '5.0' }[version]}, ${scheme}` +
    (profile === 'standard' ? '' : `, ${profile} profile`);
  ladderTest(
    at,
    title,
    { scheme, profile, tellsPresent: version !== 3 },
    ({ url, ca, sign }) =>
      new Puppet(command[0], [
        ...command.slice(1),
        url,
        ca,
        sign.clientId,
        sign.username,
        sign.password,
        version,
      ]),
  );
}

for (const [name, program] of [
  ['Paho C', 'paho_c'],
  ['Paho C++', 'paho_cpp'],
]) {
  const command = [join(programs, program)];
  for (const scheme of ['tcp', 'ssl', 'ws', 'wss']) pahoTest(name, command, 4, scheme);
  for (const scheme of ['tcp', 'wss']) pahoTest(name, command, 5, scheme);
  pahoTest(name, command, 4, 'wss', 'compatible');
}
pahoTest('Paho C', [join(programs, 'paho_c')], 3, 'ws');

const paho = ['/usr/bin/python3', python];
for (const scheme of ['mqtt', 'mqtts', 'ws', 'wss']) pahoTest('Paho Python', paho, 4, scheme);
for (const scheme of ['mqtt', 'wss']) pahoTest('Paho Python', paho, 5, scheme);
pahoTest('Paho Python', paho, 4, 'ws', 'compatible');
