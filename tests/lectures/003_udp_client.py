"""UDP: sends a sentence and shows what the server made of it.

Lecture 003: socket, sendto, recvfrom(2048), close; the port is the system's choice.

    python3 003_udp_client.py [HOST] [PORT]
"""
import sys
from socket import AF_INET, SOCK_DGRAM, socket

host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 12000

s = socket(AF_INET, SOCK_DGRAM)
sentence = input("A sentence in lower case: ")
s.sendto(sentence.encode(), (host, port))
changed, server = s.recvfrom(2048)
print("The server says:", changed.decode())
s.close()
