"""How a child makes sure that it does not outlive the process that started it."""

import ctypes
import signal
import sys
from typing import BinaryIO

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with_parent() -> None:
    """Ask Linux to kill this process with the thread that started it. Elsewhere nothing; `until_parent_ends` remains."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def until_parent_ends(pipe: BinaryIO) -> None:
    """Returns at the end of `pipe`, of which the parent alone holds the other end and never writes again."""
    while pipe.read(4096):
        pass
