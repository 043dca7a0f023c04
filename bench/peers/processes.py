"""
The processes of a server: where they run, and what they use, as the kernel says.
"""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

#: Descriptors of a process beside its streams.
SPARE = 500

_PATIENCE = 20

R = TypeVar("R")


@contextmanager
def apart(start: Callable[[], AbstractContextManager[R]]) -> Iterator[R]:
    """
    Give a server a processor of its own, and all others to its clients: to this process
    and what it starts meanwhile. Else the scheduler puts both on the same one now and
    then, some servers' more often than others'.
    """
    every = os.sched_getaffinity(0)
    own = {min(every)}
    try:
        os.sched_setaffinity(0, own)  # what is started inherits it
        with start() as server:
            os.sched_setaffinity(0, every - own or every)
            yield server
    finally:
        os.sched_setaffinity(0, every)


def raise_limit() -> int:
    """
    Open files as many as may be, for this process and those that it starts.

    :returns: how many streams that makes.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - SPARE


def end(process: "subprocess.Popen[bytes]") -> None:
    """
    Close the input of a program that ends with it; one that does not is killed.
    """
    try:
        process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def children(pid: int) -> list[int]:
    """
    The processes that a process started.
    """
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rpartition(")")[2].split()[1]
        except OSError:  # it has ended
            continue
        if int(parent) == pid:
            found.append(int(stat.parent.name))
    return found


def cpu(pids: Sequence[int]) -> float:
    """
    Seconds of processor time, of all their threads together.
    """
    nanoseconds = sum(
        int((task / "schedstat").read_text().split()[0])
        for pid in pids
        for task in Path(f"/proc/{pid}/task").iterdir()
    )
    return nanoseconds / 1e9


def memory(pids: Sequence[int]) -> int:
    """
    Resident bytes; what processes may share is counted once.
    """
    own = shared = 0
    for pid in pids:
        numbers = Path(f"/proc/{pid}/statm").read_text().split()
        resident, common = int(numbers[1]), int(numbers[2])
        own += resident - common
        shared = max(shared, common)
    return (own + shared) * os.sysconf("SC_PAGE_SIZE")
