"""
Whose page is asked for next: one at a time, in turn over those who wait.
"""

from collections import deque
from collections.abc import Collection, Mapping

from twisted.internet.defer import Deferred, succeed

from wanderer_twisted.history.coverage import Key


class Asker:
    """
    One client's request, until everything it wants is there.

    :param keys: how far back each is wanted, UNIX seconds.
    :param covered: those of which only values are wanted.

    :ivar keys: what it still waits for; the one whose turn is farthest comes last.
    :ivar done: fires when nothing is left, or by :meth:`finish`.
    """

    def __init__(
        self, keys: Mapping[Key, int], covered: Collection[Key] = frozenset()
    ) -> None:
        self.keys = dict(keys)
        self.covered = frozenset(covered)
        self.done: Deferred[None] = Deferred()

    def got(self, key: Key) -> None:
        self.keys.pop(key, None)
        if not self.keys:
            self.finish()

    def finish(self) -> None:
        if not self.done.called:
            self.done.callback(None)


class Turns:
    """
    A lock that is handed on fairly: in turn over the askers, then over the ids of each,
    so that a hundred ids do not hold up one; last come ids that nobody waits for.
    """

    def __init__(self) -> None:
        self.askers: deque[Asker] = deque()
        self._taken = False
        self._stopped = False
        self._waiting: dict[Key, Deferred[None]] = {}

    def join(self, asker: Asker) -> None:
        self.askers.append(asker)

    def leave(self, asker: Asker) -> None:
        self.askers.remove(asker)

    def take(self, key: Key) -> Deferred[None]:
        """
        Fires when it is the turn of *key*, which is then to be given back.
        """
        if not self._taken:
            self._taken = True
            self._served(key)
            return succeed(None)

        def forget(turn: Deferred[None]) -> None:
            del self._waiting[key]

        turn = self._waiting[key] = Deferred(forget)
        return turn

    def spare(self, key: Key) -> None:
        """
        Have nobody wait for *key* of whom only its values are wanted.
        """
        for asker in list(self.askers):
            if key in asker.covered:
                asker.got(key)

    def give_back(self) -> None:
        self._taken = bool(self._waiting)
        if self._waiting and not self._stopped:
            key = self._choose()
            self._served(key)
            self._waiting.pop(key).callback(None)

    def stop(self) -> None:
        """
        Hand the lock on no more.
        """
        self._stopped = True

    def _choose(self) -> Key:
        for _ in range(len(self.askers)):
            asker = self.askers[0]
            self.askers.rotate(-1)
            for key in asker.keys:
                if key in self._waiting:
                    return key
        return next(iter(self._waiting))

    def _served(self, key: Key) -> None:
        """
        Put *key* behind the others of all who want it.
        """
        for asker in self.askers:
            if key in asker.keys:
                asker.keys[key] = asker.keys.pop(key)
