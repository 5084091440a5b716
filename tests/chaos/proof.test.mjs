// That the crash loop notices a server that loses something.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('chaos.mjs', import.meta.url));

function play(cycles, env) {
  const settings = { env: { ...process.env, FAIRLEAD_SEED: '1', ...env }, maxBuffer: 64 << 20 };
  return new Promise((done) => {
    execFile(process.execPath, [program, `${cycles}`], settings, (error, stdout) =>
      done({ code: error?.code ?? 0, stdout }),
    );
  });
}

test('A server without a store fails at the first kill', { timeout: 120_000 }, async () => {
  const { code, stdout } = await play(2, { FAIRLEAD_CHAOS_CONFIG: '[store]\nenabled = false' });
  assert.equal(code, 1, stdout);
  assert.match(stdout, /a session that was acknowledged is gone/);
});

test('A store that forgets is noticed', { timeout: 120_000 }, async () => {
  const { code, stdout } = await play(8, { FAIRLEAD_CHAOS_FORGET: '1' });
  assert.equal(code, 1, stdout);
  assert.match(stdout, /cycle [7-9].*: /);
});
