"use strict";
// Chromium, without a window, on the page of the `echo` example.

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { chromium } = require("playwright-core");
const { test, main, same } = require("./cases.cjs");

const { ECHO, ECHO_DEFLATE, ECHO_SUBPROTOCOL, ECHO_ORIGIN, CHROMIUM, OUT } = process.env;
const pageOf = (address) => address.replace(/^ws:/, "http:");

let browser, page;
const complaints = []; // errors that the page's script or the console showed

/** Waits until an element's text, or one of its data attributes, is what it should be. */
async function shows(id, expected, attribute) {
  const read = () => page.locator(`#${id}`).evaluate((element, name) => name ? element.dataset[name] : element.textContent,
    attribute);
  const end = Date.now() + 20_000;
  let got;
  do {
    got = await read();
    if (expected instanceof RegExp ? expected.test(got ?? "") : got === expected) return;
    await new Promise((done) => setTimeout(done, 20));
  } while (Date.now() < end);
  throw new Error(`#${id} shows '${got}', expected '${expected}'; the log: ${await page.locator("#log").innerText()}`);
}

async function closed(code, reason, clean) {
  await shows("state", "closed");
  await shows("closed", code, "code");
  await shows("closed", reason, "reason");
  await shows("closed", clean, "clean");
}

test("starts", async () => {
  // The profile must be empty; a browser of this kind also looks for its maker's servers unless told not to.
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"];
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), "sockless-chromium-"));
  process.on("exit", () => fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  const options = { executablePath: CHROMIUM, headless: true, args, viewport: { width: 900, height: 760 } };
  browser = await chromium.launchPersistentContext(profile, options);
  page = browser.pages()[0] ?? (await browser.newPage());
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
}, 60);

test("the page connects", async () => {
  const answer = await page.goto(`${pageOf(ECHO)}?pings=1`);
  same(answer.status(), 200, "status of the page");
  await shows("state", "open");
  await shows("connections", "1");
  await shows("subprotocol", "none");
  await shows("extensions", "none");
});

test("echo of text with characters of one to four bytes", async () => {
  await page.fill("#text", "héllo, 世界 🌍");
  await page.click("#send-text");
  await shows("equal", "1");
  await shows("rtt", /^[\d.]+ ms$/);
  await shows("log", /héllo, 世界 🌍.*equal/);
});

test("echo of 70000 random bytes", async () => {
  await page.fill("#size", "70000");
  await page.click("#send-binary");
  await shows("equal", "2");
});

test("echo of empty text and empty binary", async () => {
  await page.fill("#text", "");
  await page.click("#send-text");
  await page.fill("#size", "0");
  await page.click("#send-binary");
  await shows("equal", "4");
});

test("echo of 16 MiB of random bytes", async () => {
  await page.fill("#size", String(16 << 20));
  await page.click("#send-binary");
  await shows("equal", "5");
});

test("20 messages, in order", async () => {
  for (let i = 0; i < 20; i++) {
    await page.fill("#text", `message ${i}`);
    await page.press("#text", "Enter");
  }
  await shows("equal", "25");
  await shows("different", "0");
  await shows("sent", "25");
});

test("server pings are shown", async () => {
  await shows("pings", /^([2-9]|\d\d)/, "count");
  await shows("pings", /answered, the last in [\d.]+ ms$/);
});

test("close with code and reason is seen, and clean", async () => {
  await page.selectOption("#close-code", "4000");
  await page.fill("#close-reason", "done, 世界");
  await page.click("#close");
  await closed("4000", "done, 世界", "true");
});

test("reconnect", async () => {
  await page.click("#connect");
  await shows("state", "open");
  await shows("connections", "2");
  await page.fill("#text", "héllo, 世界 🌍");
  await page.click("#send-text");
  await page.fill("#size", "70000");
  await page.click("#send-binary");
  await shows("equal", "27");
  await page.screenshot({ path: path.join(OUT, "echo.png"), fullPage: true });
});

test("close with 1000, and without a code", async () => {
  await page.selectOption("#close-code", "1000");
  await page.fill("#close-reason", "");
  await page.click("#close");
  await closed("1000", "", "true");
  await page.click("#connect");
  await shows("state", "open");
  await page.selectOption("#close-code", "");
  await page.click("#close");
  await closed("1005", "", "true");
});

test("reconnects by itself", async () => {
  await page.check("#auto");
  await shows("connections", "4");
  await shows("state", "open");
  await page.selectOption("#close-code", "3000");
  await page.click("#close");
  await shows("connections", "5");
  await shows("state", "open");
  await shows("closed", "3000", "code");
});

test("a message over the server's limit is refused with 1009", async () => {
  await page.uncheck("#auto");
  await page.fill("#size", String((16 << 20) + 1));
  await page.click("#send-binary");
  await shows("state", "closed");
  await shows("closed", "1009", "code");
  await shows("closed", /too big for the server/);
  await page.click("#connect");
  await shows("state", "open");
});

test("on a phone nothing is cut off, and a row of the log is at most three lines", async () => {
  await page.setViewportSize({ width: 375, height: 760 });
  await page.fill("#text", "a longer line of text ".repeat(10));
  await page.click("#send-text");
  await shows("log", /a longer line of text.*equal/);
  same(await page.evaluate(() => document.documentElement.scrollWidth), 375, "width of the page");
  const rows = await page.locator("#log li").evaluateAll((rows) => rows.map((row) => row.getBoundingClientRect().height));
  same(rows.every((height) => height < 75), true, `rows are ${rows} pixels high`);
  await page.screenshot({ path: path.join(OUT, "echo-phone.png"), fullPage: true });
  await page.setViewportSize({ width: 900, height: 760 });
});

test("the subprotocol that the server prefers is shown", async () => {
  await page.goto(`${pageOf(ECHO_SUBPROTOCOL)}?subprotocol=chat.v1&subprotocol=chat.v2`);
  await shows("state", "open");
  await shows("subprotocol", "chat.v2");
});

test("compressed messages: what was agreed is shown", async () => {
  await page.goto(pageOf(ECHO_DEFLATE));
  await shows("state", "open");
  await shows("extensions", /^permessage-deflate/);
  for (const n of [1, 2, 3]) {
    await page.fill("#text", "compressed ".repeat(100));
    await page.click("#send-text");
    await shows("equal", String(n));
  }
  await page.screenshot({ path: path.join(OUT, "echo-deflate.png"), fullPage: true });
});

test("no errors in the page so far", async () => same(complaints, [], "errors"));

test("a page whose origin is not on the list is refused", async () => {
  await page.goto(pageOf(ECHO_ORIGIN));
  await closed("1006", "", "false");
  await shows("connections", "0");
  same(complaints.length === 1 && complaints[0].includes("403"), true, `the console names 403: ${complaints}`);
});

test("stops", async () => browser.close());

main("chromium");
