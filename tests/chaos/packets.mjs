// The packets of MQTT 3.1.1 (version 4) and 5.0 that a strict client sends and reads, as bytes.
// Written from the specification and for this harness alone, so that no mistake is shared with the
// server or with another client.

export const type = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
};

// ---- Writing ----------------------------------------------------------------------------------

const u16 = (value) => Buffer.from([value >> 8, value & 0xff]);

function text(value) {
  const bytes = Buffer.from(value);
  return Buffer.concat([u16(bytes.length), bytes]);
}

function variableInteger(value) {
  const bytes = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>>= 7;
  } while (value > 0);
  return Buffer.from(bytes);
}

function packet(kind, flags, ...parts) {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([(kind << 4) | flags]), variableInteger(body.length), body]);
}

// Each is [identifier, its bytes]; nothing at all before 5.0.
function properties(version, ...each) {
  if (version < 5) return Buffer.alloc(0);
  const bytes = Buffer.concat(each.flatMap(([id, value]) => [Buffer.from([id]), value]));
  return Buffer.concat([variableInteger(bytes.length), bytes]);
}

const expiryProperty = 0x11;
const subscriptionIdentifier = 0x0b;
const receiveMaximumProperty = 0x21;

// `lasts`: in 5.0, the session outlives its connection by an hour.
export function connect(version, { clientId, user, password, clean, lasts, receiveMaximum }) {
  const keepAliveSeconds = 600;
  const expirySeconds = Buffer.from([0, 0, 0x0e, 0x10]);
  const flags = 0xc0 | (clean ? 0x02 : 0);
  const more = [];
  if (lasts) more.push([expiryProperty, expirySeconds]);
  if (receiveMaximum) more.push([receiveMaximumProperty, u16(receiveMaximum)]);
  return packet(
    type.connect,
    0,
    text('MQTT'),
    Buffer.from([version, flags]),
    u16(keepAliveSeconds),
    properties(version, ...more),
    ...[clientId, user, password].map(text),
  );
}

export function publish(version, { topic, qos, retain, dup, id, payload }) {
  const flags = (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  const body = Buffer.from(payload);
  return packet(type.publish, flags, text(topic), u16(id), properties(version), body);
}

// PUBACK, PUBREC, PUBREL, PUBCOMP; a reason is told in 5.0 only.
export function acknowledge(version, kind, id, reason = 0) {
  const flags = kind === type.pubrel ? 2 : 0;
  const why = version < 5 || reason === 0 ? [] : [Buffer.from([reason])];
  return packet(kind, flags, u16(id), ...why);
}

export function subscribe(version, id, { filter, qos, identifier }) {
  const more = identifier ? [[subscriptionIdentifier, variableInteger(identifier)]] : [];
  const options = Buffer.from([qos]);
  return packet(type.subscribe, 2, u16(id), properties(version, ...more), text(filter), options);
}

export function unsubscribe(version, id, { filter }) {
  return packet(type.unsubscribe, 2, u16(id), properties(version), text(filter));
}

export const pingreq = packet(type.pingreq, 0);
export const disconnect = packet(type.disconnect, 0);

// ---- Reading ----------------------------------------------------------------------------------

class Reader {
  #at = 0;

  constructor(bytes) {
    this.bytes = bytes;
  }

  get left() {
    return this.bytes.length - this.#at;
  }

  take(count) {
    if (count > this.left) throw new Error(`a packet of the server ends within a field`);
    this.#at += count;
    return this.bytes.subarray(this.#at - count, this.#at);
  }

  u8 = () => this.take(1)[0];
  u16 = () => this.take(2).readUInt16BE();
  u32 = () => this.take(4).readUInt32BE();
  text = () => this.take(this.u16()).toString();
  pair = () => [this.text(), this.text()];

  variableInteger = () => {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new Error('a variable byte integer of the server is longer than four bytes');
  };

  // { identifier: [values] }
  properties() {
    const inner = new Reader(this.take(this.variableInteger()));
    const found = {};
    while (inner.left > 0) {
      const id = inner.u8();
      const how = propertyForms[id];
      if (!how) throw new Error(`the server sent a property ${id}`);
      (found[id] ??= []).push(inner[how]());
    }
    return found;
  }
}

const propertyForms = {
  0x01: 'u8',
  0x02: 'u32',
  0x03: 'text',
  0x08: 'text',
  0x09: 'text',
  0x0b: 'variableInteger',
  0x11: 'u32',
  0x12: 'text',
  0x13: 'u16',
  0x15: 'text',
  0x16: 'text',
  0x1a: 'text',
  0x1c: 'text',
  0x1f: 'text',
  0x21: 'u16',
  0x22: 'u16',
  0x23: 'u16',
  0x24: 'u8',
  0x25: 'u8',
  0x26: 'pair',
  0x27: 'u32',
  0x28: 'u8',
  0x29: 'u8',
  0x2a: 'u8',
};

function readPublish(version, flags, reader) {
  const qos = (flags >> 1) & 3;
  const topic = reader.text();
  const id = qos > 0 ? reader.u16() : 0;
  const told = version < 5 ? {} : reader.properties();
  return {
    topic,
    qos,
    id,
    dup: (flags & 8) !== 0,
    retain: (flags & 1) !== 0,
    identifiers: told[subscriptionIdentifier] ?? [],
    payload: reader.take(reader.left).toString('latin1'),
  };
}

function readBody(version, kind, flags, reader) {
  switch (kind) {
    case type.connack: {
      const present = (reader.u8() & 1) === 1;
      const reason = reader.u8();
      return { present, reason };
    }
    case type.publish:
      return readPublish(version, flags, reader);
    case type.puback:
    case type.pubrec:
    case type.pubrel:
    case type.pubcomp:
      return { id: reader.u16(), reason: reader.left > 0 ? reader.u8() : 0 };
    case type.suback:
    case type.unsuback: {
      const id = reader.u16();
      if (version >= 5) reader.properties();
      return { id, reasons: [...reader.take(reader.left)] };
    }
    case type.disconnect:
      return { reason: reader.left > 0 ? reader.u8() : 0 };
    case type.pingresp:
      return {};
    default:
      throw new Error(`the server sent a packet of type ${kind}`);
  }
}

// Cuts a stream into packets. feed() calls each({ kind, ...fields }) for every one that is whole.
export class PacketStream {
  #version;
  #kept = Buffer.alloc(0);

  constructor(version) {
    this.#version = version;
  }

  feed(bytes, each) {
    let rest = this.#kept.length > 0 ? Buffer.concat([this.#kept, bytes]) : bytes;
    for (;;) {
      const whole = this.#first(rest);
      if (!whole) break;
      const { flags, kind, body, size } = whole;
      each({ kind, ...readBody(this.#version, kind, flags, new Reader(body)) });
      rest = rest.subarray(size);
    }
    this.#kept = Buffer.from(rest);
  }

  #first(bytes) {
    let length = 0;
    for (let i = 1; i < bytes.length && i < 5; i++) {
      length |= (bytes[i] & 0x7f) << (7 * (i - 1));
      if (bytes[i] > 0x7f) continue;
      const begin = i + 1;
      if (bytes.length < begin + length) return null;
      const body = bytes.subarray(begin, begin + length);
      return { kind: bytes[0] >> 4, flags: bytes[0] & 0xf, body, size: begin + length };
    }
    return null;
  }
}
