"""
The store's queue and its threads.
"""

from threading import Event, current_thread
from typing import Any
from unittest import mock

from twisted.internet.defer import CancelledError, Deferred, gatherResults, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from tests.support.cases import SyncCase
from tests.support.killmails import START, entry
from tests.support.store import SteppedExecutor, make_stepped_store, temporary_path
from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.partition import Filter, Snapshot
from wanderer_twisted.records import BatchLimits, Change, Place
from wanderer_twisted.store import index
from wanderer_twisted.store.threads import JobQueue, Threads


class QueueTests(SyncCase):
    """
    What waits.
    """

    def drain(self, queue: JobQueue) -> list[Any]:
        done = []
        while (job := queue.pop()) is not None:
            done.append(job.work(None))  # type: ignore[arg-type]
        return done

    def test_urgent_first(self) -> None:
        """
        Urgent jobs go before all others, and both in the order in which they came.
        """
        queue = JobQueue(9)
        for name, urgent in (("a", False), ("b", True), ("c", False), ("d", True)):
            queue.add(lambda _, name=name: name, urgent)  # type: ignore[misc]
        self.assertEqual(self.drain(queue), ["b", "d", "a", "c"])

    def test_cancelled(self) -> None:
        """
        A job whose answer nobody wants any more makes room at once and is not done.
        """
        queue = JobQueue(1)
        answer = queue.add(lambda _: "a")
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.assertEqual(len(queue), 0)
        queue.add(lambda _: "b")
        self.assertEqual(self.drain(queue), ["b"])

    def test_full(self) -> None:
        """
        A full queue refuses at once and counts it.
        """
        queue = JobQueue(2)
        kept = [queue.add(lambda _: 1) for _ in range(2)]
        self.failureResultOf(queue.add(lambda _: 3, urgent=True), StoreUnavailable)
        self.assertEqual((queue.refused, len(queue)), (1, 2))
        for each in kept:
            self.assertNoResult(each)

    def test_closed(self) -> None:
        """
        Closing refuses what waits and what comes.
        """
        queue = JobQueue(2)
        waiting = queue.add(lambda _: 1)
        queue.close()
        for answer in (waiting, queue.add(lambda _: 2)):
            self.failureResultOf(answer, StoreUnavailable)


class PriorityTests(SyncCase):
    """
    Who is first at the writer.
    """

    def test_live_overtakes_history(self) -> None:
        """
        A live killmail goes before the listings, names and pruning that wait.
        """
        clock = Clock()
        clock.advance(START)
        store, writer, _ = make_stepped_store(temporary_path(self), clock)
        self.addCleanup(store.close)
        store.commit(Change([entry(10)])).addErrback(lambda _: None)
        store.prune(START).addErrback(lambda _: None)
        live = store.commit(Change([entry(11)], announce=True))
        writer.step(), writer.deliver()
        self.assertEqual(self.successResultOf(live).marks.head, 1)

    def test_long_reads_take_turns(self) -> None:
        """
        A read that takes several slices lets others have their turn between them.
        """
        self.patch(index, "SLICE", 3)
        store, writer, readers = make_stepped_store(temporary_path(self), Clock())
        self.addCleanup(store.close)
        entries = [entry(id, kill_time=START + id) for id in range(1, 10)]
        store.commit(Change(entries))
        writer.step(), writer.deliver()
        plan = store.measure_history(
            Filter(frozenset({90000001})), Snapshot(9, 0), False, BatchLimits(), Place()
        )
        other = store.read_marks()
        for _ in range(2):
            readers.step(), readers.deliver()
        self.successResultOf(other)
        self.assertNoResult(plan)
        while readers.step() or readers.deliver():
            pass
        self.assertEqual(self.successResultOf(plan).killmails, 9)

    def test_a_long_read_that_nobody_wants(self) -> None:
        """
        Cancelling a read in slices drops the slices to come.
        """
        store, _, readers = make_stepped_store(temporary_path(self), Clock())
        self.addCleanup(store.close)
        cuts = store.find_batches(
            Filter(frozenset({1})), Snapshot(9, 0), False, BatchLimits(), Place()
        )
        cuts.cancel()
        self.failureResultOf(cuts, CancelledError)
        self.assertEqual(len(readers.waiting), 0)


class FakeDatabase:
    """
    Knows whether it was closed, and where.
    """

    closed_in = ""

    def close(self) -> None:
        self.closed_in = current_thread().name


class ThreadsTests(TestCase):
    """
    Real threads.
    """

    timeout = 20

    def make(self, size: int) -> tuple[Threads, list[FakeDatabase]]:
        from twisted.internet import reactor

        threads = Threads(reactor, "tested", size, 100)  # type: ignore[arg-type]
        databases = [FakeDatabase() for _ in range(size)]
        threads.start(databases)  # type: ignore[arg-type]
        return threads, databases

    async def test_runs_elsewhere_and_answers_here(self) -> None:
        """
        Jobs run in the threads, the listener and the answers in the reactor's.
        """
        threads, _ = self.make(1)
        here, told = current_thread().name, []
        there = await threads.run(
            lambda _: current_thread().name,
            told=lambda _: told.append(current_thread().name),
        )
        self.assertIn("tested", there)
        self.assertEqual([*told, current_thread().name], [here, here])
        await threads.stop()

    async def test_a_database_is_used_by_one_job_at_a_time(self) -> None:
        """
        There are never more jobs at work than databases.
        """
        threads, databases = self.make(2)
        at_work: list[object] = []

        def work(database: Any) -> bool:
            alone = database not in at_work
            at_work.append(database)
            Event().wait(0.001)
            at_work.remove(database)
            return alone

        answers = await gatherResults([threads.run(work) for _ in range(40)])
        self.assertEqual(answers, [True] * 40)
        await threads.stop()
        self.assertTrue(all("tested" in each.closed_in for each in databases))

    async def test_a_failing_job(self) -> None:
        """
        A job's error is its answer, and the thread goes on.
        """
        threads, _ = self.make(1)
        failing = threads.run(lambda _: 1 / 0)
        self.assertEqual(await threads.run(lambda _: 5), 5)
        await self.assertFailure(failing, ZeroDivisionError)
        await threads.stop()

    async def test_stops_behind_what_runs(self) -> None:
        """
        Stopping lets the job at work end, refuses those that wait, and closes.
        """
        threads, (database,) = self.make(1)
        going = Event()
        running = threads.run(lambda _: going.wait(5))
        waiting = threads.run(lambda _: 1)
        stopped = threads.stop()
        await self.assertFailure(waiting, StoreUnavailable)
        self.assertFalse(stopped.called or database.closed_in)
        going.set()
        self.assertTrue(await running)
        await stopped
        self.assertIn("tested", database.closed_in)

    async def test_an_answer_that_nobody_wants(self) -> None:
        """
        A job that was cancelled while it ran is told of, and answers nobody.
        """
        threads, _ = self.make(1)
        going = Event()
        told: Deferred[bool] = Deferred()
        answer = threads.run(lambda _: going.wait(5), told=told.callback)
        answer.cancel()
        await self.assertFailure(answer, CancelledError)
        going.set()
        self.assertTrue(await told)
        await threads.stop()


class ClosingTests(SyncCase):
    """
    The end has an order, and a deadline.
    """

    def test_writer_last(self) -> None:
        """
        The writer waits for the readers, or nobody writes the log back; what it had
        not begun is refused at once.
        """
        store, writer, readers = make_stepped_store(temporary_path(self), Clock())
        ended: Deferred[None] = Deferred()
        self.patch(readers, "stop", lambda: ended)
        stop = mock.Mock(return_value=succeed(None))
        self.patch(writer, "stop", stop)
        waiting = store.commit(Change([entry(10)]))
        closed = store.close()
        self.failureResultOf(waiting, StoreUnavailable)
        stop.assert_not_called()
        ended.callback(None)
        self.successResultOf(closed)
        stop.assert_called_once_with()

    def test_a_disk_that_hangs(self) -> None:
        """
        Closing gives up on what does not end, and says so.
        """
        clock = Clock()
        store, writer, readers = make_stepped_store(temporary_path(self), clock)
        self.addCleanup(SteppedExecutor.stop, writer)
        self.patch(writer, "stop", Deferred)
        closed = store.close()
        clock.advance(4.9)
        self.assertNoResult(closed)
        clock.advance(0.2)
        self.successResultOf(closed)
        (failure,) = self.flushLoggedErrors()
        self.assertIn("TimeoutError", failure.type.__name__)
        self.assertEqual(len(readers.waiting), 0)
        self.successResultOf(store.close())
