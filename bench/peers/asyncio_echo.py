"""asyncio_echo.py - echo on Python's asyncio, TCP or UDP.

    asyncio_echo.py [-u] [--udp] [--uvloop] PORT      -u answers in upper-case ASCII

--uvloop takes the event loop of that name (Debian's python3-uvloop) instead of the one of
the standard library. Protocols, not streams: the quickest that the standard library offers. Without
limits, timeouts or counters. Prints "listening 127.0.0.1:PORT".
"""

import asyncio
import socket
import sys

RECEIVE_BUFFER = 4 << 20  # the default loses datagrams as soon as hundreds are in flight


class Stream(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data):
        self.transport.write(reply(data))

    # Without these two a peer that sends and never reads would fill the memory.
    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        self.transport.sendto(reply(data), peer)


def echo(data):
    return data


reply = bytes.upper if "-u" in sys.argv else echo


async def main():
    loop = asyncio.get_running_loop()
    at = ("127.0.0.1", int(sys.argv[-1]))
    if "--udp" in sys.argv:
        transport, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=at)
        bound = transport.get_extra_info("socket")
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    else:
        server = await loop.create_server(Stream, *at, backlog=4096)
        bound = server.sockets[0]
    print("listening 127.0.0.1:%d" % bound.getsockname()[1], flush=True)
    await asyncio.Event().wait()


if "--uvloop" in sys.argv:
    import uvloop
    uvloop.install()
asyncio.run(main())
