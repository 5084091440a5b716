// One server for a test file, with certificates, a back end and two products: one of each profile.

import { after, before, test } from 'node:test';

import { Backend } from './backend.mjs';
import { Fairlead, deviceCredentials } from './fairlead.mjs';
import { climb } from './ladder.mjs';

export const productOf = { standard: 'std', compatible: 'compat' };

// `start` starts the server, `and` runs once it listens.
export function suite({ start = (server) => server.start(), and = async () => {} } = {}) {
  const at = { server: new Fairlead(), backend: null };
  before(async () => {
    await at.server.certificates();
    for (const [profile, key] of Object.entries(productOf)) await at.server.product(key, profile);
    await at.server.backend();
    await start(at.server);
    at.backend = await Backend.connect(at.server);
    await and(at);
  });
  after(async () => {
    await at.backend?.close();
    await at.server.remove();
  });
  return at;
}

let devices = 0;

// A test in which a new device climbs the ladder. `make` gets { url, ca, sign, device, scheme } and
// returns the client, not yet connected.
export function ladderTest(at, title, { scheme, profile = 'standard', host, ...how }, make) {
  test(title, { timeout: 90_000 }, async () => {
    const productKey = productOf[profile];
    const deviceName = `dev${(devices += 1)}`;
    await at.server.device(productKey, deviceName);
    const sign = await deviceCredentials(productKey, deviceName, scheme);
    at.server.captureAs(title);
    const client = await make({
      url: at.server.url(scheme, host),
      ca: at.server.ca,
      sign,
      device: { productKey, deviceName },
      scheme,
    });
    try {
      await climb({
        client,
        backend: at.backend,
        topic: `/${productKey}/${deviceName}/user`,
        profile,
        ...how,
      });
    } catch (error) {
      const log = at.server.log.split('\n').slice(-15).join('\n');
      error.message += `\nThe server's log ends with:\n${log}`;
      throw error;
    } finally {
      await client.close();
    }
  });
}
