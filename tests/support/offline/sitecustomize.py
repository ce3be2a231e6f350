"""Ends every attempt of this Python, or one it starts, to reach a network, and writes it down.

A folder with this file on PYTHONPATH is the guard; `PASTA_TEST_NETWORK_LOG` names the file. Beside it, in one
of the same name and `.guarded`, every process that is guarded writes its command.
"""

from __future__ import annotations

import os
import sys

_REFUSED = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    if event in _REFUSED and not (event == "socket.connect" and isinstance(arguments[1], (str, bytes))):
        with open(os.environ["PASTA_TEST_NETWORK_LOG"], "a", encoding="utf-8") as log:  # noqa: PTH123
            log.write(f"{event} {arguments[1:] if event == 'socket.connect' else arguments}\n")
        raise ConnectionError(f"the network is unplugged: {event}")


with open(os.environ["PASTA_TEST_NETWORK_LOG"] + ".guarded", "a", encoding="utf-8") as guarded:  # noqa: PTH123
    guarded.write(f"{' '.join(sys.orig_argv)}\n")
sys.addaudithook(_guard)
