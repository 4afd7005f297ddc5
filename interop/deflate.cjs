"use strict";
// Compressed messages: the examples `deflate` and `echo --deflate` against `ws` for Node, in both roles, with and without
// takeover, and with server windows of 8 to 15 bits, of which some are left out unless ALL is set.

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const { randomBytes } = require("node:crypto");
const path = require("node:path");
const WebSocket = require("ws");
const { test, main, address } = require("./cases.cjs");

const PROGRAM = path.join(process.env.EXAMPLES, "deflate");
const TEXT = '{"symbol":"SOCK","price":12.5,"name":"Zürich 東京 🙂"},'.repeat(20);
const BITS = process.env.ALL ? [8, 9, 10, 11, 12, 13, 14, 15] : [8, 9, 12, 15];
const messages = (longest) =>
  [TEXT, TEXT, "", Buffer.alloc(0), randomBytes(100_000), TEXT, "short", Buffer.alloc(longest, "0123456789abcdef"), TEXT];

/** Our server on a free port. */
async function ours(program, options, body) {
  const child = spawn(path.join(process.env.EXAMPLES, program), ["0", ...options], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const url = await address(child);
    return await body(url);
  } finally {
    child.kill("SIGKILL");
  }
}

async function echoes(url, perMessageDeflate, longest) {
  const ws = new WebSocket(url, { perMessageDeflate, maxPayload: 64 << 20 });
  await once(ws, "open");
  const expected = perMessageDeflate ? /^permessage-deflate/ : /^$/;
  if (!expected.test(ws.extensions)) throw new Error(`agreed: ${ws.extensions}`);
  for (const message of messages(longest)) {
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

function client(name, perMessageDeflate, options = [], program = "deflate", longest = 1 << 20) {
  test(`client: ${name}`, () => ours(program, options, (url) => echoes(url, perMessageDeflate, longest)), 60);
}

client("its defaults", { threshold: 0 }, [], "deflate", 16 << 20);
client("its defaults, with echo --deflate", { threshold: 0 }, ["--deflate"], "echo");
client("nothing offered", false);
for (const serverNoContextTakeover of [false, true]) {
  for (const clientNoContextTakeover of [false, true]) {
    client(`no takeover of the server ${serverNoContextTakeover}, of the client ${clientNoContextTakeover}`,
      { serverNoContextTakeover, clientNoContextTakeover, threshold: 0 });
  }
}
for (const bits of BITS) {
  client(`windows of ${bits} bits`, { serverMaxWindowBits: bits, clientMaxWindowBits: Math.max(bits, 9), threshold: 0 });
}
for (const options of [["--receive-window", "10"], ["--send-takeover", "no"], ["--receive-takeover", "no"], ["--level", "1"]]) {
  client(`a server with ${options.join(" ")}`, { threshold: 0 }, options);
}

function server(name, perMessageDeflate, options = []) {
  test(`server: ${name}`, () => called({ threshold: 0, ...perMessageDeflate }, options), 60);
}

server("its defaults", {});
for (const bits of BITS.slice(1)) {
  server(`windows of ${bits} bits`, { serverMaxWindowBits: bits, clientMaxWindowBits: bits });
  server(`asked for ${bits} bits`, {}, ["--send-window", `${bits}`, "--receive-window", `${bits}`]);
}
for (const options of [["--send-takeover", "no"], ["--receive-takeover", "no"], ["--send-takeover", "no", "--receive-takeover", "no"]]) {
  server(`asked for ${options.join(" ")}`, {}, options);
}

main("ws compressing");
