"""TCP: asks for one message and sends it.

Lecture 002: socket, connect, send, close. It reads no answer.

    python3 002_tcp_client.py [HOST] [PORT]
"""
import sys
from socket import AF_INET, SOCK_STREAM, socket

host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 11267

client = socket(AF_INET, SOCK_STREAM)
client.connect((host, port))
print("connected to the server")

message = input("Give message : ")
client.send(message.encode())

client.close()
