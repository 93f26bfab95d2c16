"""TCP: one sentence from each client, back in upper case, and goodbye.

Lecture 003: socket, bind, listen(1), then accept, recv(1024), send, close for ever.

    python3 003_tcp_server.py [HOST] [PORT]     port 0: any, told on stderr

The host is empty by default: every address of this machine.
"""
import sys
from socket import AF_INET, SOCK_STREAM, socket

host = sys.argv[1] if len(sys.argv) > 1 else ""
port = int(sys.argv[2]) if len(sys.argv) > 2 else 12000

listening = socket(AF_INET, SOCK_STREAM)
listening.bind((host, port))
listening.listen(1)
if port == 0:
    print("port", listening.getsockname()[1], file=sys.stderr, flush=True)
print("ready for clients", flush=True)

while True:
    connection, client = listening.accept()
    sentence = connection.recv(1024).decode()
    connection.send(sentence.upper().encode())
    connection.close()
