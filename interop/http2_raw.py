"""Python's `h2` as the client of the example `http2`: frames of HTTP/2 cut, padded and ended as no browser would."""

import asyncio
import json
import os
import ssl
import struct
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RemoteSettingsChanged, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes, Settings

from cases import binary_of, case, main, same
from raw import frame

PORT = urlsplit(os.environ["HTTP2"]).port
CLOSE = frame(0x88, struct.pack(">H", 4000) + b"done")
CLOSED = b"\x88\x06" + struct.pack(">H", 4000) + b"done"


class Session:
    """A session of HTTP/2, which reads only while something is awaited."""

    def __init__(self, window=65535):
        self.h2 = H2Connection(H2Configuration(client_side=True, validate_outbound_headers=False))
        self.window = window
        self.events = []

    async def __aenter__(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", PORT, ssl=context)
        self.h2.local_settings = Settings(initial_values={SettingCodes.INITIAL_WINDOW_SIZE: self.window})
        self.h2.initiate_connection()
        await self.flush()
        await self.until(RemoteSettingsChanged)
        same(self.h2.remote_settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL), 1, "SETTINGS_ENABLE_CONNECT_PROTOCOL")
        return self

    async def __aexit__(self, *_):
        self.writer.transport.abort()

    async def flush(self):
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    async def next(self):
        """The next event; None when the connection ends."""
        while not self.events:
            data = await self.reader.read(65536)
            if not data:
                return None
            self.events += self.h2.receive_data(data)
            await self.flush()
        return self.events.pop(0)

    async def until(self, kind):
        while not isinstance(event := await self.next(), kind):
            if event is None:
                raise AssertionError(f"the connection has ended before {kind.__name__}")
        return event

    async def request(self, *fields, end=False):
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, list(fields), end_stream=end)
        await self.flush()
        response = await self.until(ResponseReceived)
        return stream, dict(response.headers)[b":status"].decode()

    async def open(self, path="/echo"):
        """The stream of an open WebSocket."""
        stream, status = await self.request(
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", path),
            (":authority", f"127.0.0.1:{PORT}"), ("sec-websocket-version", "13"),
        )
        same(status, "200", "status")
        return stream

    async def send(self, stream, data, **options):
        self.h2.send_data(stream, data, **options)
        await self.flush()

    async def data(self, length=None):
        """All data up to this length, or to the end of the stream."""
        got = b""
        while length is None or len(got) < length:
            event = await self.next()
            if isinstance(event, DataReceived):
                got += event.data
                if event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    await self.flush()
            elif isinstance(event, (StreamEnded, type(None))):
                return got
            elif isinstance(event, StreamReset) and event.error_code != ErrorCodes.NO_ERROR:
                raise AssertionError(f"the stream was reset: {event.error_code!r}")
        return got

    async def last(self):
        """How the last WebSocket of the server has ended."""
        while True:
            self.events.clear()
            await self.request((":method", "GET"), (":scheme", "https"), (":path", "/status"), (":authority", "x"), end=True)
            last = json.loads(await self.data())["websockets"][-1]
            if "code" in last:
                return last["code"], last["clean"]


@case("a Close with the end of the stream on its frame is answered, as Chromium sends it")
async def _():
    async with Session() as session:
        stream = await session.open()
        await session.send(stream, frame(0x81, b"hi") + CLOSE, end_stream=True)
        same(await session.data(), b"\x81\x02hi" + CLOSED, "answer")
        same(await session.last(), (4000, True), "how it ended")


@case("a Close whose stream stays open: the server ends its side, and waits")
async def _():
    async with Session() as session:
        stream = await session.open()
        await session.send(stream, CLOSE)
        same(await session.data(), CLOSED, "answer")
        await session.send(stream, b"", end_stream=True)
        same(await session.last(), (4000, True), "how it ended")


@case("DATA frames of one byte, with padding and empty ones between them")
async def _():
    async with Session() as session:
        stream = await session.open()
        message = frame(0x82, binary_of(300))
        for i, byte in enumerate(message):
            session.h2.send_data(stream, bytes([byte]), pad_length=i % 7 or None)
            if i % 50 == 0:  # more of these would be taken for an attack
                session.h2.send_data(stream, b"")
        await session.flush()
        same(await session.data(304), b"\x82\x7e" + struct.pack(">H", 300) + binary_of(300), "echo")


@case("a window of 10 bytes holds the echo up, and nothing is lost")
async def _():
    async with Session(window=10) as session:
        stream = await session.open()
        await session.send(stream, frame(0x82, binary_of(5000)) + CLOSE, end_stream=True)
        same(await session.data(), b"\x82\x7e" + struct.pack(">H", 5000) + binary_of(5000) + CLOSED, "echo and Close")


@case("the end of the stream without a Close is 1006, after the answers")
async def _():
    async with Session() as session:
        stream = await session.open()
        await session.send(stream, frame(0x81, b"hi"), end_stream=True)
        same(await session.data(), b"\x81\x02hi", "answer")
        same(await session.last(), (1006, False), "how it ended")


for error in (ErrorCodes.CANCEL, ErrorCodes.NO_ERROR, ErrorCodes.INTERNAL_ERROR):

    @case(f"a reset with {error.name} is 1006, and the session lives on")
    async def _(error=error):
        async with Session() as session:
            stream = await session.open()
            session.h2.reset_stream(stream, error)
            await session.flush()
            same(await session.last(), (1006, False), "how it ended")


@case("a frame without a mask is answered with 1002 before the stream ends")
async def _():
    async with Session() as session:
        stream = await session.open()
        await session.send(stream, frame(0x81, b"hi", masked=False), end_stream=True)
        same((await session.data())[:4:3], b"\x88\xea", "Close")


@case("another protocol than websocket is no WebSocket")
async def _():
    async with Session() as session:
        _, status = await session.request(
            (":method", "CONNECT"), (":protocol", "connect-udp"), (":scheme", "https"), (":path", "/echo"),
            (":authority", f"127.0.0.1:{PORT}"), ("sec-websocket-version", "13"),
        )
        same(status, "404", "status")


main("Python h2")
