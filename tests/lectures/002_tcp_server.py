"""TCP: takes one message from one client, shows it and ends.

Lecture 002: socket, bind, listen(2), accept, recv(80), close.

    python3 002_tcp_server.py [HOST] [PORT]     port 0: any, told on stderr

The host is empty by default: every address of this machine.
"""
import sys
from socket import AF_INET, SOCK_STREAM, socket

host = sys.argv[1] if len(sys.argv) > 1 else ""
port = int(sys.argv[2]) if len(sys.argv) > 2 else 11267
size = 80

server = socket(AF_INET, SOCK_STREAM)
server.bind((host, port))
server.listen(2)
if port == 0:
    print("port", server.getsockname()[1], file=sys.stderr, flush=True)

print("server waits for connection", flush=True)
client, address = server.accept()
print("server accepted connection request from ", address, flush=True)

print("server waits for data", flush=True)
message = client.recv(size)
print("server received ", message.decode(), flush=True)

server.close()
