"use strict";
// The chat server with two visitors: Chromium at the width of a desktop and of a phone. The screenshots are in OUT.

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");
const { test, main, same, address } = require("./cases.cjs");

const PROGRAM = path.join(process.env.HOSTS, "..", "chat");
const KEPT = path.join(process.env.OUT, "chat.json");

let browser, server, url, desktop, phone;

async function start(port) {
  server = spawn(PROGRAM, [String(port), "--keep", KEPT], { stdio: ["ignore", "pipe", "inherit"] });
  url = (await address(server)).replace("ws:", "http:");
}

async function enter(width, height, name) {
  const page = await browser.newPage({ viewport: { width, height } });
  await page.goto(url);
  await page.fill("[name=name]", name);
  await page.click("#door button");
  await page.waitForSelector("#log .note");
  return page;
}

const say = async (page, text) => {
  await page.fill("[name=text]", text);
  await page.press("[name=text]", "Enter");
};
const sees = (page, text) => page.waitForFunction(
  (text) => [...document.querySelectorAll("#log .text")].some((item) => item.textContent === text), text);
const shoot = (page, name) => page.screenshot({ path: path.join(process.env.OUT, `chat-${name}.png`) });

test("starts", async () => {
  fs.rmSync(KEPT, { force: true });
  await start(0);
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
}, 60);

test("two visitors talk", async () => {
  desktop = await enter(1200, 700, "Ada");
  phone = await enter(390, 760, "Bob");
  await say(desktop, "Hello from the desktop, with a sentence that is long enough to need a second line on a phone.");
  await say(phone, "Grüße vom Telefon 📱");
  await sees(desktop, "Grüße vom Telefon 📱");
  await say(desktop, "<b>not bold</b>");
  await sees(phone, "<b>not bold</b>");
  same(await phone.textContent("#present"), "2 present", "who is present");
  for (const page of [desktop, phone]) {
    same(/^permessage-deflate/.test(await page.evaluate("socket.extensions")), true, "messages are compressed");
  }
  for (const page of [desktop, phone]) {
    same(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "no sideways scrolling");
    const bottom = () => Math.round(innerHeight - document.querySelector("footer").getBoundingClientRect().bottom);
    same(await page.evaluate(bottom), 0, "what is below the line to write in");
  }
  for (let number = 1; number < 20; number++) await say(phone, `and ${number} more, so that it scrolls`);
  await sees(desktop, "and 19 more, so that it scrolls");
  await shoot(desktop, "desktop");
  await shoot(phone, "phone");
}, 60);

test("the pages come back after a restart, with what was said", async () => {
  const port = new URL(url).port;
  const ended = new Promise((resolve) => server.on("exit", resolve));
  // It says so only until its next try, which comes soon.
  await phone.evaluate(() => {
    const state = document.querySelector("#state");
    const told = () => /server restarts\. Next try in/.test(state.textContent);
    window.told = new Promise((done) => new MutationObserver(() => told() && done()).observe(state, { childList: true }));
  });
  server.kill("SIGTERM");
  same(await ended, 0, "exit status");
  await phone.evaluate("told");
  await phone.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  same(await phone.evaluate(() => {
    const log = document.querySelector("#log");
    return Math.round(log.scrollHeight - log.scrollTop - log.clientHeight) <= 1;
  }), true, "the last message stays in sight");
  await shoot(phone, "restart");
  await start(port);
  await Promise.all([desktop, phone].map((page) => page.waitForSelector("#state", { state: "hidden", timeout: 40_000 })));
  await sees(phone, "<b>not bold</b>");
  await say(phone, "back again");
  await sees(desktop, "back again");
}, 90);

test("stops", async () => {
  await browser.close();
  server.kill("SIGKILL");
}, 60);

main("chat");
