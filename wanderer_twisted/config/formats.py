"""
The texts that stand for something: endpoints, URLs, networks.

Each format is a type with its check, which raises :exc:`ValueError`, and the words that
tell an operator what is allowed.
"""

import ipaddress
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta
from twisted.internet.endpoints import serverFromString

LOG_LEVELS = ("debug", "info", "warn", "error")

_INTERFACE = re.compile(r":interface=((?:\\:|[^:])*)")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_PORT = re.compile(r"(?:\b(?:tcp6?|ssl)|\bport=):?(-?[0-9]+)")


def _format(
    check: Callable[[str], object], allowed: str, is_secret: bool = False
) -> Meta:
    """
    :param is_secret: no message may show what was found.
    """
    extra = {"check": check, "is_secret": is_secret}
    return Meta(description=allowed, extra=extra)


def check_endpoint(text: str) -> None:
    """
    :raises ValueError: it is no endpoint to listen on; the message is one line.
    """
    try:
        serverFromString(None, text)  # only listening needs a reactor
    except (KeyError, IndexError):
        raise ValueError("systemd passed no such socket") from None
    except TypeError:
        raise ValueError("arguments are missing or unknown") from None
    except OSError as error:
        raise ValueError(f"{error.strerror}: {error.filename}") from None
    except ValueError:
        raise
    except Exception as error:  # whatever a certificate or a plugin comes up with
        raise ValueError(f"{type(error).__name__}: {error}") from None
    if any(not 0 <= int(port) <= 65535 for port in _PORT.findall(text)):
        raise ValueError("a port is at most 65535")


def _optional_endpoint(text: str) -> None:
    if text:
        check_endpoint(text)


def _local_endpoint(text: str) -> None:
    """
    For what goes over the wire in clear text.
    """
    if not text:
        return
    check_endpoint(text)
    interface = _INTERFACE.search(text)
    host = interface[1].replace("\\:", ":") if interface else ""
    is_tcp = text.startswith(("tcp:", "tcp6:"))
    if not (text.startswith("unix:") or (is_tcp and _is_loopback(host))):
        raise ValueError("others could connect to it")


def _database(text: str) -> None:
    scheme, _, path = text.partition(":")
    if scheme != "sqlite":
        raise ValueError("only SQLite is supported")
    if not path or path.startswith(("//", ":")) or not path.isprintable():
        raise ValueError("not the path of a file")


def _url(text: str) -> None:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("blank or not ASCII")
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("not an HTTP URL")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("plain http leaves this machine")
    if parts.port == 0:
        raise ValueError("port 0")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("a user, a query or a fragment has no place here")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _origin(text: str) -> None:
    if text != "*" and not re.fullmatch(r"https?://[a-z0-9.\-\[\]:]+", text):
        raise ValueError("not what a browser sends as Origin")


def _network(text: str) -> None:
    ipaddress.ip_network(text)


def _date(text: str) -> None:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("not YYYY-MM-DD")
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)  # clocks differ
    if date.fromisoformat(text) > tomorrow:
        raise ValueError("in the future")


def _contact(text: str) -> None:
    if not re.fullmatch(r"[ -~]{0,200}", text):
        raise ValueError("it goes into a header")


def read_expiry(text: str) -> float | None:
    """
    :returns: UNIX seconds; None for never.
    :raises ValueError: it is no moment.
    """
    if not text:
        return None
    if not _MOMENT.fullmatch(text):
        raise ValueError("neither YYYY-MM-DD nor a time")
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _token_name(text: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise ValueError("it goes into logs")


def _sha256(text: str) -> None:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ValueError("not a digest")


def _log_level(text: str) -> None:
    if text not in LOG_LEVELS:
        raise ValueError("no such level")


def _queue_id(text: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text):
        raise ValueError("it goes into a URL")


Endpoint = Annotated[
    str, _format(check_endpoint, "a Twisted endpoint, as tcp:4004:interface=127.0.0.1")
]
OptionalEndpoint = Annotated[
    str,
    _format(
        _optional_endpoint,
        "a Twisted endpoint, as tcp:4005:interface=127.0.0.1, or nothing",
    ),
]
LocalEndpoint = Annotated[
    str,
    _format(
        _local_endpoint,
        "tcp:PORT:interface=127.0.0.1, unix:PATH:mode=600, or nothing",
    ),
]
Database = Annotated[str, _format(_database, "sqlite:PATH, as sqlite:wanderer.db")]
Url = Annotated[str, _format(_url, "an https:// URL, or http:// on loopback")]
Origin = Annotated[str, _format(_origin, '"*" or an origin, as https://example.org')]
Network = Annotated[str, _format(_network, "a network, as 10.0.0.0/8 or ::1")]
Date = Annotated[str, _format(_date, "a date, as 2026-08-18")]
Contact = Annotated[str, _format(_contact, "up to 200 printable ASCII characters")]
LogLevel = Annotated[str, _format(_log_level, " or ".join(LOG_LEVELS))]
QueueId = Annotated[str, _format(_queue_id, "1 to 100 of A-Z a-z 0-9 . _ -")]
TokenName = Annotated[str, _format(_token_name, "1 to 64 of A-Z a-z 0-9 . _ -")]
Sha256 = Annotated[
    str,
    # Whoever mixes things up has the token itself there.
    _format(_sha256, "64 hexadecimal digits, of sha256sum", is_secret=True),
]
Expiry = Annotated[
    str, _format(read_expiry, "a date or a time in UTC, as 2027-01-01 or nothing")
]
