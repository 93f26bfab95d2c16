"""Sends datagrams to @ADDRESS@ with plain sockets, and shows the answer to each.

    python3 client.py
"""

import os
import socket
import sys

@CONSTANTS@TIMEOUT = @TIMEOUT@  # seconds: a datagram or its answer may be lost

@OPEN@


@MESSAGES@


def main():
    try:
        peer = connect()
        peer.settimeout(TIMEOUT)
        for message in messages():
            peer.send(message)  # all of it, or an error: a datagram is never split
@ANSWER@    except TimeoutError:
        print("error: no answer in time", file=sys.stderr)
        sys.exit(28)
    except OSError as error:
        sys.exit(f"error: {error}")


main()
