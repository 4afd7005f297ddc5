"use strict";
// Echo clients in JavaScript: clients.cjs NAME ws://HOST:PORT. They ask for one case after the other.

const [name, url] = [process.argv[2], process.argv[3]];

/// The loop of those that have the interface of browsers. It runs in Chromium as well.
async function loop(WebSocket, url, name) {
  const open = (path, onmessage) =>
    new Promise((done) => {
      const socket = new WebSocket(url + path);
      socket.binaryType = "arraybuffer";
      socket.onmessage = (event) => onmessage(socket, event.data);
      socket.onclose = () => done();
      socket.onerror = () => {};
    });
  let count = 0;
  await open("/getCaseCount", (_, data) => (count = Number(data)));
  for (let number = 1; number <= count; number++) {
    await open(`/runCase?case=${number}&agent=${name}`, (socket, data) => {
      if (socket.readyState === 1) socket.send(data);
    });
  }
  await open(`/updateReports?agent=${name}`, () => {});
}

const clients = {
  async ws() {
    const { WebSocket } = require("ws");
    const open = (path, onmessage) =>
      new Promise((done) => {
        const socket = new WebSocket(url + path);
        socket.on("message", (data, binary) => onmessage(socket, data, binary));
        socket.on("close", () => done());
        socket.on("error", () => {});
      });
    let count = 0;
    await open("/getCaseCount", (_, data) => (count = Number(data)));
    for (let number = 1; number <= count; number++) {
      await open(`/runCase?case=${number}&agent=ws`, (socket, data, binary) => socket.send(data, { binary }, () => {}));
    }
    await open("/updateReports?agent=ws", () => {});
  },
  async undici() {
    await loop(require("undici").WebSocket, url, "undici");
  },
  async websocket() {
    const { client: Client } = require("websocket");
    const open = (path, onmessage) =>
      new Promise((done) => {
        const client = new Client();
        client.on("connectFailed", () => done());
        client.on("connect", (connection) => {
          connection.on("message", (message) => onmessage(connection, message));
          connection.on("close", () => done());
          connection.on("error", () => {});
        });
        client.connect(url + path);
      });
    let count = 0;
    await open("/getCaseCount", (_, message) => (count = Number(message.utf8Data)));
    for (let number = 1; number <= count; number++) {
      await open(`/runCase?case=${number}&agent=websocket`, (connection, message) => {
        if (message.type === "utf8") connection.sendUTF(message.utf8Data);
        else connection.sendBytes(message.binaryData);
      });
    }
    await open("/updateReports?agent=websocket", () => {});
  },
  async chromium() {
    const { chromium } = require("playwright-core");
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
    const page = await browser.newPage();
    await page.evaluate(`(${loop})(WebSocket, ${JSON.stringify(url)}, "chromium")`);
    await browser.close();
  },
};

process.on("uncaughtException", (error) => console.error(String(error)));
clients[name]().then(() => process.exit(0));
