// The three-tuple signature: what a device sends in CONNECT, computed where the secret is typed.

const encoder = new TextEncoder();

// Client id, username and password of a device. `method` is hmacsha256 or hmacsha1; `clientId` is
// the free part, at most 64 characters; `secure` says whether the transport is TLS.
export async function credentials({ productKey, deviceName, secret, clientId, method, secure }) {
  const base = clientId || `${productKey}.${deviceName}`;
  const content = `clientId${base}deviceName${deviceName}productKey${productKey}`;
  const mac = await hmac(method, encoder.encode(secret), encoder.encode(content));
  return {
    clientId: `${base}|securemode=${secure ? 2 : 3},signmethod=${method},lan=JS|`,
    username: `${deviceName}&${productKey}`,
    password: [...mac].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
  };
}

// WebCrypto exists in secure contexts only: https, or http on this very machine. On plain http
// from elsewhere the page still signs, with the SHA-256 below.
export const hasWebCrypto = Boolean(globalThis.crypto?.subtle);

async function hmac(method, key, content) {
  if (!hasWebCrypto) return hmacSha256(key, content);
  const hash = method === 'hmacsha1' ? 'SHA-1' : 'SHA-256';
  const algorithm = { name: 'HMAC', hash };
  const imported = await crypto.subtle.importKey('raw', key, algorithm, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, content));
}

export function hmacSha256(key, content) {
  const block = new Uint8Array(64);
  block.set(key.length > 64 ? sha256(key) : key);
  const inner = sha256(
    joined(
      block.map((byte) => byte ^ 0x36),
      content,
    ),
  );
  return sha256(
    joined(
      block.map((byte) => byte ^ 0x5c),
      inner,
    ),
  );
}

function joined(first, second) {
  const out = new Uint8Array(first.length + second.length);
  out.set(first);
  out.set(second, first.length);
  return out;
}

// FIPS 180-4. The constants are the fractions of the roots of the first 64 primes.
const primes = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
const fraction = (x) => Math.floor((x - Math.floor(x)) * 2 ** 32) | 0;
const roundConstants = primes.map((p) => fraction(Math.cbrt(p)));
const initialState = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
const rotate = (x, n) => (x >>> n) | (x << (32 - n));

function sha256(bytes) {
  const padded = new Uint8Array((((bytes.length + 8) >> 6) + 1) << 6);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length << 3);
  const state = [...initialState];
  for (let at = 0; at < padded.length; at += 64) compress(state, view, at);
  const out = new DataView(new ArrayBuffer(32));
  state.forEach((word, i) => out.setInt32(i * 4, word));
  return new Uint8Array(out.buffer);
}

function compress(state, view, at) {
  const w = [];
  for (let i = 0; i < 16; i++) w.push(view.getInt32(at + i * 4));
  for (let i = 16; i < 64; i++) {
    const s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >>> 3);
    const s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >>> 10);
    w.push((w[i - 16] + s0 + w[i - 7] + s1) | 0);
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + roundConstants[i] + w[i]) | 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] = (state[i] + word) | 0));
}
