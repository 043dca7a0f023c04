"""
Who sees to the past, real and for tests, against the same contract.
"""

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from zope.interface.verify import verifyObject

from tests.support.cases import SyncCase
from tests.support.history import CUTOFF, HistoryCase, character
from tests.support.world import HandledHistory
from tests.test_session import ReadyHistory
from wanderer_twisted.interfaces import IHistory, UpstreamError
from wanderer_twisted.records import Report

ANN = character(1)


class HistoryContract:
    """
    What a history does. :meth:`let` has what is under way come to its end.
    """

    history: Any

    def let(self: Any) -> None:
        raise NotImplementedError

    def test_prepared(self: Any) -> None:
        """
        It says when it is ready, and then how complete it is.
        """
        self.assertTrue(verifyObject(IHistory, self.history))
        preparing = self.history.prepare(ANN, CUTOFF)
        self.assertNoResult(preparing)
        self.let()
        self.assertIsNone(self.successResultOf(preparing))
        report = self.successResultOf(self.history.report(ANN, CUTOFF))
        self.assertIsInstance(report, Report)
        self.assertTrue(report.complete)

    def test_wanted(self: Any) -> None:
        """
        Who only wants it fetched does not wait for it.
        """
        self.assertIsNone(self.successResultOf(self.history.want(ANN, CUTOFF)))
        self.let()
        report = self.successResultOf(self.history.report(ANN, CUTOFF))
        self.assertTrue(report.complete)

    def test_cancelled(self: Any) -> None:
        """
        Who gives up waiting takes nothing from others who wait for the same.
        """
        first, second = (self.history.prepare(ANN, CUTOFF) for _ in range(2))
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertNoResult(second)
        self.let()
        self.assertIsNone(self.successResultOf(second))


class HistoryTest(HistoryContract, HistoryCase):
    """
    The real one.
    """

    def setUp(self) -> None:
        super().setUp()
        self.list_days_ago(1, [1, 5, 95])
        self.listings.gate.held = True

    def let(self) -> None:
        self.listings.gate.open()
        self.settle()

    def test_never_fails(self) -> None:
        """
        It is ready at its deadline even where nothing can be had, and says so.
        """
        self.listings.gate.open()
        self.listings.errors.extend([UpstreamError("away")] * 100)
        preparing = self.history.prepare(ANN, CUTOFF)
        self.clock.advance(30)
        self.assertIsNone(self.successResultOf(preparing))
        self.assertFalse(self.report(1).complete)


class ReadyHistoryTest(HistoryContract, SyncCase):
    """
    The fake of the tests of sessions.
    """

    def setUp(self) -> None:
        self.history = ReadyHistory()
        self.history.wait = Deferred()

    def let(self) -> None:
        self.history.wait.callback(None)


class HandledHistoryTest(HistoryContract, SyncCase):
    """
    The fake of the tests with everything at once.
    """

    def setUp(self) -> None:
        self.history = HandledHistory(lambda wanted, cutoff: True)

    def let(self) -> None:
        for *_, answer in self.history.asked:
            answer.callback(None)
