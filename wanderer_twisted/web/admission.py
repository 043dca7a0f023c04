"""
How many streams may be open: in all, from one address, and under one token.
"""

from collections import Counter
from types import TracebackType

from wanderer_twisted.web.addresses import Client
from wanderer_twisted.web.errors import Refusal, connection_limit
from wanderer_twisted.web.tokens import Holder


class Place:
    """
    The right to one open stream; a context manager, given back once however often it
    is left.
    """

    __slots__ = ("_admission", "_holder", "_kept", "_key")

    def __init__(
        self, admission: "Admission", key: str | None, holder: Holder | None
    ) -> None:
        self._admission: Admission | None = admission
        self._key = key
        self._holder = holder
        self._kept = False

    def keep(self) -> None:
        """
        Keep it beyond the end of ``with``.
        """
        self._kept = True

    def leave(self, why: str = "") -> None:
        admission, self._admission = self._admission, None
        if admission is not None:
            admission._free(self._key, self._holder)

    def __enter__(self) -> "Place":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._kept:
            self.leave()


class Admission:
    """
    Counts the open streams and refuses the one too many.

    :ivar open: streams now.
    :ivar admitted: streams ever.
    :ivar refused: those that were not, by status.
    """

    def __init__(self, connections: int, connections_per_address: int) -> None:
        self.connections = connections
        self.connections_per_address = connections_per_address
        self.open = 0
        self.admitted = 0
        self.refused: Counter[int] = Counter()
        self._by_key: dict[str, int] = {}

    @property
    def addresses(self) -> int:
        """
        How many addresses have a stream open.
        """
        return len(self._by_key)

    def enter(self, client: Client, holder: Holder | None = None) -> Place:
        """
        Take a place.

        :param holder: of the token that it is taken under.
        :raises Refusal: there is none left.
        """
        if self.open >= self.connections:
            message = f"All {self.connections} streams of this server are taken"
            raise self._refuse(503, message)
        here = 0 if client.key is None else self._by_key.get(client.key, 0)
        if here >= self.connections_per_address:
            most = self.connections_per_address
            message = f"Your address has {most} streams open, the most it may"
            raise self._refuse(429, message)
        if holder is not None:
            own = holder.connections
            if own is not None and holder.places >= own:
                message = f"Your token has {own} streams open, the most it may"
                raise self._refuse(429, message)
            holder.places += 1
        if client.key is not None:
            self._by_key[client.key] = here + 1
        self.open += 1
        self.admitted += 1
        return Place(self, client.key, holder)

    def _refuse(self, status: int, message: str) -> Refusal:
        self.refused[status] += 1
        return connection_limit(status, message)

    def _free(self, key: str | None, holder: Holder | None) -> None:
        self.open -= 1
        if holder is not None:
            holder.places -= 1
        if key is not None:
            self._by_key[key] -= 1
            if not self._by_key[key]:
                del self._by_key[key]
