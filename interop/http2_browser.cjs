"use strict";
// Chromium, without a window, on the page of the example `http2`: its WebSockets run on the session that the page came over.

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { chromium } = require("playwright-core");
const { test, main, same } = require("./cases.cjs");

const { HTTP2, CHROMIUM, OUT } = process.env;

let browser, page;
const complaints = []; // errors that the page's script or the console showed

const text = (id) => page.locator(`#${id}`).innerText();
const status = () => page.evaluate(async () => (await fetch("/status")).json());

/** Waits until the server says so. */
async function serverSays(what, holds) {
  const end = Date.now() + 20_000;
  let got;
  do {
    got = await status();
    if (holds(got)) return got;
  } while (Date.now() < end);
  throw new Error(`the server does not say that ${what}: ${JSON.stringify(got)}`);
}

test("starts", async () => {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--ignore-certificate-errors"];
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), "sockless-chromium-"));
  process.on("exit", () => fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  // No connection is opened in advance, which would count although nothing runs on it.
  fs.mkdirSync(path.join(profile, "Default"));
  fs.writeFileSync(path.join(profile, "Default", "Preferences"), '{"net":{"network_prediction_options":2}}');
  const options = { executablePath: CHROMIUM, headless: true, args, ignoreHTTPSErrors: true, viewport: { width: 900, height: 620 } };
  browser = await chromium.launchPersistentContext(profile, options);
  page = browser.pages()[0] ?? (await browser.newPage());
  page.setDefaultTimeout(15000);
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
}, 60);

test("the page comes over HTTP/2, and four WebSockets end", async () => {
  same((await page.goto(HTTP2)).status(), 200, "status of the page");
  await page.waitForFunction(() => document.getElementById("state").textContent === "done");
  same(await text("page"), "h2", "protocol of the page");
});

test("echo of text and binary, and a clean close from each side", async () => {
  const rows = await page.locator("#rows tr").evaluateAll((rows) =>
    rows.map((row) => [...row.cells].slice(1).map((cell) => cell.textContent).join("|")));
  same(rows, [
    "equal|equal|the page|4000|done|true",
    "equal|equal|the page|1005||true",
    "equal|equal|the page|1000||true",
    "equal||the server|4001|the server has had enough|true",
  ], "rows");
});

test("the server has seen one TCP connection, with all WebSockets on streams of its HTTP/2 session", async () => {
  const { connections, websockets } = await serverSays("all have ended", ({ websockets }) =>
    websockets.length === 4 && websockets.every(({ code }) => code !== undefined));
  same(websockets.map(({ connection, version, clean }) => `${connection} ${version} ${clean}`),
    Array(4).fill("1 HTTP/2.0 true"), "WebSockets");
  same(websockets.map(({ code }) => code).sort(), [1000, 1005, 4000, 4001], "close codes");
  same(connections, 1, "TCP connections");
  same(await text("connections"), "1", "TCP connections as the page shows them");
  same(await text("streams"), "4", "WebSockets over HTTP/2 as the page shows them");
  await page.screenshot({ path: path.join(OUT, "http2.png"), fullPage: true });
  const { width, height } = page.viewportSize();
  await page.setViewportSize({ width: 390, height: 760 });
  same(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "no sideways scrolling on a phone");
  await page.setViewportSize({ width, height });
});

test("a message of 8 MiB while the page asks for other things", async () => {
  const equal = await page.evaluate(async () => {
    const ws = new WebSocket(`wss://${location.host}/echo`);
    ws.binaryType = "arraybuffer";
    const sent = new Uint8Array(8 << 20).map((_, i) => i % 251);
    await new Promise((open) => ws.onopen = open);
    const got = new Promise((done) => ws.onmessage = ({ data }) => done(new Uint8Array(data)));
    ws.send(sent);
    for (let i = 0; i < 10; i++) await (await fetch("/status")).json();
    const echo = await got;
    ws.close(1000);
    await new Promise((closed) => ws.onclose = closed);
    return echo.length === sent.length && echo.every((byte, i) => byte === sent[i]);
  });
  same(equal, true, "equal");
});

test("fifty WebSockets at once, on the same session", async () => {
  const texts = await page.evaluate(() => Promise.all(Array.from({ length: 50 }, (_, i) => new Promise((done, fail) => {
    const ws = new WebSocket(`wss://${location.host}/echo`);
    ws.onopen = () => ws.send(`number ${i}`);
    ws.onmessage = ({ data }) => (ws.close(1000), done(data));
    ws.onerror = () => fail(new Error(`number ${i} has failed`));
  }))));
  same(texts, Array.from({ length: 50 }, (_, i) => `number ${i}`), "texts");
  const { connections, websockets } = await serverSays("all have ended", ({ websockets }) =>
    websockets.length === 55 && websockets.every(({ clean }) => clean));
  same(connections, 1, "TCP connections");
  same(websockets.every(({ version }) => version === "HTTP/2.0"), true, "all over HTTP/2");
});

test("no errors in the page", async () => same(complaints, [], "errors"));

test("a page that goes away ends its WebSockets without a Close or with 1001", async () => {
  await page.evaluate(() => new Promise((open) => {
    window.left = new WebSocket(`wss://${location.host}/echo`);
    window.left.onopen = open;
  }));
  await page.goto(`${HTTP2}status`);
  const { websockets } = await serverSays("it has ended", ({ websockets }) => websockets.at(-1).code !== undefined);
  same([1001, 1006].includes(websockets.at(-1).code), true, `code ${websockets.at(-1).code}`);
});

test("stops", async () => browser.close());

main("chromium over HTTP/2");
