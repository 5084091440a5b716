// The classes of cases that WebSocket suites have, against ws_echo over a real socket: framing,
// control frames, reserved bits, opcodes, fragments, UTF-8, closing, limits, compression.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import {
  closeFrame,
  compress,
  compressed,
  fragments,
  frame,
  opcodes,
  startEcho,
  talk,
} from './peer.mjs';

const { continuation, text, binary, close, ping, pong } = opcodes;
const bytes = (...values) => Buffer.from(values);
const hex = (digits) => Buffer.from(digits.replaceAll(' ', ''), 'hex');
const more = { bits: 0 };

let plain;
let deflating;
let small;
before(async () => {
  plain = await startEcho();
  deflating = await startEcho('--deflate');
  small = await startEcho('--deflate', '--message-bytes-max', '1000');
});
after(() => [plain, deflating, small].forEach((echo) => echo?.stop()));

// Cuts into pieces of `size` bytes, each of which is a write of its own.
function cut(buffer, size) {
  const pieces = [];
  for (let at = 0; at < buffer.length; at += size) pieces.push(buffer.subarray(at, at + size));
  return pieces;
}

// name, what is said, what is heard. Where it does not end in a close, one is said and heard.
function table(title, rows, { echo = () => plain, options = {} } = {}) {
  describe(title, () => {
    for (const [name, said, heard] of rows) {
      test(name, async () => {
        const frames = [said].flat();
        const expected = [heard].flat();
        if (!expected.at(-1)?.startsWith('close')) {
          frames.push(closeFrame(1000));
          expected.push('close:1000');
        }
        const all = Buffer.concat(frames);
        const ways = [[all], frames];
        if (all.length < 3000) ways.push(cut(all, 1));
        else ways.push(cut(all, 1 + Math.floor(all.length / 50)));
        for (const way of ways) {
          const { events } = await talk(echo().port, way, options);
          assert.deepEqual(events, expected);
        }
      });
    }
  });
}

table('Messages of every size', [
  ...[0, 125, 126, 127, 128, 65535, 65536].flatMap((size) => [
    [`text of ${size}`, frame(text, '*'.repeat(size)), `text:${'*'.repeat(size)}`],
    [`binary of ${size}`, frame(binary, '\xfe'.repeat(size)), `binary:${'Ã¾'.repeat(size)}`],
  ]),
  [
    'a mask of zeros',
    frame(text, 'plainly', { mask: bytes(0, 0, 0, 0) }),
    'text:plainly',
  ],
  ['one after the other', [frame(text, 'a'), frame(binary, 'b')], ['text:a', 'binary:b']],
]);

table('Pings and pongs', [
  ['an empty ping', frame(ping), 'pong:'],
  ['a ping with text', frame(ping, 'Hello'), 'pong:Hello'],
  ['a ping of 125 bytes', frame(ping, 'x'.repeat(125)), `pong:${'x'.repeat(125)}`],
  ['a ping of 126 bytes', frame(ping, 'x'.repeat(126)), 'close:1002'],
  ['pongs that nobody asked for', [frame(pong), frame(pong, 'x'), frame(ping, 'y')], 'pong:y'],
  [
    'ten pings',
    Array.from({ length: 10 }, (_, i) => frame(ping, `${i}`)),
    Array.from({ length: 10 }, (_, i) => `pong:${i}`),
  ],
]);

table('Reserved bits, opcodes and masks', [
  ...[0x90, 0xa0, 0xb0, 0xc0, 0xd0, 0xe0, 0xf0].flatMap((bits) =>
    [text, binary, ping, close].map((opcode) => [
      `bits 0x${bits.toString(16)} of opcode ${opcode}`,
      [frame(text, 'good'), frame(opcode, '', { bits })],
      ['text:good', 'close:1002'],
    ]),
  ),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => [
    `opcode ${opcode}`,
    [frame(text, 'good'), frame(opcode, 'x'), frame(ping)],
    ['text:good', 'close:1002'],
  ]),
  ['a frame without mask', hex('8102 6869'), 'close:1002'],
  ['a length of 16 bits that needs 7', hex('81fe 0005 00000000 68656c6c6f'), 'close:1002'],
  ['a length of 64 bits that needs 16', hex('81ff 00000000000000ff 00000000'), 'close:1002'],
  ['a length with the top bit', hex('82ff 8000000000000000 00000000'), 'close:1002'],
  ['a length beyond every limit', hex('82ff 7fffffffffffffff 00000000'), 'close:1009'],
]);

table('Fragments', [
  ['two of text', fragments(text, 'fragment1fragment2', 9), 'text:fragment1fragment2'],
  ['many of one byte', fragments(binary, 'abcdefgh', 1), 'binary:abcdefgh'],
  ['empty ones', [frame(text, '', more), frame(0, '', more), frame(0, '')], 'text:'],
  [
    'a ping between them',
    [frame(text, 'a', more), frame(ping, 'p'), frame(0, 'b')],
    ['pong:p', 'text:ab'],
  ],
  [
    'pings and pongs between all',
    [
      frame(text, '1', more),
      frame(0, '2', more),
      frame(ping, 'p'),
      frame(0, '3', more),
      frame(pong, 'q'),
      frame(0, '4', more),
      frame(ping, 'r'),
      frame(0, '5'),
    ],
    ['pong:p', 'pong:r', 'text:12345'],
  ],
  ['a fragmented ping', [frame(ping, 'a', more), frame(0, 'b')], 'close:1002'],
  ['a fragmented pong', [frame(pong, 'a', more), frame(0, 'b')], 'close:1002'],
  ['a continuation of nothing', [frame(continuation, 'x')], 'close:1002'],
  ['a continuation of nothing, unfinished', [frame(continuation, 'x', more)], 'close:1002'],
  [
    'a continuation after the end',
    [fragments(text, 'abcd', 2), frame(0, 'x')],
    ['text:abcd', 'close:1002'],
  ],
  ['a message within a message', [frame(text, 'a', more), frame(text, 'b')], 'close:1002'],
]);

const utf8 = Buffer.from('Hello-µ@ßöäüàá-UTF-8!! κόσμε 😀');
const broken = {
  'a lone continuation byte': hex('80'),
  'a lead byte at the end': hex('61c3'),
  'an overlong slash': hex('c0af'),
  'an overlong NUL in three bytes': hex('e08080'),
  'an overlong NUL in four bytes': hex('f0808080'),
  'a surrogate': hex('eda080'),
  'a pair of surrogates': hex('eda080edb080'),
  'beyond U+10FFFF': hex('f4908080'),
  'five bytes': hex('f888808080'),
  'bytes that never occur': hex('feff'),
  'text before and behind': Buffer.concat([utf8, hex('eda080'), Buffer.from('edited')]),
};
table('UTF-8', [
  ['in one frame', frame(text, utf8), `text:${utf8}`],
  ['cut within characters', fragments(text, utf8, 1), `text:${utf8}`],
  ['noncharacters and the last code point', frame(text, '\u{ffff}\u{fffe}\u{10ffff}\0'),
    'text:\u{ffff}\u{fffe}\u{10ffff}\0'],
  ...Object.entries(broken).flatMap(([name, payload]) => [
    [name, [frame(text, 'ok'), frame(text, payload)], ['text:ok', 'close:1007']],
    [`${name}, in fragments`, fragments(text, payload, 1), 'close:1007'],
    [`${name}, as binary`, frame(binary, payload), `binary:${payload.toString('latin1')}`],
  ]),
]);

test('Broken UTF-8 ends the connection before the message has ended', async () => {
  const begun = [frame(text, utf8, more), frame(0, hex('f490'), more)];
  const { events } = await talk(plain.port, begun);
  assert.deepEqual(events, ['close:1007']);
  const cutFrame = frame(text, Buffer.concat([hex('eda080'), Buffer.alloc(100)]));
  assert.deepEqual((await talk(plain.port, [cutFrame.subarray(0, 9)])).events, ['close:1007']);
});

table('Closing', [
  ['an empty close', frame(close), 'close'],
  ['one byte', frame(close, 'x'), 'close:1002'],
  ['with a reason', closeFrame(1000, 'Hello World!'), 'close:1000'],
  ['with the longest reason', closeFrame(1000, 'x'.repeat(123)), 'close:1000'],
  ['with a reason too long', closeFrame(1000, 'x'.repeat(124)), 'close:1002'],
  ['with a reason that is not UTF-8', frame(close, hex('03e8 ceba edc0')), 'close:1007'],
  ['twice', [closeFrame(1000), closeFrame(1001)], 'close:1000'],
  ['and a ping behind it', [closeFrame(1000), frame(ping, 'x')], 'close:1000'],
  ['and text behind it', [frame(text, 'a'), closeFrame(1000), frame(text, 'b')],
    ['text:a', 'close:1000']],
  ['within a message', [frame(text, 'a', more), closeFrame(1000), frame(0, 'b')], 'close:1000'],
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014].map((code) => [
    `code ${code}`,
    closeFrame(code),
    `close:${code}`,
  ]),
  ...[3000, 3999, 4000, 4999].map((code) => [
    `code ${code}`,
    closeFrame(code),
    `close:${code}`,
  ]),
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535].map((code) => [
    `code ${code}, which may not be sent`,
    closeFrame(code),
    'close:1002',
  ]),
]);

const mebibyte = 'abcdefghijklmnop'.repeat(65536);
table('Large messages', [
  ['1 MiB of text', frame(text, mebibyte), `text:${mebibyte}`],
  ['8 MiB of binary', frame(binary, mebibyte.repeat(8)), `binary:${mebibyte.repeat(8)}`],
  ['1 MiB in fragments of 256 bytes', fragments(text, mebibyte, 256), `text:${mebibyte}`],
]);

table(
  'The limit of a message',
  [
    ['to the last byte', frame(text, 'x'.repeat(1000)), `text:${'x'.repeat(1000)}`],
    ['one more', frame(text, 'x'.repeat(1001)), 'close:1009'],
    ['one more, in fragments', fragments(text, 'x'.repeat(1001), 100), 'close:1009'],
  ],
  { echo: () => small },
);

test('A thousand messages', async () => {
  const said = Array.from({ length: 1000 }, (_, i) => frame(text, `message ${i}`));
  const { events } = await talk(plain.port, [Buffer.concat(said), closeFrame(1000)]);
  assert.equal(events.length, 1001);
  assert.equal(events[999], 'text:message 999');
});

// ---- permessage-deflate ------------------------------------------------------------------------

const agreed = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
const offers = [
  [['permessage-deflate'], agreed],
  [['permessage-deflate; client_max_window_bits'], agreed],
  [['permessage-deflate; client_no_context_takeover; client_max_window_bits=9'], agreed],
  [
    ['permessage-deflate; server_max_window_bits=9'],
    `${agreed}; server_max_window_bits=9`,
  ],
  [
    ['permessage-deflate; server_max_window_bits=8; server_no_context_takeover'],
    `${agreed}; server_max_window_bits=8`,
  ],
  [['x-other', 'permessage-deflate; bad, permessage-deflate'], agreed],
  [['permessage-deflate; server_max_window_bits=7'], ''],
  [['permessage-deflate; client_max_window_bits=16'], ''],
  [['permessage-deflate; server_no_context_takeover; server_no_context_takeover'], ''],
  [['x-webkit-deflate-frame'], ''],
];
test('Offers of compression', async () => {
  for (const [offer, answer] of offers) {
    const heard = await talk(deflating.port, [closeFrame(1000)], { offers: offer });
    assert.equal(heard.status, 101);
    assert.equal(heard.extensions, answer, offer.join());
    const declined = await talk(plain.port, [closeFrame(1000)], { offers: offer });
    assert.equal(declined.extensions, '', offer.join());
  }
  for (const malformed of ['permessage-deflate;', 'a b', '; x']) {
    assert.equal((await talk(deflating.port, [], { offers: [malformed] })).status, 400);
  }
});

const json = JSON.stringify(Array.from({ length: 40 }, (_, i) => ({ id: i, name: `device ${i}` })));
for (const windowBits of [15, 12, 9]) {
  test(`Messages of many sizes with a window of ${windowBits} bits`, async () => {
    const offer = `permessage-deflate; server_max_window_bits=${windowBits}`;
    const messages = [0, 1, 16, 64, 256, 512, 513, 1024, 4096, 8192, 16384, 65536, 131072].map(
      (size) => json.repeat(1 + size / json.length).slice(0, size),
    );
    const said = messages.flatMap((message) => [
      compressed(text, message),
      fragments(binary, compress(message, { windowBits: 9, level: 9 }), 100, 0x40),
      frame(text, message), // compressing is never a duty
    ]);
    const heard = await talk(deflating.port, [...said, closeFrame(1000)], {
      offers: [offer],
      windowBits,
    });
    assert.equal(heard.extensions, `${agreed}; server_max_window_bits=${windowBits}`);
    const expected = messages.flatMap((m) => [`text:${m}`, `binary:${m}`, `text:${m}`]);
    assert.deepEqual(heard.events, [...expected, 'close:1000']);
    assert.ok(heard.compressedCount >= 3, 'nothing came back compressed');
  });
}

const offered = { offers: ['permessage-deflate; client_max_window_bits'], windowBits: 15 };
table(
  'Compressed messages',
  [
    ['the example of the specification', frame(text, hex('f248cdc9c90700'), { bits: 0xc0 }),
      'text:Hello'],
    ['a block that is stored', frame(text, hex('000500faff48656c6c6f00'), { bits: 0xc0 }),
      'text:Hello'],
    ['a block that is marked as the last', frame(text, hex('f348cdc9c9070000'), { bits: 0xc0 }),
      'text:Hello'],
    ['two blocks', frame(text, hex('f248050000 00ffffcac9c90700'), { bits: 0xc0 }), 'text:Hello'],
    ['an empty message', frame(text, hex('00'), { bits: 0xc0 }), 'text:'],
    ['without compression', compressed(binary, json, { level: 0 }), `binary:${json}`],
    [
      'control frames between fragments',
      [
        frame(text, hex('f248cd'), { bits: 0x40 }),
        frame(ping, 'p'),
        frame(0, hex('c9c90700')),
      ],
      ['pong:p', 'text:Hello'],
    ],
    ['the bit on a continuation',
      [frame(text, hex('f248cd'), { bits: 0x40 }), frame(0, hex('c9c90700'), { bits: 0xc0 })],
      'close:1002'],
    ['the bit on a ping', frame(ping, '', { bits: 0xc0 }), 'close:1002'],
    ['the bit on a close', frame(close, '', { bits: 0xc0 }), 'close:1002'],
    ['another bit', frame(text, '', { bits: 0xe0 }), 'close:1002'],
    ['corrupt data', frame(binary, hex('ffffffff'), { bits: 0xc0 }), 'close:1007'],
    ['data cut short', frame(binary, compress(json).subarray(0, 30), { bits: 0xc0 }), 'close:1007'],
    ['broken UTF-8 inside', compressed(text, hex('61eda08062')), 'close:1007'],
    ['UTF-8 inside', compressed(text, utf8), `text:${utf8}`],
  ],
  { echo: () => deflating, options: offered },
);

table(
  'The limit of a compressed message',
  [
    ['to the last byte', compressed(text, 'x'.repeat(1000)), `text:${'x'.repeat(1000)}`],
    ['one more', compressed(text, 'x'.repeat(1001)), 'close:1009'],
    ['a bomb', compressed(binary, Buffer.alloc(10_000_000)), 'close:1009'],
    ['a bomb in fragments', fragments(binary, compress(Buffer.alloc(500_000)), 10, 0x40),
      'close:1009'],
  ],
  { echo: () => small, options: offered },
);
