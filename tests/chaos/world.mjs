// Plays a program: the server, killed and started again, and the clients around it.

import { setTimeout as pause } from 'node:timers/promises';

import { Publisher, Retainer, Subscriber } from './actors.mjs';
import { isThrough, missing } from './checks.mjs';
import { Ledger } from './ledger.mjs';
import { probeRetained } from './probe.mjs';
import { Server } from './server.mjs';

const patienceMs = 60_000;
const lookEveryMs = 5;
const answerWithinMs = 150;

// Something is wrong, and the ledger has it.
class Violated extends Error {}

export class World {
  ledger = new Ledger();
  recoveriesMs = [];
  #program;
  #server = new Server();
  #publishers;
  #subscribers;
  #timers = [];
  #loaded = false;
  #probes = 0;

  constructor(program) {
    const { publishers, retainers, subscribers } = program;
    const make = (Actor) => (who) => new Actor(who, this.#server, this.ledger);
    this.#program = program;
    this.#publishers = [...publishers.map(make(Publisher)), ...retainers.map(make(Retainer))];
    this.#subscribers = subscribers.map(make(Subscriber));
  }

  get #all() {
    return [...this.#publishers, ...this.#subscribers];
  }

  // Subscribers of a kind.
  #of(kind) {
    return this.#subscribers.filter(({ who }) => who.name.startsWith(kind));
  }

  // Plays `count` cycles and ends in peace; calls told() after each. Whether all went well.
  // `forgetful`: what the store wrote from the third to the sixth cycle is taken away then.
  async play(count, { config, forgetful, told }) {
    try {
      await this.#server.prepare(this.#program.store, config);
      await this.#open();
      for (const cycle of this.#program.cycles.slice(0, count)) {
        if (forgetful && this.ledger.cycle === 2) this.#server.rememberStore();
        await this.#play(cycle);
        if (forgetful && this.ledger.cycle === 6) this.#server.forgetStore();
        told();
      }
      await this.#finish();
    } catch (error) {
      if (!(error instanceof Violated)) this.ledger.violation(error.stack);
    }
    if (this.ledger.violations.length > 0) {
      const log = this.#server.log.split('\n').slice(-8).join('\n    ');
      this.ledger.violations.push(`The server's log ends with:\n    ${log}`);
    }
    return this.ledger.violations.length === 0;
  }

  // Ends whatever runs.
  async close() {
    this.#timers.forEach(clearInterval);
    for (const { client } of this.#all) client.offline({ politely: false });
    await this.#server.kill();
    if (process.env.FAIRLEAD_KEEP) console.log(`kept ${this.#server.directory}`);
    else this.#server.remove();
  }

  // Everybody connects and subscribes; then the server is killed without a word.
  async #open() {
    await this.#server.start(1);
    for (const { client } of this.#all) client.online();
    await this.#until(() => this.#all.find(({ client }) => !client.ready)?.unfinished);
    for (const subscriber of this.#subscribers) subscriber.subscribe();
    await this.#until(() => this.#unsubscribed());
    for (const actor of this.#all) {
      if (!actor.everyMs) continue;
      this.#timers.push(setInterval(() => this.#loaded && actor.act(), actor.everyMs));
    }
    await this.#server.kill();
  }

  #unsubscribed() {
    for (const { session } of this.#subscribers) {
      for (const [filter, { grantedAt }] of session.filters)
        if (grantedAt === Infinity) return `${session} waits for the SUBACK of ${filter}`;
    }
    return null;
  }

  async #play({ shards, rest, end, answer, afterMs, takeovers, renews, away, politely }) {
    this.ledger.cycle += 1;
    const leaving = this.#subscribers.filter((each) => away.includes(each.who.name) && !each.away);
    for (const each of this.#subscribers)
      if (each.away && !away.includes(each.who.name)) each.comeBack();
    this.#load(true);
    const started = this.#start(shards);
    if (end === 'kill at start') {
      await pause(afterMs / 10);
      await this.#server.kill();
      await started;
      return this.#check();
    }
    await started;
    if (rest) await this.#rest();
    const probe = this.#probeRetained();
    await pause(afterMs / 2);
    for (const each of leaving) each.leave({ politely });
    if (renews) this.#of('renewing').forEach((each) => each.renew());
    for (let i = 0; i < takeovers; i++) {
      this.#of('restless').forEach((each) => each.takeOver());
      await pause(afterMs / 2 / takeovers);
    }
    if (end === 'stop') await this.#server.stop();
    else if (end === 'kill at answer') await this.#killAt(answer);
    else await this.#server.kill();
    probe.abandon();
    return this.#check();
  }

  // A last restart; everybody comes back and gets what is theirs.
  async #finish() {
    this.ledger.cycle += 1;
    for (const each of this.#subscribers) if (each.away) each.comeBack();
    await this.#start(2);
    await this.#rest();
    await this.#server.stop();
    this.#check();
  }

  async #start(shards) {
    const ms = await this.#server.start(shards);
    if (ms !== null) this.recoveriesMs.push(ms);
  }

  // Within the next answer of that kind: what it promises is not a moment old. Or soon, when there
  // is none.
  #killAt(kind) {
    return new Promise((done) => {
      const kill = () => {
        clearTimeout(timer);
        this.ledger.atNext(null);
        done(this.#server.kill());
      };
      const timer = setTimeout(kill, answerWithinMs);
      this.ledger.atNext(kind, kill);
    });
  }

  #load(on) {
    this.#loaded = on;
    for (const { client } of this.#of('slow')) client.slow = on;
  }

  // Everybody online has what is theirs; then messages that are through are forgotten.
  async #rest() {
    this.#load(false);
    await this.#until(() => this.#all.find(({ unfinished }) => unfinished)?.unfinished);
    for (const each of this.#publishers) each.rollCall();
    await this.#until(() => this.#all.find(({ unfinished }) => unfinished)?.unfinished);
    const isAway = (session) =>
      this.#subscribers.some((each) => each.session === session && each.away);
    const nextMissing = () => missing(this.ledger, isAway).next().value;
    try {
      await this.#until(() => nextMissing()?.join(' is missing at '));
    } catch (error) {
      const [message, receiver] = nextMissing() ?? [];
      const session = receiver?.story && receiver;
      if (message) this.ledger.violation('acknowledged and missing', { message, session });
      throw error;
    }
    const probe = this.#probeRetained();
    await this.#until(() => (probe.done ? null : 'the retained messages do not come'));
    this.ledger.forget((message) => isThrough(this.ledger, message));
    this.#load(true);
  }

  #probeRetained() {
    return probeRetained(this.ledger, this.#server, (this.#probes += 1));
  }

  // Waits until nothing is lacking. What is awaited is a state of many, so it is looked at again
  // and again.
  async #until(lacking) {
    const began = performance.now();
    for (;;) {
      this.#check();
      const what = lacking();
      if (!what) return;
      if (performance.now() - began > patienceMs) {
        this.ledger.violation(`after ${patienceMs / 1000} s: ${what}`);
        throw new Violated();
      }
      await pause(lookEveryMs);
    }
  }

  #check() {
    if (this.#server.died) this.ledger.violation(this.#server.died);
    if (this.ledger.violations.length > 0) throw new Violated();
  }
}
