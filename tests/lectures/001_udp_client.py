"""UDP: one datagram out of a port of its own, one answer.

Lecture 001: socket, bind, sendto, recvfrom(1024), close.

    python3 001_udp_client.py [HOST] [PORT]
"""
import sys
from socket import AF_INET, SOCK_DGRAM, socket

host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 11111

s = socket(AF_INET, SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print("sending from", s.getsockname())

server = (host, port)
s.sendto("From Quay to Pier".encode(), server)
data, sender = s.recvfrom(1024)
print("answer", data.decode(), "from", sender)
s.close()
