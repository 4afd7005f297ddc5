"""Echo servers in Python: servers.py NAME PORT. Each as its documentation shows, with its defaults."""

import asyncio
import logging
import sys


async def with_websockets(port):
    from websockets.asyncio.server import serve

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", port):
        await asyncio.Future()


async def with_aiohttp(port):
    from aiohttp import WSMsgType, web

    async def echo(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type == WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/{path:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Future()


async def with_tornado(port):
    import tornado.web
    import tornado.websocket

    class Echo(tornado.websocket.WebSocketHandler):
        def get_compression_options(self):
            return {}

        async def on_message(self, message):
            await self.write_message(message, binary=isinstance(message, bytes))

    app = tornado.web.Application([(r"/.*", Echo)])
    app.listen(port, "127.0.0.1")
    await asyncio.Future()


async def with_picows(port):
    # Its frames leave fragments, text and closing to their user; this is its interface for messages.
    from picows.websockets.asyncio.server import serve

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", port):
        await asyncio.Future()


SERVERS = {
    "websockets": with_websockets,
    "aiohttp": with_aiohttp,
    "tornado": with_tornado,
    "picows": with_picows,
}

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(SERVERS[sys.argv[1]](int(sys.argv[2])))
