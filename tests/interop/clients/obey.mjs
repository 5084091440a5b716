// The Node side of lib/puppet.mjs: reads commands, one after the other, and answers them.

import { createInterface } from 'node:readline';

export function say(...fields) {
  process.stdout.write(`${fields.join('\t')}\n`);
}

export async function obey(commands) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, ...args] = line.split('\t');
    try {
      say(...(await commands[name](...args)));
    } catch (error) {
      say('failed', `${error.code ?? ''} ${error.message}`);
    }
  }
  process.exit(0);
}
