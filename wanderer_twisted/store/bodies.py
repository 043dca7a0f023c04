"""
Bodies as they lie in the database: each compressed by itself, with a dictionary that
knows what killmails have in common.
"""

from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Final

import zstandard

from wanderer_twisted.interfaces import StoreUnavailable

#: Above 3 it takes several times as long and saves a few per cent.
_LEVEL: Final = 3


def shipped_dictionary() -> bytes:
    """
    The dictionary that comes with the package (bench/train_dictionary.py makes it).
    """
    return (files(__package__) / "bodies.zdict").read_bytes()


def bare_dictionary() -> bytes:
    """
    The same for bodies that come from the archive, without names and zKillboard's
    block: a twelfth smaller by it.
    """
    return (files(__package__) / "bare.zdict").read_bytes()


class Codec:
    """
    Compresses bodies by one dictionary and knows the older ones of its database.
    Belongs to one connection: it is not safe for threads.
    """

    def __init__(self, newest: bytes, *older: bytes) -> None:
        dictionary = zstandard.ZstdCompressionDict(newest)
        dictionary.precompute_compress(level=_LEVEL)
        self._compressor = zstandard.ZstdCompressor(_LEVEL, dict_data=dictionary)
        self._decompressors = {
            each.dict_id(): zstandard.ZstdDecompressor(dict_data=each)
            for each in map(zstandard.ZstdCompressionDict, (*older, newest))
        }

    def compress(self, body: bytes) -> bytes:
        """
        :param body: may be empty.
        """
        return self._compressor.compress(body) if body else b""

    def decompress_all(self, parts: Sequence[bytes]) -> list[bytes]:
        """
        The same as :meth:`decompress` of each. That gives the interpreter's lock away,
        and another thread takes it: so once for all where they are alike.
        """
        if not any(parts):
            return list(parts)
        dictionary = _common_dictionary(parts)
        if dictionary in self._decompressors:
            unpack = self._decompressors[dictionary].multi_decompress_to_buffer
            with suppress(zstandard.ZstdError):  # one is damaged: it is told below
                bodies = unpack(list(parts), threads=1)
                return [bodies[place].tobytes() for place in range(len(parts))]
        return [self.decompress(each) for each in parts]

    def decompress(self, data: bytes) -> bytes:
        """
        The opposite of :meth:`compress`.

        :raises StoreUnavailable: it is damaged, or of another version.
        """
        if not data:
            return b""
        try:
            return self._decompressors[_header(data).dict_id].decompress(data)
        except zstandard.ZstdError as error:
            raise StoreUnavailable(f"a stored body is damaged: {error}") from error
        except KeyError as error:
            message = f"a stored body wants an unknown dictionary: {error}"
            raise StoreUnavailable(message) from error


def _common_dictionary(parts: Sequence[bytes]) -> int | None:
    """
    That of some frames which may be unpacked together. (Of one that is empty zstandard
    0.25 frees the memory twice.)
    """
    try:
        frames = [_header(each) for each in parts]
    except zstandard.ZstdError:
        return None
    dictionaries = {each.dict_id for each in frames}
    if len(dictionaries) > 1 or not all(each.content_size for each in frames):
        return None
    return dictionaries.pop()


def _header(data: bytes) -> zstandard.FrameParameters:
    """
    What a frame says of itself. Memory is taken for what it says that it holds, and
    zstandard 0.25 writes behind that where it is a lie of 2^64.

    :raises zstandard.ZstdError: it is none, or says that it holds more than it can: a
        block holds 128 KiB, and takes 4 bytes at least (RFC 8878, 3.1.1.2).
    """
    frame = zstandard.get_frame_parameters(data)
    if frame.content_size > len(data) << 15:
        raise zstandard.ZstdError(f"{len(data)} bytes cannot hold {frame.content_size}")
    return frame


def dictionary_id(dictionary: bytes) -> int:
    """
    The number by which compressed bodies name their dictionary.
    """
    return zstandard.ZstdCompressionDict(dictionary).dict_id()
