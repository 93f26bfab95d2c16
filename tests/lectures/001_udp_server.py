"""UDP: every datagram comes back in upper case.

Lecture 001: socket, bind, then recvfrom(1024) and sendto for ever.

    python3 001_udp_server.py [HOST] [PORT]     port 0: any, told on stderr
"""
import sys
from socket import AF_INET, SOCK_DGRAM, socket

host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 11111

s = socket(AF_INET, SOCK_DGRAM)
s.bind((host, port))
if port == 0:
    print("port", s.getsockname()[1], file=sys.stderr, flush=True)

while True:
    data, sender = s.recvfrom(1024)
    print("datagram from", sender, flush=True)
    s.sendto(data.upper(), sender)
