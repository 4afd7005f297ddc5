"use strict";
// Compressed messages: Chromium, without a window, as the client of the example `deflate`.

const { spawn } = require("node:child_process");
const path = require("node:path");
const { chromium } = require("playwright-core");
const { test, main, same, address } = require("./cases.cjs");

const PROGRAM = path.join(process.env.EXAMPLES, "deflate");

/** In the page: sends messages of all kinds, and returns what was agreed and what did not come back. */
async function echoes([url, longest]) {
  const ws = new WebSocket(url);
  ws.binaryType = "arraybuffer";
  await new Promise((resolve, reject) => { ws.onopen = resolve; ws.onerror = reject; });
  const text = '{"symbol":"SOCK","price":12.5,"name":"Zürich 東京 🙂"},'.repeat(20);
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  const long = new Uint8Array(longest).map((_, at) => at & 15);
  const wrong = [];
  for (const message of [text, text, "", new Uint8Array(0), noise, text, "short", long, text]) {
    const answer = new Promise((resolve) => { ws.onmessage = (event) => resolve(event.data); });
    ws.send(message);
    const data = await answer;
    const same = typeof message === "string" ? data === message
      : data.byteLength === message.length && new Uint8Array(data).every((byte, at) => byte === message[at]);
    if (!same) wrong.push(`${typeof message} of ${message.length}`);
  }
  const closed = new Promise((resolve) => { ws.onclose = resolve; });
  ws.close(1000);
  const { code, wasClean } = await closed;
  return { agreed: ws.extensions, wrong, code, wasClean };
}

let browser, page;

test("starts", async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  page = await browser.newPage();
}, 60);

for (const options of [[], ["--send-takeover", "no"], ["--receive-takeover", "no"], ["--receive-window", "9"],
  ["--send-window", "9"], ["--send-takeover", "no", "--receive-takeover", "no"]]) {
  test(`a server with ${options.join(" ") || "its defaults"}`, async () => {
    const child = spawn(PROGRAM, ["0", ...options], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const url = await address(child);
      const { agreed, wrong, code, wasClean } = await page.evaluate(echoes, [url, options.length ? 1 << 20 : 16 << 20]);
      same(/^permessage-deflate/.test(agreed), true, `agreed to ${agreed}`);
      same([wrong, code, wasClean], [[], 1000, true], "what did not come back, and the close");
    } finally {
      child.kill("SIGKILL");
    }
  }, 60);
}

test("stops", async () => browser.close());

main("chromium compressing");
