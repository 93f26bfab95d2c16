"""Talks to @ADDRESS@ with plain sockets.

    python3 client.py
"""

import os
import socket
@IMPORTS@import sys
import threading

@CONSTANTS@

@OPEN@


@MESSAGES@


@FRAME@


def send(peer):
    """Everything there is to send, and then the end."""
    try:
        for message in messages():
            peer.sendall(framed(message))  # send() may take only a part
@FINISH@    except OSError as error:
        print("error: cannot send:", error, file=sys.stderr)


@RECEIVE@


def show(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def main():
    try:
        peer = connect()
@TALK@    except OSError as error:
        sys.exit(f"error: {error}")


main()
