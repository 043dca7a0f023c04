"""
The parameters of a stream request: what was given, to a :class:`Wish` or a 400.

The rules are design.md §2.2's; the messages are WandererKills' own where it has one
(lessons.md §4.1), so that what its clients know stays true.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import attrs

from wanderer_twisted.days import DAY
from wanderer_twisted.killmail import MAX_ID
from wanderer_twisted.partition import Filter, Ids
from wanderer_twisted.stream.opening import Wish
from wanderer_twisted.web.errors import invalid
from wanderer_twisted.web.given import (
    CURSORS,
    IDS,
    PARAMETERS,
    Given,
    from_document,
    from_query,
)
from wanderer_twisted.web.moments import AHEAD, read_moment
from wanderer_twisted.web.values import integer, number, quoted, shown

_LONGEST_CURSOR = 256  # four times a true one; longer ones are wrong without the rest
_ANY_IDS = f"{', '.join(IDS[:-1])} or {IDS[-1]}"


@attrs.frozen
class Asked:
    """
    What a request is for.

    :ivar dry_run: not the stream, but what would be in it.
    :ivar compress: False where the client will have no compression.
    """

    wish: Wish
    dry_run: bool = False
    compress: bool = True


@attrs.frozen
class Rules:
    """
    The limits that the operator sets.

    :ivar character_ids: how many of them one query may name; so for the other kinds.
    :ivar post_ids: how many ids of all kinds together one body may name.
    :ivar max_days: a longer look back is cut to this.
    :ivar character_preload: whether a stream may look back at all.
    :ivar heartbeat: seconds, where the client does not say.
    """

    character_ids: int = 100
    system_ids: int = 100
    max_days: int = 90
    character_preload: bool = True
    heartbeat: float = 30.0
    corporation_ids: int = 100
    alliance_ids: int = 100
    post_ids: int = 10_000

    def read(
        self, query: bytes, now: float, last_event_id: bytes | None = None
    ) -> Asked:
        """
        :param query: as it came, without the ``?``.
        :param now: UNIX seconds.
        :param last_event_id: the header of that name; wins over the query.
        :raises ApiError: 400, saying which parameter is wrong and how.
        """
        given = from_query(query)
        ids = _ids(given)
        for name, some in ids.items():
            most: int = getattr(self, name)
            if len(some) > most:
                raise invalid(f"Too many {name} specified (max {most})")
        return self._read(given, ids, now, last_event_id)

    def read_posted(
        self,
        document: Mapping[str, Any],
        now: float,
        last_event_id: bytes | None = None,
    ) -> Asked:
        """
        :param document: the JSON object in the request's body.

        The rest as of :meth:`read`.
        """
        given = from_document(document)
        ids = _ids(given)
        if sum(map(len, ids.values())) > self.post_ids:
            raise invalid(f"Too many ids specified (max {self.post_ids})")
        return self._read(given, ids, now, last_event_id)

    def _read(
        self,
        given: Given,
        ids: Mapping[str, Ids],
        now: float,
        last_event_id: bytes | None,
    ) -> Asked:
        texts = given.texts
        wanted = Filter(min_value=_min_value(texts), **ids)
        days = self._preload_days(texts, wanted)
        since = self._since(texts, wanted, now)
        if days and since is not None:
            raise invalid("Give preload_days or since, not both")
        wish = Wish(
            filter=wanted,
            preload_days=days,
            since=since,
            cursor=_cursor(texts, last_event_id),
            with_items=_is_on(texts, "items"),
            heartbeat=self._heartbeat(texts),
        )
        return Asked(
            wish,
            dry_run=_is_on(texts, "dry_run"),
            compress=not _is_on(texts, "compress"),
        )

    def _preload_days(self, texts: Mapping[str, str], wanted: Filter) -> int:
        text = texts.get("preload_days")
        if not text:
            return 0
        days = integer(text)
        if days is None:
            raise invalid(
                f"Invalid preload_days: {quoted(text)} is not a valid integer"
            )
        if days < 0:
            raise invalid("preload_days must be non-negative")
        if days == 0:
            return 0
        self._check_preload("preload_days", wanted)
        return min(days, self.max_days)

    def _since(
        self, texts: Mapping[str, str], wanted: Filter, now: float
    ) -> int | None:
        text = texts.get("since")
        if not text:
            return None
        moment = read_moment(text, now)
        if moment is None:
            raise invalid(
                f"Invalid since: {quoted(text)} is neither a time (ISO 8601 or UNIX"
                " seconds) nor a duration such as 36h"
            )
        if moment > now + AHEAD:
            raise invalid(f"since must not be in the future, got {quoted(text)}")
        self._check_preload("since", wanted)
        return max(min(moment, int(now)), int(now) - self.max_days * DAY)

    def _check_preload(self, name: str, wanted: Filter) -> None:
        if not self.character_preload:
            raise invalid(f"{name} is disabled here")
        if not wanted.names_somebody:
            raise invalid(f"{name} needs {_ANY_IDS}")

    def _heartbeat(self, texts: Mapping[str, str]) -> float:
        text = texts.get("heartbeat")
        if not text:
            return self.heartbeat
        seconds = number("heartbeat", text)
        least, most = PARAMETERS["heartbeat"].least, PARAMETERS["heartbeat"].most
        if not least <= seconds <= most:
            raise invalid(
                f"heartbeat must be between {least:g} and {most:g} seconds,"
                f" got {seconds}"
            )
        return seconds


def _ids(given: Given) -> dict[str, Ids]:
    return {name: _checked(name, given.lists.get(name, ())) for name in IDS}


def _checked(name: str, parts: Sequence[object]) -> Ids:
    if not parts:
        return ()
    if set(map(type, parts)) == {int}:  # most of them, at a fraction of the time
        some = frozenset(cast(Sequence[int], parts))
        if min(some) >= 1 and max(some) <= MAX_ID:
            return some
    ids = set()
    for part in parts:
        # A JSON true is an int too, and 1.0 is equal to one.
        id = part if type(part) is int else None
        if isinstance(part, str):
            part = part.strip(" \t\r\n")
            if not part:
                continue
            id = integer(part)
        if id is None or not 1 <= id <= MAX_ID:
            bounds = "" if id is None else f" (1 to {MAX_ID})"
            raise invalid(
                f"Invalid {name}: {quoted(shown(part))} is not a valid integer{bounds}"
            )
        ids.add(id)
    return frozenset(ids)


def _min_value(texts: Mapping[str, str]) -> float | None:
    text = texts.get("min_value")
    if not text:
        return None
    value = number("min_value", text)
    if value < 0:
        raise invalid(f"min_value must be non-negative, got {value}")
    return value + 0.0  # -0.0 is 0.0


def _is_on(texts: Mapping[str, str], name: str) -> bool:
    """
    Whether a switch is given, which has one value alone.
    """
    text, allowed = texts.get(name), PARAMETERS[name].value
    if not text:
        return False
    if text != allowed:
        raise invalid(f"Invalid {name}: {quoted(text)} is not '{allowed}'")
    return True


def _cursor(texts: Mapping[str, str], header: bytes | None) -> str | None:
    """
    The header wins: the URL of a reconnect may hold an older one (lessons.md §2.1).
    """
    candidates = [texts.get(name) for name in CURSORS]
    if header:
        candidates.insert(0, header.decode("utf-8", "replace"))
    cursor = next(filter(None, candidates), None)
    return cursor and cursor[:_LONGEST_CURSOR]
