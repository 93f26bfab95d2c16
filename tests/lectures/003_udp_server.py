"""UDP: every sentence comes back in upper case.

Lecture 003: socket, bind, then recvfrom(2048) and sendto for ever.

    python3 003_udp_server.py [HOST] [PORT]     port 0: any, told on stderr

The host is empty by default: every address of this machine.
"""
import sys
from socket import AF_INET, SOCK_DGRAM, socket

host = sys.argv[1] if len(sys.argv) > 1 else ""
port = int(sys.argv[2]) if len(sys.argv) > 2 else 12000

s = socket(AF_INET, SOCK_DGRAM)
s.bind((host, port))
if port == 0:
    print("port", s.getsockname()[1], file=sys.stderr, flush=True)
print("ready for datagrams", flush=True)

while True:
    sentence, client = s.recvfrom(2048)
    changed = sentence.decode().upper()
    s.sendto(changed.encode(), client)
