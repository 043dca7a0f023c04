"""
Where the R2Z2 feed is, and how that is written down.
"""

from typing import Any

import attrs

from wanderer_twisted.encoding import dumps, loads


@attrs.define(eq=False)
class Missing:
    """
    A number that was passed over and is asked for again.

    :ivar since: UNIX seconds: upload of the last file before it ...
    :ivar until: ... and of the first one behind it; None until there is one.
    :ivar passed_at: UNIX seconds.
    :ivar tries: how often it was absent or unusable when it was asked for again ...
    :ivar failures: ... and how often in a row, since then, asking failed.
    :ivar due: UNIX seconds of the next try.
    """

    sequence: int
    since: float
    until: float | None
    passed_at: float
    tries: int = 0
    failures: int = 0
    due: float = 0.0


@attrs.define(eq=False)
class Cursor:
    """
    :ivar next: the number to be asked for next.
    :ivar at: UNIX seconds: upload of the last file that was taken.
    """

    next: int
    at: float
    missing: list[Missing] = attrs.field(factory=list)

    def __str__(self) -> str:
        missing = f" ({len(self.missing)} missing)" if self.missing else ""
        return f"{self.next}{missing}"

    def due(self, now: float) -> Missing | None:
        """
        The number to be asked for again first, if it is time.
        """
        first = min(self.missing, key=lambda missing: missing.due, default=None)
        return first if first is not None and first.due <= now else None

    def text(self) -> str:
        missing = [[m.sequence, m.since, m.until, m.passed_at] for m in self.missing]
        return dumps({"next": self.next, "at": self.at, "missing": missing}).decode()

    @classmethod
    def from_text(cls, text: str) -> "Cursor":
        """
        :raises ValueError: it is none of ours.
        """
        try:
            document = loads(text.encode())
            return cls(
                next=_number(document["next"]),
                at=float(document["at"]),
                missing=[
                    Missing(
                        sequence=_number(sequence),
                        since=float(since),
                        until=None if until is None else float(until),
                        passed_at=float(passed_at),
                    )
                    for sequence, since, until, passed_at in document["missing"]
                ],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{text[:80]!r}: {error!r}") from error


def _number(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r:.40} is no sequence number")
    return value
