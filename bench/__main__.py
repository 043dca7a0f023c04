"""
All figures, one after the other; some 20 minutes, and with --data, of which the
archive makes 90 days, some 40.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

_FIGURES = (
    "history",
    "cold",
    "live",
    "memory",
    "slow",
    "preloads",
    "filtered",
    "scrape",
    "compression",
    "drain",
    "archive",
)


def machine() -> str:
    """
    What it is measured on, without names.
    """
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((x for x in lines if x.startswith("model name")), ": unknown")
    return (
        f"{model.partition(':')[2].strip()}, {os.cpu_count()} cores,"
        f" Linux {platform.release().partition('-')[0]},"
        f" Python {platform.python_version()}"
    )


def main() -> int:
    print(machine())
    failed = 0
    for name in _FIGURES:
        print(f"\n--- {name}", flush=True)
        command = [sys.executable, "-m", f"bench.{name}", *sys.argv[1:]]
        failed += subprocess.run(command).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
