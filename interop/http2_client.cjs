"use strict";
// `node:http2` as the client of the example `http2`: extended CONNECT, with `ws` on the stream.

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const http2 = require("node:http2");
const net = require("node:net");
const path = require("node:path");
const WebSocket = require("ws");
const { address, test, main, same, textOf, binaryOf, Inbox } = require("./cases.cjs");

const { HTTP2 } = process.env;
const { HTTP2_HEADER_METHOD: METHOD, HTTP2_HEADER_PATH: PATH, HTTP2_HEADER_SCHEME: SCHEME, HTTP2_HEADER_STATUS: STATUS,
  HTTP2_HEADER_AUTHORITY: AUTHORITY } = http2.constants;

const VERSION = { "sec-websocket-version": "13" };
let session;

/** The response to an extended CONNECT, and its stream. */
async function connect(path, headers = VERSION) {
  const stream = session.request({
    [METHOD]: "CONNECT", ":protocol": "websocket", [SCHEME]: "https", [PATH]: path, [AUTHORITY]: "127.0.0.1",
    ...headers,
  }, { endStream: false });
  const [response] = await once(stream, "response");
  return { response, stream };
}

/** An open WebSocket of `ws` over a stream of the session. */
async function opened(path = "/echo") {
  const { response, stream } = await connect(path);
  same(response[STATUS], 200, "status");
  stream.setNoDelay = () => {};
  const ws = new WebSocket(null, undefined, { closeTimeout: 30000 });
  ws._isServer = false;
  const inbox = new Inbox(ws, "message", "close", "pong", "error");
  ws.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 64 << 20, skipUTF8Validation: false });
  return { ws, inbox, stream };
}

async function get(path) {
  const stream = session.request({ [PATH]: path });
  let text = "";
  stream.setEncoding("utf8").on("data", (part) => text += part);
  const [[response]] = await Promise.all([once(stream, "response"), once(stream, "end")]);
  return { status: response[STATUS], text };
}

test("the server permits extended CONNECT", async () => {
  session = http2.connect(HTTP2, { rejectUnauthorized: false });
  const [settings] = await once(session, "remoteSettings");
  same(settings.enableConnectProtocol, true, "SETTINGS_ENABLE_CONNECT_PROTOCOL");
});

for (const size of [0, 125, 65536, 16 << 20]) {
  test(`echo of ${size} bytes of text and binary`, async () => {
    const { ws, inbox } = await opened();
    ws.send(textOf(size));
    same(await inbox.message(), textOf(size));
    ws.send(binaryOf(size));
    same(await inbox.message(), binaryOf(size));
    ws.close(1000);
    same((await inbox.expect("close"))[0], 1000, "code");
  });
}

test("ping", async () => {
  const { ws, inbox } = await opened();
  ws.ping("are you there");
  same((await inbox.expect("pong"))[0].toString(), "are you there", "payload");
  ws.close();
  same((await inbox.expect("close"))[0], 1005, "code");
});

test("close with code and reason", async () => {
  const { ws, inbox } = await opened();
  ws.close(4000, "done, 世界");
  const [code, reason] = await inbox.expect("close");
  same(`${code} ${reason}`, "4000 done, 世界", "code and reason");
});

test("close from the server", async () => {
  const { ws, inbox } = await opened("/close");
  ws.send("last");
  same(await inbox.message(), "last");
  const [code, reason] = await inbox.expect("close");
  same(`${code} ${reason}`, "4001 the server has had enough", "code and reason");
});

test("20 at once on one session, and a page between them", async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => opened()));
  all.forEach(({ ws }, i) => ws.send(`number ${i}`));
  same((await get("/")).status, 200, "status of the page");
  for (const [i, { ws, inbox }] of all.entries()) {
    same(await inbox.message(), `number ${i}`);
    ws.close(1000);
    same((await inbox.expect("close"))[0], 1000, "code");
  }
});

for (const [name, headers, status] of [
  ["without a version: 400", {}, 400],
  ["of another version: 400, and which one is spoken", { "sec-websocket-version": "8" }, 400],
  ["from a page of somebody else: 403", { ...VERSION, origin: "https://evil.example" }, 403],
]) {
  test(`a request ${name}`, async () => {
    const { response, stream } = await connect("/echo", headers);
    same(response[STATUS], status, "status");
    if (headers["sec-websocket-version"] === "8") same(response["sec-websocket-version"], "13", "version");
    stream.close();
  });
}

test("a stream that is reset ends its WebSocket alone", async () => {
  const { stream } = await connect("/echo");
  const { ws, inbox } = await opened();
  stream.close(http2.constants.NGHTTP2_CANCEL);
  ws.send("still here");
  same(await inbox.message(), "still here");
  ws.close(1000);
  await inbox.expect("close");
  let last;
  do {
    last = JSON.parse((await get("/status")).text).websockets.slice(-2).map(({ code, clean }) => `${code} ${clean}`);
  } while (last.some((end) => end.startsWith("undefined")));
  same(last, ["1006 false", "1000 true"], "how they have ended");
});

test("stops", async () => {
  session.close();
  await once(session, "close");
});

/** A server of this case's own, whose session takes the place of the other. */
async function serving() {
  const server = spawn(path.join(process.env.HOSTS, "http2"), ["0"], { stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(server, "exit");
  const url = await address(server);
  session = http2.connect(url, { rejectUnauthorized: false });
  await once(session, "remoteSettings");
  return { server, exited, port: new URL(url).port };
}

test("Ctrl-C closes each WebSocket with 1001, its stream and the session, and ends the server", async () => {
  for (const sign of ["SIGINT", "SIGTERM"]) {
    const { server, exited, port } = await serving();
    const silent = net.connect(port).on("error", () => {});
    const all = await Promise.all(Array.from({ length: 3 }, () => opened()));
    const goaway = once(session, "goaway");
    const closed = once(session, "close"); // which an error would reject
    const ends = all.map(({ stream }) => once(stream, "close"));
    server.kill(sign);
    for (const { inbox } of all) same((await inbox.expect("close"))[0], 1001, "code");
    await Promise.all([...ends, closed]);
    same((await goaway)[0], http2.constants.NGHTTP2_NO_ERROR, "code of GOAWAY");
    same(all.map(({ stream }) => stream.rstCode), [0, 0, 0], "how the streams have ended");
    same((await exited)[0], 0, "exit status");
    silent.destroy();
  }
});

test("Ctrl-C: one who does not answer holds the server up for ten seconds", async () => {
  const { server, exited } = await serving();
  const { stream } = await connect("/echo");
  const began = performance.now();
  server.kill("SIGINT");
  const [close] = await once(stream, "data");
  same(close.subarray(2, 4).readUInt16BE(), 1001, "code");
  stream.on("error", () => {});
  session.on("error", () => {});
  const [status] = await exited;
  const took = (performance.now() - began) / 1000;
  same(took >= 10 && took < 15 && status === 0, true, `${took} s, exit status ${status}`);
});

main("node:http2");
