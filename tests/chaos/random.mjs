// Numbers from a seed: the same seed gives the same numbers on every machine (mulberry32).

export class Random {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  // 0 <= fraction() < 1
  fraction() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  // from <= between() <= to
  between(from, to) {
    return from + Math.floor(this.fraction() * (to - from + 1));
  }

  one(choices) {
    return choices[this.between(0, choices.length - 1)];
  }

  chance(probability) {
    return this.fraction() < probability;
  }
}
