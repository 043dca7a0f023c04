"""
One client of a live stream, as a process of its own: ``python -m bench.listener PORT
QUERY``. It says when it began, and ends with its standard input; then it tells when it
had which killmail.
"""

import json
import select
import sys

from bench.client import listen


def main(port: str, query: str) -> None:
    print("ready", flush=True)
    times = listen(int(port), query, lambda: select.select([sys.stdin], [], [], 0)[0])
    print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
