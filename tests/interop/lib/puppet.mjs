// A client program that is led by lines on its standard input and answers with lines, fields
// separated by tabs. Every program of clients/ speaks it:
//
//   PROGRAM URL CA CLIENT_ID USERNAME PASSWORD VERSION(3|4|5) [ARGUMENTS...]
//
//   connect RESUME(0|1)                 → connected PRESENT(0|1)
//   subscribe FILTER QOS                → subscribed CODE
//   publish TOPIC QOS PREFIX COUNT      → published COUNT          after the last acknowledgement
//   disconnect                          → disconnected
//   (end of input: the program ends)    message QOS TOPIC PAYLOAD  whenever one arrives
//                                       failed SENTENCE            in place of any answer

import { spawn } from 'node:child_process';

import { Inbox } from './inbox.mjs';
import { lines } from './lines.mjs';

export class Puppet {
  messages = new Inbox();
  #answers = new Inbox();
  #child;
  #exit;
  #unanswered = 0;
  #errors = '';

  constructor(command, args, { env } = {}) {
    this.#child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stdin.on('error', () => {}); // its end is told below
    lines(this.#child.stdout, (line) => this.#heard(line));
    lines(this.#child.stderr, (line) => (this.#errors = `${this.#errors}${line}\n`.slice(-4096)));
    this.#exit = new Promise((done) => {
      const end = (how) => {
        const error = new Error(`the client ended (${how}) ${this.#errors}`);
        this.#answers.fail(error);
        this.messages.fail(error);
        done(how);
      };
      this.#child.on('error', (error) => end(error.message));
      this.#child.on('close', (code, signal) => end(signal ?? `exit ${code}`));
    });
  }

  #heard(line) {
    const [kind, ...fields] = line.split('\t');
    if (kind === 'message') {
      this.messages.push({
        qos: Number(fields[0]),
        topic: fields[1],
        payload: fields.slice(2).join('\t'),
      });
    } else {
      this.#answers.push([kind, ...fields]);
    }
  }

  async #ask(expected, ...words) {
    this.#unanswered += 1;
    this.#child.stdin.write(`${words.join('\t')}\n`);
    const [[kind, ...fields]] = await this.#answers.take(1, `${expected} after ${words.join(' ')}`);
    this.#unanswered -= 1;
    if (kind !== expected)
      throw new Error(`${words.join(' ')}: ${kind} ${fields.join(' ')} ${this.#errors}`);
    return fields;
  }

  async connect({ resume }) {
    const [present] = await this.#ask('connected', 'connect', resume ? 1 : 0);
    return { present: present === '1' };
  }

  async subscribe(filter, qos) {
    const [code] = await this.#ask('subscribed', 'subscribe', filter, qos);
    return Number(code);
  }

  async publish(topic, qos, prefix, count) {
    await this.#ask('published', 'publish', topic, qos, prefix, count);
  }

  disconnect() {
    return this.#ask('disconnected', 'disconnect');
  }

  // One that still owes an answer has failed its test already, and may never end by itself.
  async close() {
    if (this.#unanswered > 0) this.#child.kill('SIGKILL');
    else this.#child.stdin.end();
    const how = await this.#exit;
    if (how !== 'exit 0' && how !== 'SIGKILL')
      throw new Error(`the client ended: ${how} ${this.#errors}`);
  }
}
