"""
Numbered worlds: what happens in each is the same on every machine.

    python -m tests.worlds 3000          the worlds 0 to 2,999
    python -m tests.worlds 554 555       world 554 alone

The first one that goes wrong ends the run, with all that happened in it, the traceback
and its number. :mod:`tests.test_exactly_once` draws worlds by chance; here a mistake
that was found once is found again.
"""

import random
import sys
import traceback
from random import Random

from tests.support.world import World

STEPS = 60

WENT_WRONG = "went wrong: world "


def live_through(number: int, happened: list[str]) -> None:
    """
    All that happens in world *number*, to its end.
    """
    random.seed(number)  # the server's own dice, for the names of streams
    chance = Random(number)
    world = World(chance, happened.append)
    try:
        for _ in range(STEPS):
            world.step(chance)
    finally:
        world.end()


def main() -> int:
    for number in range(*map(int, sys.argv[1:])):
        happened: list[str] = []
        try:
            live_through(number, happened)
        except Exception:
            print(*happened, sep="\n")
            traceback.print_exc()
            print(f"{WENT_WRONG}{number}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
