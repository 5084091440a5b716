// What arrives, in order, and those who wait for it. Waiting ends with the event, or with an error
// that says what was awaited and what came instead.

const patience = 30_000;

export class Inbox {
  #items = [];
  #waiting = null;
  #failure = null;

  push(item) {
    this.#items.push(item);
    this.#serve();
  }

  // Whoever waits, now or later, gets this error: the source has ended.
  fail(error) {
    this.#failure ??= error;
    this.#serve();
  }

  get size() {
    return this.#items.length;
  }

  // The next `count` items. One waiter at a time.
  take(count, what) {
    if (this.#waiting) throw new Error(`two wait on one inbox: ${this.#waiting.what} and ${what}`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = null;
        const last = this.#items.at(-1);
        reject(
          new Error(
            `waited ${patience / 1000} s for ${what}: ${this.#items.length} of ${count} came` +
              (last === undefined ? '' : `, the last: ${JSON.stringify(last)}`),
          ),
        );
      }, patience);
      this.#waiting = { count, what, resolve, reject, timer };
      this.#serve();
    });
  }

  #serve() {
    const waiter = this.#waiting;
    if (!waiter) return;
    const enough = this.#items.length >= waiter.count;
    if (!enough && !this.#failure) return;
    clearTimeout(waiter.timer);
    this.#waiting = null;
    if (enough) waiter.resolve(this.#items.splice(0, waiter.count));
    else waiter.reject(new Error(`${waiter.what}: ${this.#failure.message}`));
  }
}
