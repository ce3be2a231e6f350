"""Ends every attempt of this Python, or one it starts, to reach a network, and writes it down.

A folder with this file on PYTHONPATH is the guard; `PASTA_TEST_NETWORK_LOG` names the file. Beside it, in one
of the same name and `.guarded`, every process that is guarded writes its command. One HOST:PORT may be
reached if `PASTA_TEST_NETWORK_ALLOWED` names it.
"""

from __future__ import annotations

import os
import sys

_REFUSED = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
_ALLOWED = os.environ.get("PASTA_TEST_NETWORK_ALLOWED", "")


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    if event not in _REFUSED:
        return
    # a connection's socket comes before its address; that of a Unix socket is text
    place = arguments[1] if event == "socket.connect" else arguments
    if not isinstance(place, tuple) or (_ALLOWED and ":".join(map(str, place[:2])) == _ALLOWED):
        return
    with open(os.environ["PASTA_TEST_NETWORK_LOG"], "a", encoding="utf-8") as log:  # noqa: PTH123
        log.write(f"{event} {place}\n")
    raise ConnectionError(f"the network is unplugged: {event}")


with open(os.environ["PASTA_TEST_NETWORK_LOG"] + ".guarded", "a", encoding="utf-8") as guarded:  # noqa: PTH123
    guarded.write(f"{' '.join(sys.orig_argv)}\n")
sys.addaudithook(_guard)
