// Sends images one after the other, a few at a time, and waits when the server asks for that.

import { Refused } from "./api.js";

const AT_ONCE = 3;
const TRIES = 7;
const LONGEST_WAIT = 60;

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

// `send` is called with an item and how many wait behind it; `told` whenever something has changed. `locked` is called
// where the server wants a token, and ends when there is one.
export class Queue {
  constructor({ send, done, failed, locked, told }) {
    Object.assign(this, { send, done, failed, locked, told });
    this.waiting = [];
    this.running = 0;
    this.holding = null;
    this.pausing = 0;
  }

  add(items) {
    this.waiting.push(...items.map((item) => ({ item, tries: 0 })));
    this.fill();
  }

  // Leaves out what has not been sent, and returns it.
  cancel() {
    const left = this.waiting.splice(0).map(({ item }) => item);
    this.told();
    return left;
  }

  get idle() {
    return this.running === 0 && this.waiting.length === 0;
  }

  fill() {
    while (this.holding === null && this.running < AT_ONCE && this.waiting.length) {
      this.running += 1;
      this.one(this.waiting.shift());
    }
    this.told();
  }

  async one(entry) {
    try {
      this.done(entry.item, await this.send(entry.item, this.waiting.length));
    } catch (error) {
      if (!(error instanceof Refused)) {
        this.failed(entry.item, new Refused(`This page cannot send it: ${error.message}`, 400));
      } else if (error.status === 401) {
        this.hold(entry, this.locked());
      } else {
        entry.tries += 1;
        if (error.passing && entry.tries < TRIES) {
          // Longer each time: a server that is starting loads its models, which takes up to a minute.
          this.pausing = Math.min(LONGEST_WAIT, Math.max(error.wait, 2 ** (entry.tries - 1)));
          this.hold(entry, pause(this.pausing));
        } else {
          // A server that has not answered for so long will not answer the others either.
          const others = error.status === 0 ? this.waiting.splice(0) : [];
          [entry, ...others].forEach(({ item }) => this.failed(item, error));
        }
      }
    } finally {
      this.running -= 1;
      this.fill();
    }
  }

  // Puts an item back to the front, and sends nothing until then.
  hold(entry, until) {
    this.waiting.unshift(entry);
    if (this.holding === null) {
      this.holding = until.then(() => {
        this.holding = null;
        this.pausing = 0;
        this.fill();
      });
    }
  }
}
