"""TCP: says one thing, reads one answer.

Lecture 001: socket, connect, send, recv(1024), close.

    python3 001_tcp_client.py [HOST] [PORT]
"""
import sys
from socket import AF_INET, SOCK_STREAM, socket

SERVER = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 9999

s = socket(AF_INET, SOCK_STREAM)
s.connect((SERVER, PORT))
s.send("Ahoy, harbour".encode())
data = s.recv(1024)
s.close()
print("answer", data.decode())
