"""
What can be wrong with the days of the simulated archive.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from wanderer_twisted.days import compact, from_compact

_MOST_IDS = 10_000


def _ids(value: Any) -> Any:
    """
    What is no list of ids stays what it is, for the validator to refuse.
    """
    fits = isinstance(value, (list, tuple)) and all(type(each) is int for each in value)
    return frozenset(value) if fits else value


def _check_ids(defects: object, field: "attrs.Attribute[Any]", value: Any) -> None:
    if not isinstance(value, frozenset) or len(value) > _MOST_IDS:
        raise ValueError(f"{field.name!r} must be a list of at most {_MOST_IDS} ids")


def _check_flag(defects: object, field: "attrs.Attribute[Any]", value: Any) -> None:
    if type(value) is not bool:
        raise ValueError(f"{field.name!r} must be true or false")


def _check_total(defects: object, field: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError(f"{field.name!r} must be null, or a whole number, 0 or more")


def _id_field() -> Any:
    return attrs.field(factory=frozenset, converter=_ids, validator=_check_ids)


@attrs.frozen
class Defects:
    """
    What is wrong with one day.

    :ivar unlisted: ids of its own that its list leaves out; their bodies are there.
    :ivar bodiless: ids of its own whose bodies are left out; they are listed.
    :ivar strange: ids of killmails of other days, or too new, whose bodies are there.
    :ivar strange_listed: ids of such killmails that its list names.
    :ivar withheld: whether both of its files are missing.
    :ivar total: what the totals say of it; None: the truth.
    """

    unlisted: frozenset[int] = _id_field()
    bodiless: frozenset[int] = _id_field()
    strange: frozenset[int] = _id_field()
    strange_listed: frozenset[int] = _id_field()
    withheld: bool = attrs.field(default=False, validator=_check_flag)
    total: int | None = attrs.field(default=None, validator=_check_total)

    @property
    def ids(self) -> frozenset[int]:
        return self.unlisted | self.bodiless | self.strange | self.strange_listed

    def as_json(self) -> dict[str, Any]:
        return attrs.asdict(self, value_serializer=_sorted)


def _sorted(owner: object, field: object, value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value


SOUND = Defects()


def read_defects(document: Mapping[str, Any]) -> tuple[int, Defects]:
    """
    :param document: ``day``, as files are named, and what is wrong with it.
    :returns: the :mod:`day <wanderer_twisted.days>`, and that.
    :raises ValueError: a key or a value is wrong.
    """
    known: Sequence[str] = [field.name for field in attrs.fields(Defects)]
    for key in document:
        if key != "day" and key not in known:
            raise ValueError(f"no such key: {key!r}; there are day, {', '.join(known)}")
    try:
        day = from_compact(str(document.get("day")))
    except ValueError as error:
        raise ValueError("'day' must be YYYYMMDD") from error
    return day, Defects(**{key: document[key] for key in document if key != "day"})


class DefectBook:
    """
    The days with defects.
    """

    def __init__(self) -> None:
        self._days: dict[int, Defects] = {}

    def __len__(self) -> int:
        return len(self._days)

    def of(self, day: int) -> Defects:
        return self._days.get(day, SOUND)

    def set(self, day: int, defects: Defects) -> None:
        """
        Replace what is wrong with a day.
        """
        self._days.pop(day, None)
        if defects != SOUND:
            self._days[day] = defects

    def clear(self) -> None:
        self._days.clear()

    def as_json(self) -> dict[str, dict[str, Any]]:
        return {compact(day): self._days[day].as_json() for day in sorted(self._days)}
