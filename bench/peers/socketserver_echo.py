"""socketserver_echo.py - echo on Python's socketserver, as its manual shows it.

    socketserver_echo.py [-u] [--udp] PORT      -u answers in upper-case ASCII

TCP with a thread per connection (ThreadingTCPServer), UDP one datagram at a
time. Prints "listening 127.0.0.1:PORT".
"""

import socket
import socketserver
import sys

RECEIVE_BUFFER = 4 << 20  # the default loses datagrams as soon as hundreds are in flight


def echo(data):
    return data


reply = bytes.upper if "-u" in sys.argv else echo


class Stream(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while data := self.request.recv(65536):
                self.request.sendall(reply(data))
        except ConnectionError:
            pass  # a peer that resets is no affair of a bare server


class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        data, bound = self.request
        bound.sendto(reply(data), self.client_address)


class Threads(socketserver.ThreadingTCPServer):
    request_queue_size = 4096
    allow_reuse_address = True
    daemon_threads = True


class Datagrams(socketserver.UDPServer):
    max_packet_size = 65536


kind, handler = (Datagrams, Datagram) if "--udp" in sys.argv else (Threads, Stream)
with kind(("127.0.0.1", int(sys.argv[-1])), handler) as server:
    if kind is Datagrams:
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    print("listening 127.0.0.1:%d" % server.server_address[1], flush=True)
    server.serve_forever()
