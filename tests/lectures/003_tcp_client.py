"""TCP: sends a sentence and shows what the server made of it.

Lecture 003: socket, connect, send, recv(1024), close.

    python3 003_tcp_client.py [HOST] [PORT]
"""
import sys
from socket import AF_INET, SOCK_STREAM, socket

host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 12000

connection = socket(AF_INET, SOCK_STREAM)
connection.connect((host, port))
sentence = input("A sentence in lower case: ")
connection.send(sentence.encode())
changed = connection.recv(1024)
print("The server says:", changed.decode())
connection.close()
