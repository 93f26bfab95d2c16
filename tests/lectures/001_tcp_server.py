"""TCP: echoes to one client at a time; the next one waits in the queue.

Lecture 001: socket, bind, listen(5), then accept and talk for ever.

    python3 001_tcp_server.py [HOST] [PORT]     port 0: any, told on stderr
"""
import sys
from socket import AF_INET, SOCK_STREAM, socket

host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 9999

s = socket(AF_INET, SOCK_STREAM)
s.bind((host, port))
s.listen(5)
if port == 0:
    print("port", s.getsockname()[1], file=sys.stderr, flush=True)

while True:
    sock, client = s.accept()
    print("serving", client, flush=True)
    while True:
        data = sock.recv(1024)
        if not data:  # nothing at all means: the client has closed
            break
        sock.sendall(data)
    sock.close()
