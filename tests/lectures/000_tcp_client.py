"""A TCP client for any protocol of lines: what you type goes out, answers come back.

Lecture 000: socket, connect, send, sendall, recv(2048), close.

    python3 000_tcp_client.py [HOST] [PORT] [ANSWERS]

Each line of stdin is sent; then lines are read until as many have come as were
sent. ANSWERS is how many to have seen in all before closing, if that is more
than one for each (in the chat, SEND to echobot brings SEND-OK and a DELIVERY).
"""
import socket
import sys

host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 5378
answers = int(sys.argv[3]) if len(sys.argv) > 3 else 0

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.connect((host, port))

seen = 0
unfinished = b""


def read_until(wanted):
    """recv may bring half a line or five: count the newlines, not the calls."""
    global seen, unfinished
    while seen < wanted:
        received = s.recv(2048)
        if not received:
            return
        *lines, unfinished = (unfinished + received).split(b"\n")
        seen += len(lines)
        for line in lines:
            print(line.decode(errors="replace"), flush=True)


sent = 0
for text in sys.stdin:
    message = text.rstrip("\n").encode() + b"\n"
    # send may take only a part and says how much; sendall sees to the rest.
    taken = s.send(message)
    s.sendall(message[taken:])
    sent += 1
    read_until(sent)

read_until(answers)
s.close()
