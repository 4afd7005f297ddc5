"use strict";
// Echo servers for Node: servers.cjs NAME PORT. Each as its documentation shows, with its defaults; `ws` with compression,
// which it leaves off.

const [name, port] = [process.argv[2], Number(process.argv[3])];

const servers = {
  ws() {
    const { WebSocketServer } = require("ws");
    const server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: true });
    server.on("connection", (socket) => {
      socket.on("message", (data, binary) => socket.send(data, { binary }));
      socket.on("error", () => {});
    });
  },
  websocket() {
    const http = require("node:http").createServer((_, response) => response.writeHead(404).end());
    http.listen(port, "127.0.0.1");
    const { server: Server } = require("websocket");
    const server = new Server({ httpServer: http, autoAcceptConnections: true });
    server.on("connect", (connection) => {
      connection.on("message", (message) => {
        if (message.type === "utf8") connection.sendUTF(message.utf8Data);
        else connection.sendBytes(message.binaryData);
      });
      connection.on("error", () => {});
    });
  },
};

process.on("uncaughtException", (error) => console.error(String(error)));
servers[name]();
