"use strict";
// Compressed messages: the `deflate` example against `ws` for Node, in both roles, with and without takeover, and with
// server windows of 8 to 15 bits. One line per case; fails unless all have passed.
//
//     NODE_PATH=target/interop/node/node_modules EXAMPLES=target/release/examples node interop/deflate.cjs

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const { randomBytes } = require("node:crypto");
const path = require("node:path");
const readline = require("node:readline");
const WebSocket = require("ws");

const PROGRAM = path.join(process.env.EXAMPLES, "deflate");
const TEXT = '{"symbol":"SOCK","price":12.5,"name":"Zürich 東京 🙂"},'.repeat(20);
const LONG = Buffer.alloc(16 << 20, "0123456789abcdef");
const MESSAGES = [TEXT, TEXT, "", Buffer.alloc(0), randomBytes(100_000), TEXT, "short", LONG, TEXT];
let failed = 0;

async function test(name, body) {
  let timer;
  try {
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("timed out")), 120_000)));
    await Promise.race([body(), late]);
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}: ${error.message}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Our server on a free port. */
async function ours(options, body) {
  const child = spawn(PROGRAM, ["0", ...options], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [url] = await once(readline.createInterface({ input: child.stdout }), "line");
    return await body(url);
  } finally {
    child.kill("SIGKILL");
  }
}

async function echoes(url, perMessageDeflate) {
  const ws = new WebSocket(url, { perMessageDeflate, maxPayload: 64 << 20 });
  await once(ws, "open");
  const expected = perMessageDeflate ? /^permessage-deflate/ : /^$/;
  if (!expected.test(ws.extensions)) throw new Error(`agreed: ${ws.extensions}`);
  for (const message of MESSAGES) {
    const answer = once(ws, "message");
    ws.send(message, { compress: true });
    const [data, binary] = await answer;
    if (binary !== (typeof message !== "string") || !data.equals(Buffer.from(message))) throw new Error("not the same");
  }
  const answer = once(ws, "message");
  for (const [at, part] of [TEXT.slice(0, 99), "", TEXT.slice(99)].entries()) ws.send(part, { fin: at === 2, compress: true });
  if ((await answer)[0].toString() !== TEXT) throw new Error("not the same in fragments");
  const closed = once(ws, "close");
  ws.close(1000);
  const [code] = await closed;
  if (code !== 1000) throw new Error(`closed with ${code}`);
}

/** `ws` as the server of our client. */
async function called(perMessageDeflate, options) {
  const server = new WebSocket.Server({ host: "127.0.0.1", port: 0, perMessageDeflate, maxPayload: 64 << 20 });
  await once(server, "listening");
  server.on("connection", (ws) => ws.on("message", (data, binary) => ws.send(data, { binary, compress: true })));
  try {
    const child = spawn(PROGRAM, [`ws://127.0.0.1:${server.address().port}/`, ...options]);
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
    const [status] = await once(child, "close");
    if (status !== 0 || !said.includes("agreed")) throw new Error(`status ${status}: ${said}`);
  } finally {
    server.close();
  }
}

(async () => {
  await ours([], async (url) => {
    await test("ws client: its defaults", () => echoes(url, { threshold: 0 }));
    await test("ws client: nothing offered", () => echoes(url, false));
    for (const serverNoContextTakeover of [false, true]) {
      for (const clientNoContextTakeover of [false, true]) {
        await test(`ws client: no takeover of the server ${serverNoContextTakeover}, of the client ${clientNoContextTakeover}`,
          () => echoes(url, { serverNoContextTakeover, clientNoContextTakeover, threshold: 0 }));
      }
    }
    for (let bits = 8; bits <= 15; bits++) {
      await test(`ws client: windows of ${bits} bits`, () =>
        echoes(url, { serverMaxWindowBits: bits, clientMaxWindowBits: Math.max(bits, 9), threshold: 0 }));
    }
  });
  for (const options of [["--receive-window", "10"], ["--send-takeover", "no"], ["--receive-takeover", "no"], ["--level", "1"]]) {
    await ours(options, (url) => test(`ws client: a server with ${options.join(" ")}`, () => echoes(url, { threshold: 0 })));
  }
  await test("ws server: its defaults", () => called({ threshold: 0 }, []));
  for (let bits = 9; bits <= 15; bits++) {
    await test(`ws server: windows of ${bits} bits`, () =>
      called({ serverMaxWindowBits: bits, clientMaxWindowBits: bits, threshold: 0 }, []));
    await test(`ws server: asked for ${bits} bits`, () =>
      called({ threshold: 0 }, ["--send-window", `${bits}`, "--receive-window", `${bits}`]));
  }
  for (const options of [["--send-takeover", "no"], ["--receive-takeover", "no"], ["--send-takeover", "no", "--receive-takeover", "no"]]) {
    await test(`ws server: asked for ${options.join(" ")}`, () => called({ threshold: 0 }, options));
  }
  process.exit(failed ? 1 : 0);
})();
