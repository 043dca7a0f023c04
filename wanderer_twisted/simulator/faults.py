"""
Faults to be injected into the answers of the simulated services.
"""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

import attrs

from wanderer_twisted.simulator.exchange import Reply, html_reply

Kind = Literal[
    "status",  # answer with this status
    "delay",  # the proper answer, later
    "silence",  # no answer at all
    "reset",  # cut the connection before the answer
    "truncate",  # cut the connection in the middle of the answer
    "cut",  # a whole HTTP message, but its document ends too early
    "bad_gzip",  # the same with a compressed document
    "drip",  # the proper answer, a few bytes at a time
    "html",  # status 200 and a page
    "body",  # status 200 and this body
    "null",  # status 200 and the service's own way to say nothing
    "nan",  # the proper answer, its numbers not numbers
    "huge",  # status 200 and very much of nothing
    "redirect",  # to somewhere else
]

_PAGE = "Just a moment..."
_text = attrs.validators.instance_of(str)


def _optional_count(fault: object, field: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None and (type(value) is not int or value < 1):
        raise ValueError(f"{field.name!r} must be null, or a whole number above 0")


def _seconds(fault: object, field: "attrs.Attribute[Any]", value: Any) -> None:
    if type(value) not in (int, float) or value < 0:
        raise ValueError(f"{field.name!r} must be seconds, 0 or more")


@attrs.define
class Fault:
    """
    :ivar service: ``r2z2``, ``redisq``, ``zkb``, ``esi``, or ``*`` for any.
    :ivar path: pattern of paths behind the service's prefix (``*``, ``?``).
    :ivar count: how many answers it spoils; None: all until it is cleared.
    :ivar delay: seconds before anything else, whatever the kind.
    :ivar size: bytes: of a whole body (``huge``), before the end (``truncate``,
        ``cut``, ``bad_gzip``; half of it where it is None), of a portion (``drip``).
    :ivar interval: seconds between the portions of a ``drip``.
    """

    kind: Kind = attrs.field(validator=attrs.validators.in_(get_args(Kind)))
    service: str = attrs.field(
        default="*",
        validator=attrs.validators.in_(("*", "r2z2", "redisq", "zkb", "esi")),
    )
    path: str = attrs.field(default="*", validator=_text)
    count: int | None = attrs.field(default=1, validator=_optional_count)
    delay: float = attrs.field(default=0.0, validator=_seconds)
    status: int = attrs.field(default=503, validator=attrs.validators.instance_of(int))
    body: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(_text)
    )
    headers: Mapping[str, str] = attrs.field(
        factory=dict,
        validator=attrs.validators.deep_mapping(_text, _text),
    )
    location: str = attrs.field(
        default="http://other.invalid/elsewhere", validator=_text
    )
    size: int | None = attrs.field(default=None, validator=_optional_count)
    interval: float = attrs.field(default=1.0, validator=_seconds)

    def __attrs_post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            raise ValueError("'status' must be from 200 to 599")

    @classmethod
    def from_json(cls, document: object) -> "Fault":
        """
        :raises ValueError: a key or a value is wrong.
        """
        if not isinstance(document, dict):
            raise ValueError("a fault is a JSON object")
        known = [field.name for field in attrs.fields(cls)]
        for key in document:
            if key not in known:
                raise ValueError(f"a fault has no {key!r}; it has {', '.join(known)}")
        try:
            return cls(**document)
        except (TypeError, ValueError) as error:
            raise ValueError(str(error.args[0] if error.args else error)) from error

    def matches(self, service: str, path: str) -> bool:
        return self.service in ("*", service) and fnmatchcase(path, self.path)

    def replacement(self, null: bytes) -> Reply | None:
        """
        The answer instead of the service's own; None where it is to be asked.
        """
        if self.kind == "status":
            if self.body is None:
                return html_reply(self.status, f"Error {self.status}", self.headers)
            return Reply(self.status, self.body.encode(), headers=self.headers)
        if self.kind == "html":
            return html_reply(200, _PAGE, self.headers)
        if self.kind == "body":
            return Reply(200, (self.body or "").encode(), headers=self.headers)
        if self.kind == "null":
            return Reply(200, null, headers=self.headers)
        if self.kind == "huge":
            filling = b"0" * max(0, (self.size or 10 << 20) - 14)
            return Reply(200, b'{"padding":"%b"}' % filling, headers=self.headers)
        if self.kind == "redirect":
            return Reply(302, b"", headers={**self.headers, "Location": self.location})
        return None

    def spoil(self, reply: Reply) -> Reply:
        """
        Do to the service's own answer what can be done to its body.
        """
        if self.kind == "nan":
            body = re.sub(rb'(?<=":)-?[0-9][0-9.eE+-]*', b"NaN", reply.body)
            return attrs.evolve(reply, body=body)
        if self.kind == "cut":
            return attrs.evolve(reply, body=reply.body[: self.cut_at(reply.body)])
        return reply

    def cut_at(self, body: bytes) -> int:
        return len(body) // 2 if self.size is None else self.size


class FaultBook:
    """
    The faults in force: of several that fit, the oldest comes first.
    """

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def __len__(self) -> int:
        return len(self._faults)

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def take(self, service: str, path: str) -> Fault | None:
        """
        The fault for this request; it has been counted.
        """
        for fault in self._faults:
            if fault.matches(service, path):
                if fault.count == 1:
                    self._faults.remove(fault)
                elif fault.count is not None:
                    fault.count -= 1
                return fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        return [attrs.asdict(fault) for fault in self._faults]
