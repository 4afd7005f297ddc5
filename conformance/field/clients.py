"""Echo clients in Python: clients.py NAME ws://HOST:PORT. They ask for one case after the other."""

import asyncio
import logging
import sys


async def with_websockets(url):
    from websockets.asyncio.client import connect

    async with connect(f"{url}/getCaseCount") as connection:
        count = int(await connection.recv())
    for number in range(1, count + 1):
        try:
            async with connect(f"{url}/runCase?case={number}&agent=websockets", ping_interval=None) as connection:
                async for message in connection:
                    await connection.send(message)
        except Exception:  # A case may well end so.
            pass
    async with connect(f"{url}/updateReports?agent=websockets"):
        pass


async def with_aiohttp(url):
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{url}/getCaseCount") as socket:
            count = int((await socket.receive()).data)
        for number in range(1, count + 1):
            try:
                path = f"{url}/runCase?case={number}&agent=aiohttp"
                async with session.ws_connect(path, compress=15) as socket:
                    async for message in socket:
                        if message.type == aiohttp.WSMsgType.TEXT:
                            await socket.send_str(message.data)
                        elif message.type == aiohttp.WSMsgType.BINARY:
                            await socket.send_bytes(message.data)
            except Exception:  # A case may well end so.
                pass
        try:
            await session.ws_connect(f"{url}/updateReports?agent=aiohttp")
        except Exception:
            pass


async def with_tornado(url):
    from tornado.websocket import websocket_connect

    async def connect(path):
        return await websocket_connect(f"{url}{path}", compression_options={})

    connection = await connect("/getCaseCount")
    count = int(await connection.read_message())
    for number in range(1, count + 1):
        try:
            connection = await connect(f"/runCase?case={number}&agent=tornado")
            while (message := await connection.read_message()) is not None:
                await connection.write_message(message, binary=isinstance(message, bytes))
        except Exception:  # A case may well end so.
            pass
    await connect("/updateReports?agent=tornado")


CLIENTS = {"websockets": with_websockets, "aiohttp": with_aiohttp, "tornado": with_tornado}

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(CLIENTS[sys.argv[1]](sys.argv[2]))
