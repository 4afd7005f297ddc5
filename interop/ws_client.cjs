"use strict";
// `ws` for Node as the client of the `echo` example.

const WebSocket = require("ws");
const { test, main, same, textOf, binaryOf, Inbox, SIZES, FRAGMENTS, LONGEST_REASON } = require("./cases.cjs");

const { ECHO, ECHO_SUBPROTOCOL, ECHO_ORIGIN } = process.env;

/** Opens a connection, runs `body` with it, and drops it. */
async function connected(options, body) {
  const { url = ECHO, protocols = [], ...rest } = options;
  const ws = new WebSocket(url, protocols, rest);
  const inbox = new Inbox(ws, "open", "message", "ping", "pong", "close", "error");
  try {
    await inbox.expect("open");
    return await body(ws, inbox);
  } finally {
    ws.on("error", () => {});
    ws.terminate();
  }
}

async function echoes(ws, inbox, message) {
  ws.send(message);
  same(await inbox.message(), message);
}

function message(name, content) {
  test(name, () => connected({}, (ws, inbox) => echoes(ws, inbox, content)));
}

message("text", "héllo, 世界 🌍");
message("binary", Buffer.from([0, 255, 128]));
message("empty text", "");
message("empty binary", Buffer.alloc(0));
for (const size of SIZES) {
  message(`text of ${size} bytes`, textOf(size));
  message(`binary of ${size} bytes`, binaryOf(size));
}

test("fragmented text with a ping between the fragments", () =>
  connected({}, async (ws, inbox) => {
    for (const [i, fragment] of FRAGMENTS.entries()) {
      ws.send(fragment, { fin: false });
      ws.ping(`ping ${i}`);
      same((await inbox.expect("pong"))[0].toString(), `ping ${i}`, "pong before the message has ended");
    }
    ws.send("", { fin: true });
    same(await inbox.message(), FRAGMENTS.join(""));
  }));

test("text cut inside its characters", () =>
  connected({}, async (ws, inbox) => {
    const text = "héllo, 世界 🌍";
    const bytes = Buffer.from(text);
    for (let i = 0; i < bytes.length; i++) {
      ws.send(bytes.subarray(i, i + 1), { binary: false, fin: i + 1 === bytes.length });
    }
    same(await inbox.message(), text);
  }));

test("fragmented binary of 1 MiB in 1000 pieces", () =>
  connected({}, async (ws, inbox) => {
    const data = binaryOf(1 << 20);
    for (let i = 0; i < data.length; i += 1049) ws.send(data.subarray(i, i + 1049), { fin: i + 1049 >= data.length });
    same(await inbox.message(), data);
  }));

test("ping with empty, short and longest payload", () =>
  connected({}, async (ws, inbox) => {
    for (const payload of [Buffer.alloc(0), Buffer.from("ping"), binaryOf(125)]) {
      ws.ping(payload);
      same((await inbox.expect("pong"))[0], payload, "pong");
    }
    await echoes(ws, inbox, "after the pings");
  }));

test("unasked pong is ignored", () =>
  connected({}, async (ws, inbox) => {
    ws.pong("nobody asked");
    await echoes(ws, inbox, "after the pong");
  }));

test("500 messages sent before any is read", () =>
  connected({}, async (ws, inbox) => {
    const messages = Array.from({ length: 500 }, (_, i) => (i % 2 ? `message ${i}` : binaryOf(i)));
    for (const one of messages) ws.send(one);
    for (const one of messages) same(await inbox.message(), one);
  }));

test("two connections at once", () =>
  connected({}, (one, inboxOne) =>
    connected({}, async (two, inboxTwo) => {
      one.send("one");
      await echoes(two, inboxTwo, "two");
      same(await inboxOne.message(), "one");
    })));

test("any path, with a query", () =>
  connected({ url: `${ECHO.replace(/\/$/, "")}/some/path?with=query&and=%20more` }, (ws, inbox) =>
    echoes(ws, inbox, "path")));

test("permessage-deflate is offered and not agreed", () =>
  connected({ perMessageDeflate: true }, async (ws, inbox) => {
    same(ws.extensions, "", "agreed extensions");
    await echoes(ws, inbox, "plain ".repeat(1000));
  }));

function closing(name, args, code, reason) {
  test(`close with ${name}`, () =>
    connected({}, async (ws, inbox) => {
      await echoes(ws, inbox, "before");
      ws.close(...args);
      const [gotCode, gotReason] = await inbox.expect("close");
      // `ws` reports what came from the server here, so this is the server's answer.
      same([gotCode, gotReason.toString()], [code, reason], "close");
    }));
}

closing("no code", [], 1005, "");
closing("1000", [1000], 1000, "");
closing("1000 and a reason", [1000, "done"], 1000, "done");
closing("1001 and a reason", [1001, "going"], 1001, "going");
closing("3000 and a reason", [3000, "registered"], 3000, "registered");
closing("4999 and the longest reason", [4999, LONGEST_REASON], 4999, LONGEST_REASON);

function subprotocol(name, protocols, expected) {
  test(`subprotocol: ${name}`, () =>
    connected({ url: ECHO_SUBPROTOCOL, protocols }, async (ws, inbox) => {
      same(ws.protocol, expected, "subprotocol");
      await echoes(ws, inbox, "with a subprotocol");
    }));
}

subprotocol("the server's preference wins", ["chat.v1", "chat.v2"], "chat.v2");
subprotocol("the only one in common", ["other", "chat.v1"], "chat.v1");
subprotocol("none offered", [], "");

test("subprotocol: none in common, which ws does not accept", async () => {
  // As in browsers: a client that asked for a subprotocol and gets none fails the connection.
  const ws = new WebSocket(ECHO_SUBPROTOCOL, ["other"]);
  const [error] = await new Inbox(ws, "open", "error").expect("error");
  same(error.message, "Server sent no subprotocol", "error");
});

test("origin: on the list", async () => {
  for (const origin of ["https://good.example", "https://also.example"]) {
    await connected({ url: ECHO_ORIGIN, origin }, (ws, inbox) => echoes(ws, inbox, origin));
  }
});

test("origin: not on the list is refused with 403", async () => {
  for (const origin of ["https://evil.example", "http://good.example", "https://good.example.evil.example", "null"]) {
    const ws = new WebSocket(ECHO_ORIGIN, [], { origin });
    ws.on("error", () => {});
    const [request, response] = await new Inbox(ws, "open", "unexpected-response").expect("unexpected-response");
    same(response.statusCode, 403, `status for ${origin}`);
    request.destroy();
  }
});

main("ws client");
