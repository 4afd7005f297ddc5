"use strict";
// Compressed messages: Chromium, without a window, as the client of the `deflate` example.
//
//     NODE_PATH=target/interop/node/node_modules EXAMPLES=target/release/examples CHROMIUM=$(command -v chromium) \
//         node interop/deflate_browser.cjs

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const path = require("node:path");
const readline = require("node:readline");
const { chromium } = require("playwright-core");

const PROGRAM = path.join(process.env.EXAMPLES, "deflate");

/** In the page: sends messages of all kinds, and returns what was agreed and what did not come back. */
async function echoes(url) {
  const ws = new WebSocket(url);
  ws.binaryType = "arraybuffer";
  await new Promise((resolve, reject) => { ws.onopen = resolve; ws.onerror = reject; });
  const text = '{"symbol":"SOCK","price":12.5,"name":"Zürich 東京 🙂"},'.repeat(20);
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  const long = new Uint8Array(16 << 20).map((_, at) => at & 15);
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

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  const page = await browser.newPage();
  let failed = 0;
  for (const options of [[], ["--send-takeover", "no"], ["--receive-takeover", "no"], ["--receive-window", "9"],
    ["--send-window", "9"], ["--send-takeover", "no", "--receive-takeover", "no"]]) {
    const child = spawn(PROGRAM, ["0", ...options], { stdio: ["ignore", "pipe", "inherit"] });
    const [url] = await once(readline.createInterface({ input: child.stdout }), "line");
    const result = await page.evaluate(echoes, url).catch((error) => ({ wrong: [error.message] }));
    child.kill("SIGKILL");
    const good = /^permessage-deflate/.test(result.agreed) && result.wrong.length === 0 && result.code === 1000;
    failed += good ? 0 : 1;
    console.log(`${good ? "ok" : "FAIL"} chromium: ${options.join(" ") || "defaults"}: ${JSON.stringify(result)}`);
  }
  await browser.close();
  process.exit(failed ? 1 : 0);
})();
