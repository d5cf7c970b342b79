"""Port numbers for servers that cannot choose a free port themselves."""

import socket

PORTS = range(10_000, 30_000, 2)  # below the ports that Linux gives to clients and to servers without a number
_claims = []


def claim_ports(count):
    """Returns free ports of localhost. No other test process on this machine gets them while this one runs.

    A port cannot stay bound here, because the server must bind it. Port n is therefore claimed by a socket bound to
    port n + 1, which is not used otherwise and stays bound until this process ends.
    """
    ports = []
    for port in PORTS:
        claim = socket.socket()
        try:
            claim.bind(("localhost", port + 1))
            with socket.socket() as probe:
                probe.bind(("localhost", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        ports.append(port)
        if len(ports) == count:
            return ports
    raise RuntimeError(f"fewer than {count} free ports from {PORTS.start} to {PORTS.stop}")
