// Who takes part in a program: a client, its session in the ledger, and what it does by itself.

import { MqttJsClient } from './mqttjs_client.mjs';
import { Random } from './random.mjs';
import { StrictClient } from './strict_client.mjs';

class Actor {
  constructor(who, server, ledger) {
    const Client = who.client === 'mqttjs' ? MqttJsClient : StrictClient;
    this.who = who;
    this.ledger = ledger;
    this.session = ledger.session(who.name, { group: who.group });
    this.client = new Client({ ...who, ...server.login }, server.endpoint, this.session);
  }

  // Acts every few milliseconds, while there is load.
  act() {}

  // What it has to do yet before the world is at rest, as a sentence; or null.
  get unfinished() {
    if (!this.client.ready) return `${this.session} is not connected`;
    if (this.client.outstanding > 0) return `${this.session} waits for acknowledgements`;
    return null;
  }
}

export class Publisher extends Actor {
  constructor(who, server, ledger) {
    super(who, server, ledger);
    this.everyMs = who.everyMs;
    this.random = new Random(who.seed);
    this.streams = who.streams.map((each) => ledger.stream({ publisher: who.name, ...each }));
  }

  act() {
    while (this.client.ready && this.client.outstanding < this.who.window)
      this.publish(this.random.one(this.streams));
  }

  publish(stream) {
    const bytes = this.random.between(24, this.who.bytesMax);
    this.client.publish(this.ledger.message(stream, bytes));
  }

  // One message each: what shows that a subscription is alive.
  rollCall() {
    for (const stream of this.streams) this.publish(stream);
  }
}

// One message of a topic at a time, so that it is known which one is the last.
export class Retainer extends Publisher {
  act() {
    const stream = this.random.one(this.streams);
    if (!this.client.ready || [...stream.messages.values()].at(-1)?.completed === false) return;
    const bytes = this.random.chance(0.15) ? 0 : this.random.between(24, 200);
    this.client.publish(this.ledger.message(stream, bytes));
  }

  rollCall() {}
}

export class Subscriber extends Actor {
  away = false;

  constructor(who, server, ledger) {
    super(who, server, ledger);
    this.everyMs = who.changesEveryMs;
  }

  get unfinished() {
    return this.away ? null : super.unfinished;
  }

  subscribe() {
    for (const each of this.who.subscriptions) {
      this.session.asks(each.filter, each);
      this.client.subscribe(each);
    }
  }

  // A new session in place of the old one, with the same subscriptions.
  renew() {
    if (this.unfinished) return;
    this.session.renews();
    this.client.renew();
    this.subscribe();
  }

  takeOver() {
    this.client.takeOver();
  }

  // What only a subscriber of the kind that changes does.
  act() {
    if (this.client.outstanding > 0) return;
    const [{ filter }] = this.who.subscriptions;
    if (this.session.filters.get(filter).releasedAt > 0) {
      this.subscribe();
    } else {
      this.session.leaves(filter);
      this.client.unsubscribe(filter);
    }
  }

  leave(how) {
    this.away = true;
    this.client.offline(how);
  }

  comeBack() {
    this.away = false;
    this.client.online();
  }
}
