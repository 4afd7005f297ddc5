"use strict";
// `ws` for Node as the server of the `client` and `autobahn_client` examples: those in EXAMPLES, over TLS where there is a
// CERTIFICATE.

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const fs = require("node:fs");
const https = require("node:https");
const path = require("node:path");
const readline = require("node:readline");
const { WebSocketServer } = require("ws");
const { test, main, same, textOf, binaryOf, Inbox, SIZES, FRAGMENTS, LONGEST_REASON } = require("./cases.cjs");

const CLEAN = 0, CLOSED = 1, REFUSED = 3; // exit statuses of the `client` example

const { CERTIFICATE, KEY } = process.env;
const TRUST = CERTIFICATE ? ["--trust", CERTIFICATE] : [];

/** Runs an example. `type`, `prints`, `end` and `exits` are its standard input, output and exit status. */
function example(program, ...args) {
  const child = spawn(path.join(process.env.EXAMPLES, program), [...args, ...TRUST]);
  const lines = new Inbox(readline.createInterface({ input: child.stdout }), "line", "close");
  let errors = "";
  child.stderr.on("data", (data) => (errors += data));
  child.stdin.on("error", () => {});
  const closed = once(child, "close");
  return {
    kill: () => child.kill("SIGKILL"),
    type: (...texts) => texts.forEach((text) => child.stdin.write(`${text}\n`)),
    end: () => child.stdin.end(),
    async prints(...expected) {
      for (const line of expected) same((await lines.expect("line"))[0], line, "line on stdout");
    },
    async exits(statuses, says = "") {
      const [status] = await closed;
      if (!statuses.includes(status)) throw new Error(`exit status ${status}, expected ${statuses}; stderr: ${errors}`);
      if (!errors.includes(says) || errors.includes("panicked")) throw new Error(`stderr lacks '${says}': ${errors}`);
    },
  };
}

/** A server that gives each connection to `handler`, while `body(url)` runs. A failure of either fails the case. */
async function serving(options, handler, body) {
  const tls = CERTIFICATE && https.createServer({ cert: fs.readFileSync(CERTIFICATE), key: fs.readFileSync(KEY) });
  const place = tls ? { server: tls } : { host: "127.0.0.1", port: 0 };
  const server = new WebSocketServer({ ...place, maxPayload: 64 << 20, ...options });
  if (tls) tls.listen(0, "127.0.0.1");
  await once(server, "listening");
  const running = [];
  server.on("connection", (ws, request) => {
    const inbox = new Inbox(ws, "message", "ping", "pong", "close", "error");
    running.push(handler(ws, inbox, request));
    running.at(-1).catch(() => ws.terminate());
  });
  try {
    await body(`${tls ? "wss" : "ws"}://127.0.0.1:${server.address().port}`);
  } catch (error) {
    // What the server side saw says more than how the client then ended.
    const first = await Promise.race([Promise.allSettled(running), new Promise((done) => setTimeout(done, 500, []))]);
    throw first.find((result) => result.status === "rejected")?.reason ?? error;
  } finally {
    for (const ws of server.clients) ws.terminate();
    server.close();
    if (tls) tls.close();
  }
  await Promise.all(running);
}

/** One run of the `client` example against a server. */
function clientCase(name, { options = {}, args = [], handler = async () => {}, drive }) {
  test(name, () =>
    serving(options, handler, async (url) => {
      const client = example("client", `${url}/chat?room=1`, ...args);
      try {
        await drive(client);
      } finally {
        client.kill();
      }
    }));
}

/** The client's Close is the next thing that comes, with that code. */
async function untilClosed(inbox, code) {
  const [got] = await inbox.expect("close");
  same(got, code, "close code from the client");
}

const LINES = ["first line", "héllo, 世界 🌍", "", "last"];

clientCase("lines typed arrive as text, end of input closes with 1000", {
  async handler(ws, inbox, request) {
    same(request.url, "/chat?room=1", "path");
    for (const line of LINES) same(await inbox.message(), line);
    await untilClosed(inbox, 1000);
  },
  async drive(client) {
    client.type(...LINES);
    client.end();
    await client.exits([CLEAN]);
  },
});

clientCase("what the server pushes is printed, while nothing is typed", {
  async handler(ws, inbox) {
    for (const data of ["pushed", "héllo, 世界 🌍", Buffer.alloc(0), Buffer.alloc(300)]) ws.send(data);
    await untilClosed(inbox, 1000);
  },
  async drive(client) {
    await client.prints("pushed", "héllo, 世界 🌍", "<binary 0 bytes>", "<binary 300 bytes>");
    client.end();
    await client.exits([CLEAN]);
  },
});

const SHORT = SIZES.filter((size) => size <= 65536);
clientCase("lines of all sizes up to 65536 bytes go and come", {
  async handler(ws, inbox) {
    for (const size of SHORT) {
      same(await inbox.message(), textOf(size));
      ws.send(textOf(size));
    }
    await untilClosed(inbox, 1000);
  },
  async drive(client) {
    for (const size of SHORT) {
      client.type(textOf(size));
      await client.prints(textOf(size));
    }
    client.end();
    await client.exits([CLEAN]);
  },
});

async function sendFragments(ws, inbox) {
  for (const [i, fragment] of FRAGMENTS.entries()) {
    ws.send(fragment, { fin: false });
    ws.ping(`ping ${i}`);
    same((await inbox.expect("pong"))[0].toString(), `ping ${i}`, "pong before the message has ended");
  }
  ws.send("", { fin: true });
}

clientCase("a fragmented message with pings between is one line", {
  async handler(ws, inbox) {
    await sendFragments(ws, inbox);
    await untilClosed(inbox, 1000);
  },
  async drive(client) {
    await client.prints(FRAGMENTS.join(""));
    client.end();
    await client.exits([CLEAN]);
  },
});

async function pings(ws, inbox) {
  for (const payload of [Buffer.alloc(0), Buffer.from("ping"), binaryOf(125)]) {
    ws.ping(payload);
    same((await inbox.expect("pong"))[0], payload, "pong");
  }
}

clientCase("pings are answered while nothing is typed", {
  async handler(ws, inbox) {
    await pings(ws, inbox);
    ws.send("answered");
    await untilClosed(inbox, 1000);
  },
  async drive(client) {
    await client.prints("answered");
    client.end();
    await client.exits([CLEAN]);
  },
});

clientCase("permessage-deflate is not offered unless it is asked for", {
  options: { perMessageDeflate: { threshold: 0 } },
  async handler(ws, inbox) {
    same(ws.extensions, "", "agreed extensions");
    ws.send("plain ".repeat(1000));
    await untilClosed(inbox, 1000);
  },
  async drive(client) {
    await client.prints("plain ".repeat(1000));
    client.end();
    await client.exits([CLEAN]);
  },
});

clientCase("--deflate: messages are compressed both ways", {
  args: ["--deflate"],
  options: { perMessageDeflate: { threshold: 0 } },
  async handler(ws, inbox) {
    same(/^permessage-deflate/.test(ws.extensions), true, `agreed extensions: ${ws.extensions}`);
    for (let i = 0; i < 3; i++) {
      same(await inbox.message(), "compressed ".repeat(1000));
      ws.send("inflated ".repeat(1000));
    }
    await untilClosed(inbox, 1000);
  },
  async drive(client) {
    for (let i = 0; i < 3; i++) {
      client.type("compressed ".repeat(1000));
      await client.prints("inflated ".repeat(1000));
    }
    client.end();
    await client.exits([CLEAN]);
  },
});

function serverCloses(name, args, code, reason, status) {
  clientCase(`server closes with ${name}: exit status ${status}`, {
    async handler(ws, inbox) {
      ws.close(...args);
      const [got] = await inbox.expect("close");
      same(got, code, "close code from the client");
    },
    drive: (client) => client.exits([status]), // its input stays open: it must not wait for it
  });
}

serverCloses("no code", [], 1005, "", CLEAN);
serverCloses("1000", [1000, "bye"], 1000, "bye", CLEAN);
serverCloses("1001", [1001], 1001, "", CLEAN);
serverCloses("1011", [1011, "oops"], 1011, "oops", CLOSED);
serverCloses("4999 and the longest reason", [4999, LONGEST_REASON], 4999, LONGEST_REASON, CLOSED);

clientCase("the connection breaks: exit status 1", {
  handler: async (ws) => ws.terminate(),
  drive: (client) => client.exits([CLOSED]),
});

clientCase("headers given are sent", {
  args: ["--header", "X-Token: two: three", "--header", "X-Other:other"],
  async handler(ws, inbox, request) {
    same(request.headers["x-token"], "two: three", "X-Token");
    same(request.headers["x-other"], "other", "X-Other");
    ws.close(1000);
  },
  drive: (client) => client.exits([CLEAN]),
});

const OFFER = ["--subprotocol", "chat.v1", "--subprotocol", "chat.v2"];

clientCase("subprotocol: the server's choice is taken", {
  args: OFFER,
  options: {
    handleProtocols(offered) {
      same([...offered], ["chat.v1", "chat.v2"], "offered, in order");
      return "chat.v2";
    },
  },
  async handler(ws) {
    same(ws.protocol, "chat.v2", "subprotocol");
    ws.close(1000);
  },
  drive: (client) => client.exits([CLEAN]),
});

clientCase("subprotocol: one that was not offered is an error", {
  args: OFFER,
  options: { handleProtocols: () => "chat.v3" },
  handler: (ws, inbox) => inbox.next(),
  drive: (client) => client.exits([CLOSED, REFUSED]),
});

function refuse(name, args, status) {
  clientCase(name, {
    args,
    options: { verifyClient: ({ origin }, answer) => answer(origin === "https://good.example", status, "No") },
    handler: async (ws) => ws.close(1000),
    drive: (client) => (status === 101 ? client.exits([CLEAN]) : client.exits([REFUSED], String(status))),
  });
}

refuse("origin: the one expected is let in", ["--origin", "https://good.example"], 101);
refuse("origin: another is refused with 403", ["--origin", "https://evil.example"], 403);
refuse("handshake refused with 401", [], 401);
refuse("handshake refused with 503", [], 503);

// The driver for fuzzing servers, against a small one.

const messages = (...contents) => async (ws, inbox) => {
  for (const content of contents) {
    ws.send(content);
    same(await inbox.message(), content);
  }
};

const closes = (...args) => async (ws, inbox) => {
  ws.close(...args);
  const [code, reason] = await inbox.expect("close");
  same([code, reason.toString()], [args[0] ?? 1005, args[1] ?? ""], "close");
};

const RUNS = {
  "text and binary": messages("héllo, 世界 🌍", Buffer.from([0, 255, 128])),
  empty: messages("", Buffer.alloc(0)),
  ...Object.fromEntries(
    SIZES.map((size) => [`${size} bytes, text and binary`, messages(textOf(size), binaryOf(size))])),
  async "fragmented with pings between"(ws, inbox) {
    await sendFragments(ws, inbox);
    same(await inbox.message(), FRAGMENTS.join(""));
  },
  async "text cut inside its characters"(ws, inbox) {
    const bytes = Buffer.from("héllo, 世界 🌍");
    for (let i = 0; i < bytes.length; i++) {
      ws.send(bytes.subarray(i, i + 1), { binary: false, fin: i + 1 === bytes.length });
    }
    same(await inbox.message(), bytes.toString());
  },
  pings,
  async "500 messages"(ws, inbox) {
    const all = Array.from({ length: 500 }, (_, i) => (i % 2 ? `message ${i}` : binaryOf(i)));
    for (const one of all) ws.send(one);
    for (const one of all) same(await inbox.message(), one);
  },
  "close without a code": closes(),
  "close 1000": closes(1000),
  "close 1001 with a reason": closes(1001, "going"),
  "close 4999 with the longest reason": closes(4999, LONGEST_REASON),
};

const results = {};

test("autobahn_client asks for all cases and for the report", async () => {
  const asked = [];
  async function handler(ws, inbox, request) {
    asked.push(request.url);
    const url = new URL(request.url, "ws://server");
    if (url.pathname === "/getCaseCount") ws.send(String(Object.keys(RUNS).length));
    if (url.pathname === "/runCase") {
      const [name, run] = Object.entries(RUNS)[url.searchParams.get("case") - 1];
      const limit = new Promise((_, fail) => setTimeout(fail, 20_000, new Error("still running after 20 s")).unref());
      results[name] = await Promise.race([run(ws, inbox), limit]).then(() => "ok", (error) => error.message);
    }
    ws.close(1000);
  }
  await serving({}, handler, async (url) => {
    const driver = example("autobahn_client", url);
    try {
      await driver.exits([0]);
    } finally {
      driver.kill();
    }
  });
  same(asked, [
    "/getCaseCount",
    ...Object.keys(RUNS).map((_, i) => `/runCase?case=${i + 1}&agent=sockless`),
    "/updateReports?agent=sockless",
  ], "what was asked for");
}, 100);

for (const name of Object.keys(RUNS)) {
  test(`autobahn_client: ${name}`, async () => same(results[name] ?? "was not run", "ok", "result"));
}

main("ws server");
