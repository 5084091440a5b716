// The npm packages of the tests; they are installed once, for tests/interop.

import { createRequire } from 'node:module';

const require = createRequire(new URL('../interop/package.json', import.meta.url));

export const mqtt = require('mqtt');
export const { Store } = mqtt;
export const { WebSocket } = require('ws');
// The packets of MQTT.js: to check our own with.
export const codec = createRequire(require.resolve('mqtt'))('mqtt-packet');
