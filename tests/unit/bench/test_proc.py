import os
import signal
import subprocess
import sys
import time

import pytest

from bench import proc

LINE = "4711 ({name}) S 12 4711 4711 0 -1 4194304 500 0 0 0 {user} {system} {reaped} 9 20 0 7 0 12345 999999 256 18446744073709551615 1 1"


@pytest.mark.parametrize("name", ["nginx", "a b", "x) S 1 (y", ")", "(sd-pam)"])
def test_a_name_with_spaces_and_brackets_moves_no_field(name):
    found = proc.parse_stat(LINE.format(name=name, user=30, system=12, reaped=4))
    assert found == proc.Stat(parent=12, own=42, reaped=13, threads=7, rss=256)


def test_idle_and_waiting_time_of_a_core_is_not_busy():
    text = "cpu  1 1 1 1 1 1 1 1 0 0\ncpu0 10 20 30 4000 500 1 2 3 77 0\ncpu1 9 0 0 0 0 0 0 0 0 0\ncpu10 5 0 0 0 0 0 0 0 0 0\n"
    assert proc.parse_core(text, 0) == 66
    assert proc.parse_core(text, 1) == 9
    assert proc.parse_core(text, 10) == 5


SPAWNS_ONE_THAT_WORKS = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
print(child.pid, flush=True)
sys.stdin.read()
child.kill()
child.wait()
print("reaped", flush=True)
sys.stdin.close()
import time
time.sleep(60)
"""


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_time_of_a_child_counts_while_it_lives_and_after_it_was_reaped():
    command = [sys.executable, "-c", SPAWNS_ONE_THAT_WORKS]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as parent:
        try:
            child = int(parent.stdout.readline())
            assert proc.tree(parent.pid) == [parent.pid, child]
            alone = proc.stat(parent.pid).own * proc.TICK_NS
            until(lambda: proc.cpu_ns(parent.pid) > alone + 300_000_000)
            worked = proc.cpu_ns(child)
            parent.stdin.close()
            assert parent.stdout.readline() == "reaped\n"
            assert proc.tree(parent.pid) == [parent.pid]
            assert proc.cpu_ns(parent.pid) >= worked - proc.TICK_NS * 2
        finally:
            os.killpg(parent.pid, signal.SIGKILL)  # the child too, whatever failed


def test_the_cpu_clock_agrees_with_the_ticks_of_stat():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as worker:
        try:
            until(lambda: proc.stat(worker.pid).own >= 30)
            low = proc.stat(worker.pid).own
            exact = proc.cpu_ns(worker.pid) / proc.TICK_NS
            high = proc.stat(worker.pid).own
            assert low - 1 <= exact <= high + 2
        finally:
            worker.kill()


def test_memory_follows_what_a_process_holds():
    program = "held = bytearray(b'x') * 50_000_000\nprint('holds', flush=True)\nimport time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as holder:
        try:
            holder.stdout.readline()
            assert 50_000_000 < proc.rss_bytes(holder.pid) < 100_000_000
        finally:
            holder.kill()


def test_a_process_that_is_gone_has_no_time_and_no_memory():
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert proc.stat(gone.pid) is None
    assert proc.cpu_ns(gone.pid) == 0
    assert proc.rss_bytes(gone.pid) == 0
