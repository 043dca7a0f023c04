"""
The programs in C, compiled into ``build/bench``.
"""

import os
import shutil
import subprocess
from pathlib import Path

_SOURCES = Path(__file__).parent.parent / "c"
_FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra")

BUILT = _SOURCES.parent.parent / "build" / "bench"
LOAD, FLOOR = BUILT / "load", BUILT / "floor"


class NoCompiler(Exception):
    """
    There is no gcc.
    """


def build() -> None:
    """
    :raises NoCompiler: that.
    """
    if shutil.which("gcc") is None:
        raise NoCompiler("gcc is not installed (Debian: gcc, libc6-dev)")
    BUILT.mkdir(parents=True, exist_ok=True)
    for program in (LOAD, FLOOR):
        source = _SOURCES / f"{program.name}.c"
        # Beside, then into its place: an old one may be running.
        new = program.with_suffix(f".{os.getpid()}")
        subprocess.run(["gcc", *_FLAGS, str(source), "-o", str(new)], check=True)
        new.replace(program)
