"""A chat client in the manner of the lecture: a thread receives, the main thread sends."""

import socket
import sys
import threading

host, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
sock.connect((host, port))


def receive():
    buffer = b""
    while True:
        data = sock.recv(4096)
        if not data:
            print("closed", flush=True)
            return
        buffer += data
        while b"\n" in buffer:
            line, buffer = buffer.split(b"\n", 1)
            print(line.decode("utf-8"), flush=True)


threading.Thread(target=receive, daemon=True).start()
sock.sendall(f"HELLO-FROM {name}\n".encode("utf-8"))
for line in sys.stdin:
    line = line.rstrip("\n")
    if line == "!quit":
        break
    elif line == "!who":
        sock.sendall("WHO\n".encode("utf-8"))
    elif line.startswith("@"):
        user, message = line[1:].split(" ", 1)
        sock.sendall(f"SEND {user} {message}\n".encode("utf-8"))
sock.close()
