"""
Whether a stream may be compressed.
"""

from collections.abc import Iterable

#: Programs that ask for compression and cannot read it as it comes: sseclient 0.0.27
#: gets nothing at all, and goes by the name of its HTTP library (lessons.md §2.2).
_BROKEN = ("python-requests/",)


def wants_gzip(accepted: Iterable[bytes], agent: str) -> bool:
    """
    :param accepted: the values of ``Accept-Encoding``.
    :param agent: the value of ``User-Agent``.
    """
    if agent.startswith(_BROKEN):
        return False
    weights = dict(map(_weight, b",".join(accepted).lower().split(b",")))
    return weights.get(b"gzip", weights.get(b"*", 0.0)) > 0


def _weight(each: bytes) -> tuple[bytes, float]:
    """
    One coding and how much it is wanted; one that cannot be read is not.
    """
    coding, _, parameters = each.partition(b";")
    name, _, value = parameters.strip().partition(b"=")
    if not name:
        return coding.strip(), 1.0
    try:
        return coding.strip(), float(value) if name.strip() == b"q" else 0.0
    except ValueError:
        return coding.strip(), 0.0
