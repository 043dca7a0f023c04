"""
What ``wanderer-backfill`` shows: a bar on a terminal, a line for each day elsewhere.
"""

from typing import Any, Final, TextIO

from twisted.internet.task import LoopingCall

from wanderer_twisted.archive.rounds import Outcome, Rounds
from wanderer_twisted.days import readable
from wanderer_twisted.records import ArchivedDay
from wanderer_twisted.terminal import StatusLine, bar

_EVERY: Final = 0.5


class Screen:
    """
    :param out: where progress and the sum go.
    :param err: where what is wrong goes.
    """

    def __init__(self, clock: Any, out: TextIO, err: TextIO) -> None:
        self._clock = clock
        self._out = out
        self._err = err
        self._is_terminal = out.isatty()
        self._rounds: Rounds | None = None
        self._since = 0.0
        self._status = StatusLine(out)
        self._drawing = LoopingCall(self._draw)
        self._drawing.clock = clock

    def begin(self, rounds: Rounds) -> None:
        """
        Show how far these are from now on.
        """
        self._rounds, self._since = rounds, self._clock.seconds()
        if self._is_terminal:
            self._drawing.start(_EVERY)

    def end(self) -> None:
        if self._drawing.running:
            self._drawing.stop()
        self._status.wipe()

    def told(self, day: ArchivedDay) -> None:
        """
        A day was worked on. One that is not complete is told in the sum.
        """
        if self._is_terminal or self._rounds is None or not day.complete:
            return
        self._say(
            f"{readable(day.day)}  {day.have:,} killmails;"
            f" {self._progress(self._rounds, self._rounds.left - 1)}"
        )

    def sum_up(self, outcome: Outcome) -> None:
        assert self._rounds is not None
        count, loader = len(outcome.days), self._rounds.loader
        seconds = self._clock.seconds() - self._since
        self._say(
            f"{count - len(outcome.incomplete)} of {count} days are complete;"
            f" {loader.killmails:,} killmails taken in, {size(loader.bytes)} read,"
            f" in {seconds:,.0f} s"
        )
        for day in outcome.incomplete:
            self._say(
                f"{readable(day.day)}  not complete: {day.reason or 'no turn yet'}"
            )

    def vacuumed(self, before: int, after: int) -> None:
        self._say(f"The database had {size(before)}, and has {size(after)}")

    def fail(self, line: str) -> None:
        self._status.wipe()
        print(f"wanderer-backfill: {line}", file=self._err, flush=True)

    def _say(self, line: str) -> None:
        self._status.wipe()
        print(line, file=self._out, flush=True)

    def _draw(self) -> None:
        rounds = self._rounds
        if rounds is None or not rounds.current:
            return
        done = bar(rounds.wanted - rounds.left, rounds.wanted)
        day, progress = rounds.current[0], self._progress(rounds, rounds.left)
        self._status.show(f"{readable(day)} {done} {progress}")

    def _progress(self, rounds: Rounds, left: int) -> str:
        seconds = max(0.001, self._clock.seconds() - self._since)
        return (
            f"{rounds.wanted - left} of {rounds.wanted} days,"
            f" {rounds.loader.killmails / seconds:,.0f} killmails/s,"
            f" {size(rounds.loader.bytes)}"
        )


def size(bytes: int) -> str:
    """
    Bytes, for people.
    """
    if bytes < 1_000_000:
        return f"{bytes / 1e3:,.0f} kB"
    return f"{bytes / 1e6:,.1f} MB" if bytes < 1e9 else f"{bytes / 1e9:,.2f} GB"
