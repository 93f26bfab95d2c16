#!/usr/bin/env python3
"""Measures what the gateway of a lab adds to a round trip of 40 ms.

usage: bench/lab-gateway.py WHARF [ROUNDS]

A client outside sends 16 bytes to an echo inside, 20 ms away, and waits for them,
ROUNDS times (200), over TCP and over UDP. Beside that stands the same client at an
echo without a lab. Exits with 1 if the median is more than 41.5 ms.
"""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

NETWORK = """
[[host]]
name = "a"
serve = ["echo tcp::7", "echo udp::7"]
[[host]]
name = "b"
[[link]]
ends = ["a", "b"]
delay = "20ms"
"""
ROUND_TRIP = 40.0
MAY_ADD = 1.5
MESSAGE = b"sixteen bytes..."


def start(arguments, count, event, member):
    """Starts a server, and gives it with the addresses that it says."""
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    addresses = []
    while len(addresses) < count:
        line = process.stdout.readline()
        if not line:
            sys.exit(f"{' '.join(arguments)} has ended")
        said = json.loads(line)
        if said["event"] == event:
            addresses.append(said[member])
    return process, addresses


def stop(process):
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)


def connect(address):
    """A socket for an address as wharf writes it, udp or not."""
    kind = socket.SOCK_DGRAM if address.startswith("udp") else socket.SOCK_STREAM
    host, port = address.rsplit(":", 1)
    peer = socket.socket(socket.AF_INET, kind)
    peer.settimeout(10)
    peer.connect((host.split(":")[-1], int(port)))
    if kind == socket.SOCK_STREAM:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def round_trips(peer, rounds):
    """How long each took, in milliseconds; the first finds addresses and is left out."""
    times = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        peer.send(MESSAGE)
        heard = b""
        while len(heard) < len(MESSAGE):
            part = peer.recv(64)
            if not part:
                sys.exit("the connection has ended")
            heard += part
        times.append((time.perf_counter() - begun) * 1000)
    return sorted(times[1:])


def show(name, times):
    print(
        f"{name:<22} p50 {statistics.median(times):8.3f} ms   "
        f"p95 {times[len(times) * 95 // 100]:8.3f} ms   most {times[-1]:8.3f} ms"
    )


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    wharf = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    direct = [wharf, "serve", "echo", "tcp:127.0.0.1:0", "--json"]
    process, [address] = start(direct, 1, "listening", "local")
    show("echo without a lab", round_trips(connect(address), rounds))
    stop(process)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.toml")
        with open(path, "w") as file:
            file.write(NETWORK)
        gateway = [wharf, "lab", "gateway", path, "--json"]
        gateway += ["--expose", "a:7=127.0.0.1:0", "--expose", "udp:a:7=udp:127.0.0.1:0"]
        process, [tcp, udp] = start(gateway, 2, "lab-exposed", "outside")
        missed = False
        for name, address in [("gateway, TCP", tcp), ("gateway, UDP", udp)]:
            if name.endswith("UDP") and not address.startswith("udp"):
                address = "udp:" + address
            times = round_trips(connect(address), rounds)
            show(name, times)
            adds = statistics.median(times) - ROUND_TRIP
            print(f"{'':<22} adds {adds:.3f} ms to {ROUND_TRIP:.0f} ms (at most {MAY_ADD} ms)")
            missed |= adds > MAY_ADD
        stop(process)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
