// What must hold, whenever the server was killed. The first checks judge an event as the ledger
// gets it; the others are asked when the world has come to rest.

// Whether an MQTT topic filter takes a topic. (No topic here begins with $.)
export function matches(filter, topic) {
  const wanted = filter.replace(/^\$share\/[^/]+\//, '').split('/');
  const levels = topic.split('/');
  for (const [i, level] of wanted.entries()) {
    if (level === '#') return true;
    if (i >= levels.length || (level !== '+' && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

function matching(session, stream) {
  return [...session.filters].filter(([filter]) => matches(filter, stream.topic));
}

// Must the message reach the session? It was sent after a SUBACK for a filter that has not been
// given up since.
function owed(session, message) {
  return matching(session, message.stream).some(
    ([, { grantedAt, leftAt }]) => grantedAt < message.sentAt && leftAt === Infinity,
  );
}

// ---- As it happens ----------------------------------------------------------------------------

export function judgeConnected(session, present) {
  const { ledger, acknowledged, renewing } = session;
  if (renewing && present) ledger.violation('a clean start found a session', { session });
  if (!renewing && acknowledged && !present)
    ledger.violation('a session that was acknowledged is gone', { session });
}

export function judgeArrival(session, packet) {
  const { ledger } = session;
  const { stream, n } = ledger.parse(packet.payload);
  if (!stream || !(n < stream.next) || stream.topic !== packet.topic) {
    const what = packet.payload.slice(0, 30);
    return ledger.violation(`"${what}" on ${packet.topic} was never sent`, { session });
  }
  const message = stream.messages.get(n);
  if (message) {
    ledger.note(message, `arrived at ${session} in its connection ${session.connections}`);
    judgeSubscription(session, message, packet);
  }
  if (session.group) return judgeGroup(session, stream, n, packet);
  const last = session.last.get(stream) ?? -1;
  if (n > last) {
    judgeSkipped(session, stream, last, n);
    session.last.set(stream, n);
  } else if (message && !message.arrivals.has(session)) {
    // Not owed, or it had been missed before. At QoS 1 it may be a repetition by its publisher, of
    // one that came first when there was no subscription yet.
    if (stream.qos === 2)
      ledger.violation(`message ${n} of ${stream} arrived after ${last}`, { message, session });
  } else if (packet.qos === 2) {
    const which = `message ${n} of ${stream}`;
    ledger.violation(`${which} arrived a second time at QoS 2`, { message, session });
  } else {
    ledger.count.repeated += 1;
  }
  message?.arrivals.set(session, (message.arrivals.get(session) ?? 0) + 1);
  return undefined;
}

// It came through a subscription, with its QoS and its identifiers; after UNSUBACK only what was
// sent before, after a clean start nothing of the session before.
function judgeSubscription(session, message, packet) {
  const { ledger } = session;
  const found = matching(session, message.stream).map(([, each]) => each);
  const open = found.filter(({ releasedAt }) => releasedAt === 0);
  if (open.length === 0) {
    if (!found.some(({ releasedAt }) => message.sentAt < releasedAt))
      ledger.violation('a message without a subscription', { message, session });
    return;
  }
  if (message.takenAt > 0 && message.takenAt < session.renewedAt)
    ledger.violation('a message of before the clean start', { message, session });
  if (open.some(({ grantedAt }) => grantedAt > message.sentAt)) return; // it may not count yet
  const qos = Math.min(message.qos, Math.max(...open.map((each) => each.qos)));
  if (packet.qos !== qos)
    ledger.violation(`QoS ${packet.qos} in place of ${qos}`, { message, session });
  const wanted = open.flatMap(({ identifier }) => identifier || []).sort();
  if (String(packet.identifiers.toSorted()) !== String(wanted))
    ledger.violation(`identifiers ${packet.identifiers}, not ${wanted}`, { message, session });
}

// Messages of a stream arrive in the order in which they were sent: one that was left out is
// missing, or will come too late.
function judgeSkipped(session, stream, last, n) {
  for (let k = last + 1; k < n; k++) {
    const message = stream.messages.get(k);
    if (!message || !owed(session, message)) continue;
    const sentence = `message ${k} of ${stream} had not arrived when ${n} did`;
    session.ledger.violation(sentence, { message, session });
  }
}

function judgeGroup(session, stream, n, packet) {
  const { arrived } = session.ledger.groups.get(session.group);
  if (!arrived.has(stream)) arrived.set(stream, new Set());
  const message = stream.messages.get(n);
  if (!arrived.get(stream).has(n)) {
    arrived.get(stream).add(n);
  } else if (packet.qos === 2) {
    const sentence = `message ${n} of ${stream} arrived a second time in group ${session.group}`;
    session.ledger.violation(sentence, { message, session });
  } else {
    session.ledger.count.repeated += 1;
  }
}

// ---- At rest ----------------------------------------------------------------------------------

// Acknowledged messages that have not arrived where they must, as [message, session or group]. Who
// is away on purpose is not asked; a group is when all its members are there, since each may have
// messages that wait for it.
export function* missing(ledger, isAway) {
  for (const session of ledger.sessions.values()) {
    if (session.group || isAway(session)) continue;
    for (const stream of ledger.streams) {
      const last = session.last.get(stream) ?? -1;
      for (let n = stream.next - 1; n > last; n--) {
        const message = stream.messages.get(n);
        if (message?.takenAt > 0 && owed(session, message)) yield [message, session];
      }
    }
  }
  for (const [name, { members, arrived }] of ledger.groups) {
    if (members.some(isAway)) continue;
    for (const stream of ledger.streams) {
      for (const message of stream.messages.values()) {
        if (message.takenAt === 0 || arrived.get(stream)?.has(message.n)) continue;
        if (members.every((each) => owed(each, message))) yield [message, `group ${name}`];
      }
    }
  }
}

// Whether a message can be forgotten: it is complete, and everybody who must have it has it.
export function isThrough(ledger, message) {
  const { stream, n } = message;
  if (!message.completed) return false;
  if (stream.retain) return n < stream.next - 1;
  for (const session of ledger.sessions.values()) {
    if (!owed(session, message)) continue;
    const { arrived } = ledger.groups.get(session.group) ?? {};
    if (arrived ? !arrived.get(stream)?.has(n) : (session.last.get(stream) ?? -1) < n) return false;
  }
  return true;
}

// What a new subscriber may be told of a retained topic that has one message on its way at a time:
// the last acknowledged one, or one that was sent since. Asked before it subscribes.
export function retainedNow(stream) {
  const messages = [...stream.messages.values()].filter(({ sends }) => sends > 0);
  const taken = messages.findLastIndex(({ takenAt }) => takenAt > 0);
  return messages.slice(Math.max(taken, 0)).concat(taken < 0 ? [null] : []);
}

// `from` is retainedNow() of before the SUBSCRIBE; `payload` what came, or undefined.
export function judgeRetained(ledger, stream, from, payload) {
  const later = [...stream.messages.values()].filter(
    (each) => each.sends > 0 && each.n > (from.at(-1)?.n ?? -1),
  );
  const allowed = [...from, ...later];
  const fits = (each) => (each === null || each.bytes === 0 ? !payload : each.payload === payload);
  if (allowed.some(fits)) return;
  const message = from.find((each) => each !== null);
  const came = payload === undefined ? 'nothing' : `"${payload.slice(0, 30)}"`;
  ledger.violation(`retained on ${stream.topic}: ${came} came`, { message });
}
