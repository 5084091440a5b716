// A proxy that writes down what passes: with FAIRLEAD_CAPTURE=FOLDER every suite talks to its
// server through one. fuzz/seeds.mjs makes seeds for the fuzz targets from the files, which are
// NAME-N.up (from the client) and NAME-N.down.

import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';

export class Capture {
  // Of the connections that come next: who is behind them.
  name = 'other';
  #count = 0;
  #folder;
  #listener;

  static async start(port, folder) {
    const capture = new Capture();
    capture.#folder = folder;
    mkdirSync(folder, { recursive: true });
    capture.#listener = net.createServer((client) => capture.#join(client, port));
    capture.#listener.listen(0, '127.0.0.1');
    await once(capture.#listener, 'listening');
    capture.port = capture.#listener.address().port;
    return capture;
  }

  #join(client, port) {
    const server = net.connect(port, '127.0.0.1');
    const name = this.name.replace(/[^A-Za-z0-9.]+/g, '_').toLowerCase();
    const path = join(this.#folder, `${name}-${(this.#count += 1)}`);
    const pass = (from, to, suffix) => {
      from.setNoDelay(true);
      from.on('error', () => to.destroy());
      from.pipe(to);
      from.pipe(createWriteStream(`${path}.${suffix}`));
    };
    pass(client, server, 'up');
    pass(server, client, 'down');
  }

  close() {
    this.#listener.close();
  }
}
