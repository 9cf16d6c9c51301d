"""TCP ports for daemons that must come back on the same port after a kill.

The kernel gives outgoing connections any free port of its ephemeral range, a dead daemon's too;
so ports are taken from below that range.
"""

import random
import socket
import threading

LOWEST = 10000
_given = set()
_giving = threading.Lock()


def _is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    """A free port, not given before; 0, the kernel's choice, where there is no room below."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        end = int(f.read().split()[0])
    for _ in range(1000 if end > LOWEST + 1000 else 0):
        port = random.randrange(LOWEST, end)
        with _giving:
            if port not in _given and _is_free(port):
                _given.add(port)
                return port
    return 0
