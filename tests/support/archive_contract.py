"""
What every source of the archive must do: :mod:`tests.support.contracts`, for days.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from zope.interface.verify import verifyObject

from tests.support.contracts import NOON, Contract
from tests.support.upstream import finish
from wanderer_twisted.days import day_of
from wanderer_twisted.encoding import loads
from wanderer_twisted.interfaces import IArchiveSource, Refused
from wanderer_twisted.killmail import decode

TODAY = day_of(NOON)

#: Day -> its killmails. One day in between has none.
DAYS: Mapping[int, Collection[int]] = {
    TODAY - 4: range(100, 101),
    TODAY - 2: range(101, 104),
    TODAY - 1: range(104, 109),
}
_ABSENT = (TODAY - 3, TODAY, TODAY + 1, 0)


class ArchiveContract(Contract):
    """
    What a source of days does. It is noon.

    :cvar troubles: what spoils totals, lists and bodies.
    :cvar document_troubles: what spoils totals and lists, which are looked into.
    """

    troubles: Sequence[Any]
    document_troubles: Sequence[Any]

    def make_source(self) -> IArchiveSource:
        """
        A source over an archive that has :data:`DAYS`.
        """
        raise NotImplementedError

    def trouble(self, what: Any) -> IArchiveSource:
        """
        The same over an upstream that fails for good.
        """
        raise NotImplementedError

    def asked(self, awaitable: Awaitable[Any]) -> Any:
        """
        What comes may claim nothing that was published after it was asked for.
        """
        asked_at = self.clock.seconds()
        found = finish(self.clock, awaitable)
        self.assertLessEqual(found.asked_at, asked_at)
        self.assertGreater(found.asked_at, asked_at - 60)
        return found

    def test_interface(self) -> None:
        """
        It has what the interface names.
        """
        self.assertTrue(verifyObject(IArchiveSource, self.make_source()))

    def test_totals(self) -> None:
        """
        Each day that there is has its number.
        """
        counts = self.asked(self.make_source().totals()).counts
        self.assertEqual(counts, {day: len(ids) for day, ids in DAYS.items()})

    def test_listing(self) -> None:
        """
        A day has its ids, and each has a hash.
        """
        source = self.make_source()
        for day, ids in DAYS.items():
            hashes = self.asked(source.listing(day)).hashes
            self.assertEqual(set(hashes), set(ids))
            for hash in hashes.values():
                self.assertRegex(hash, "^[0-9a-f]{40}$")

    def test_bodies(self) -> None:
        """
        A day's file has ESI's bodies by id, and nothing of what was there before.
        """
        source, path = self.make_source(), Path(self.mktemp())
        for day, ids in DAYS.items():
            finish(self.clock, source.bodies(day, str(path)))
            bodies = loads(path.read_bytes())
            self.assertEqual({int(each) for each in bodies}, set(ids))
            for id, body in bodies.items():
                killmail = decode(body)
                self.assertEqual(killmail.killmail_id, int(id))
                self.assertEqual(day_of(killmail.kill_time), day)

    def test_absent(self) -> None:
        """
        A day without killmails, and one that is not over, is refused.
        """
        source, path = self.make_source(), self.mktemp()
        for day in _ABSENT:
            for awaitable in (source.listing(day), source.bodies(day, path)):
                self.assertIsInstance(self.fails(awaitable), Refused)

    def test_failures(self) -> None:
        """
        Whatever goes wrong for now is the upstream's error, and no refusal.
        """
        day, path = TODAY - 1, self.mktemp()
        for what in (*self.troubles, *self.document_troubles):
            self.falters(what, lambda source: source.totals())
            self.falters(what, lambda source: source.listing(day))
        for what in self.troubles:
            self.falters(what, lambda source: source.bodies(day, path))

    def falters(self, what: Any, ask: Callable[[IArchiveSource], Any]) -> None:
        error = self.fails(ask(self.trouble(what)))
        self.assertFalse(isinstance(error, Refused), what)

    def test_nowhere_to_write(self) -> None:
        """
        A file that cannot be written is told as the system does.
        """
        source, path = self.make_source(), f"{self.mktemp()}/nowhere/raw.json"
        with self.assertRaises(OSError):
            finish(self.clock, source.bodies(TODAY - 1, path))
