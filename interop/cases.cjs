"use strict";
// What the parts written for Node share: a list of named cases, run one after the other under a time limit each.
// A part prints `plan N` first and then one line per case, `ok NAME` or `FAIL NAME: why`.

const readline = require("node:readline");

const cases = [];

const SIZES = [125, 126, 65535, 65536, Number(process.env.LARGEST ?? 16 * 1024 * 1024)];
const FRAGMENTS = ["frag", "mented: héllo, ", "", "世界 ", "🌍"];
const LONGEST_REASON = "é世🌍".repeat(13) + "x".repeat(6); // 123 bytes

function test(name, run, seconds = 60) {
  cases.push({ name, run, seconds });
}

/** Text of exactly `size` bytes in UTF-8, with characters of one to four bytes. */
function textOf(size) {
  return "aé世🌍".repeat(Math.floor(size / 10)) + "x".repeat(size % 10);
}

/** `size` bytes in which every value occurs, and no short period of a power of two that would hide a lost chunk. */
function binaryOf(size) {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = i % 509;
  return bytes;
}

/** Fails with a short text: the messages can be 16 MiB long. Arrays and buffers are compared by content. */
function same(got, expected, what = "message") {
  const equal = Buffer.isBuffer(got) && Buffer.isBuffer(expected)
    ? got.equals(expected)
    : Array.isArray(expected) ? JSON.stringify(got) === JSON.stringify(expected) : got === expected;
  if (!equal) throw new Error(`${what}: got ${brief(got)}, expected ${brief(expected)}`);
}

function brief(value) {
  const shown = Buffer.isBuffer(value)
    ? `<${value.subarray(0, 16).toString("hex")}, ${value.length} bytes>`
    : JSON.stringify(value) ?? String(value);
  return shown.length <= 120 ? shown : `${shown.slice(0, 100)}… (${value.length} long)`;
}

/** Queues what an emitter gives, so that nothing is missed between two calls of `next`. */
class Inbox {
  constructor(emitter, ...events) {
    this.queue = [];
    this.waiting = [];
    for (const event of events) {
      emitter.on(event, (...values) => {
        const waiter = this.waiting.shift();
        if (waiter) waiter([event, ...values]);
        else this.queue.push([event, ...values]);
      });
    }
  }

  next() {
    return this.queue.length ? Promise.resolve(this.queue.shift()) : new Promise((done) => this.waiting.push(done));
  }

  /** The next event, which must be the one named. */
  async expect(event) {
    const [got, ...values] = await this.next();
    if (got !== event) throw new Error(`${got} (${values.map(brief)}) instead of ${event}`);
    return values;
  }

  /** The next message: a string, or a buffer. */
  async message() {
    const [data, isBinary] = await this.expect("message");
    return isBinary ? data : data.toString();
  }
}

/** The address that a server prints first. */
async function address(child) {
  const lines = new Inbox(readline.createInterface({ input: child.stdout }), "line", "close");
  return (await lines.expect("line"))[0].replace(/^http:/, "ws:");
}

async function main(peer) {
  console.log(`plan ${cases.length}`);
  let failed = 0;
  for (const { name, run, seconds } of cases) {
    let timer;
    const limit = new Promise((_, fail) => {
      timer = setTimeout(() => fail(new Error(`still running after ${seconds} s`)), seconds * 1000);
    });
    try {
      await Promise.race([run(), limit]);
      console.log(`ok ${peer}: ${name}`);
    } catch (error) {
      failed++;
      const at = /([^/\\]+\.cjs:\d+):\d+\)?$/m.exec((error.stack ?? "").replace(/^.*cases\.cjs.*$/gm, ""));
      console.log(`FAIL ${peer}: ${name}: ${String(error.message).replace(/\s*\n\s*/g, " ")}${at ? ` (${at[1]})` : ""}`);
    } finally {
      clearTimeout(timer);
    }
  }
  process.exit(failed ? 1 : 0);
}

module.exports = { address, test, main, same, textOf, binaryOf, Inbox, SIZES, FRAGMENTS, LONGEST_REASON };
