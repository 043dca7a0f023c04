"""
Answers that are told whole, and again only where there is news.
"""

from collections.abc import Iterable
from hashlib import blake2b

from wanderer_twisted.encoding import timestamp
from wanderer_twisted.web.request import PublicRequest


def answer_json(request: PublicRequest, status: int, body: bytes) -> bytes:
    """
    :param body: a document; nobody may keep it.
    """
    return answer(request, status, b"application/json", body)


def answer(request: PublicRequest, status: int, type: bytes, body: bytes) -> bytes:
    """
    :param type: the media type.
    """
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", type)
    request.setHeader(b"Cache-Control", b"no-store")
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return body


def answer_tagged(
    request: PublicRequest, tag: bytes, members: Iterable[bytes], now: float
) -> bytes:
    """
    Answer with the members of ``data``, or with a 304 where the client has them.

    :param tag: by :func:`tag_of`.
    :param members: their JSON in parts, without braces around it.
    :param now: UNIX seconds; its timestamp is not news.
    """
    request.setHeader(b"Access-Control-Expose-Headers", b"ETag")
    if is_known(request, tag):
        return b""
    body = answer_json(request, 200, in_envelope(members, now))
    request.setHeader(b"Cache-Control", _asked_each_time(request))
    return body


def is_known(request: PublicRequest, tag: bytes) -> bool:
    """
    Whether the client has the answer with this tag. If so it is a 304, without a body.
    """
    request.setHeader(b"ETag", tag)
    if not _names(request.requestHeaders.getRawHeaders(b"If-None-Match", []), tag):
        return False
    request.setHeader(b"Cache-Control", _asked_each_time(request))
    request.setResponseCode(304)
    return True


def _asked_each_time(request: PublicRequest) -> bytes:
    """
    Kept, but asked for each time; what needs a token, by that client alone.
    """
    return b"no-cache" if request.visit.holder is None else b"private, no-cache"


def tag_of(*news: bytes) -> bytes:
    """
    :param news: all of an answer that is news where it differs, or digests of it.
    """
    digest = blake2b(digest_size=12)
    for each in news:
        digest.update(each)
    # Weak: of two answers with the same news the timestamps differ.
    return b'W/"%b"' % digest.hexdigest().encode()


def in_envelope(members: Iterable[bytes], now: float) -> bytes:
    """
    :param members: of ``data``, their JSON in parts: of large ones there is one copy.
    """
    moment = timestamp(now).encode()
    end = b',"timestamp":"%b"},"timestamp":"%b"}' % (moment, moment)
    return b"".join((b'{"data":{', *members, end))


def _names(headers: Iterable[bytes], tag: bytes) -> bool:
    """
    Whether a list of tags has this one, as weak or as a strong one. It has no comma
    inside, so splitting others at theirs does no harm.
    """
    for each in b",".join(headers).split(b","):
        text = each.strip()
        if text == b"*" or text.removeprefix(b"W/") == tag.removeprefix(b"W/"):
            return True
    return False
