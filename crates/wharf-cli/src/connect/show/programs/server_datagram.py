"""The service @SERVICE@ at @ADDRESS@ with plain sockets.

    python3 server.py
"""

import socket
import sys
import time

@CONSTANTS@
@OPEN@


@ANSWER@


def main():
    try:
        server = listen()
    except OSError as error:
        sys.exit(f"error: cannot bind: {error}")
    print("listening on", @WHERE@, file=sys.stderr, flush=True)
    while True:
        try:
            payload, peer = server.recvfrom(65535)
            reply = answer(payload, peer)
            if reply is not None and peer is not None:
                server.sendto(reply, peer)
        except OSError as error:
            # Of one datagram: others are still answered.
            print("error:", error, file=sys.stderr)


main()
