// The platform's own device SDKs for Node, with only brokerUrl changed. They trust a private root
// through NODE_EXTRA_CA_CERTS: they have no option for it.

import { fileURLToPath } from 'node:url';

import { secret } from './lib/fairlead.mjs';
import { Puppet } from './lib/puppet.mjs';
import { ladderTest, suite } from './lib/suite.mjs';

const at = suite();
const program = fileURLToPath(new URL('clients/sdk_client.mjs', import.meta.url));
// What each subscribes to on its own.
const sdks = { 'alibabacloud-iot-device-sdk': 16, 'aliyun-iot-device-sdk': 11 };

for (const [sdk, subscriptions] of Object.entries(sdks)) {
  for (const scheme of ['mqtt', 'mqtts', 'ws', 'wss']) {
    for (const profile of ['compatible', 'standard']) {
      ladderTest(
        at,
        `${sdk}, ${profile} profile, ${scheme}`,
        { scheme, profile, host: 'localhost' },
        ({ url, ca, device }) =>
          new Puppet(
            process.execPath,
            [program, sdk, url, device.productKey, device.deviceName, secret, subscriptions],
            { env: { NODE_EXTRA_CA_CERTS: ca } },
          ),
      );
    }
  }
}
