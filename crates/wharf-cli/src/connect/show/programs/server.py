"""The service @SERVICE@ at @ADDRESS@ with plain sockets.

    python3 server.py
"""

import codecs
import socket
import sys
import threading
import time

@CONSTANTS@
@OPEN@


@SERVE@


def serve_one(peer, name):
    try:
        with peer:
            serve(peer, name)
    except OSError as error:
        print(f"{name}: {error}", file=sys.stderr)


def main():
    try:
        server = listen()
    except OSError as error:
        sys.exit(f"error: cannot listen: {error}")
    print("listening on", @WHERE@, file=sys.stderr, flush=True)
    while True:
        try:
            peer, name = server.accept()
        except OSError as error:
            # For example no descriptor is free: those who are here are still served.
            print("cannot accept:", error, file=sys.stderr)
            time.sleep(0.1)
            continue
        threading.Thread(target=serve_one, args=(peer, name), daemon=True).start()


main()
