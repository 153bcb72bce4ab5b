"""Work that forks and handles signals, in a fresh interpreter: not in the one that runs the tests."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")

_CHILD = """
import pickle, sys
sys.path[:0] = pickle.load(sys.stdin.buffer)
work, arguments = pickle.load(sys.stdin.buffer)
pickle.dump(work(*arguments), sys.stdout.buffer)
"""


def in_a_process(work: Callable[..., R], *arguments: Any, seconds: float = 120) -> R:
    """What `work`, a function of a module that can be imported, returns there."""
    given = pickle.dumps(sys.path) + pickle.dumps((work, arguments))
    done = subprocess.run(
        [sys.executable, "-c", _CHILD], input=given, capture_output=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)
