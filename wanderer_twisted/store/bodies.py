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

#: Bytes of a body at most that is unpacked together with others: what a damaged frame
#: says that it holds may be anything, and the library relies on it.
_MOST_TOGETHER: Final = 8 << 20


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
            dictionary = zstandard.get_frame_parameters(data).dict_id
            return self._decompressors[dictionary].decompress(data)
        except (zstandard.ZstdError, MemoryError) as error:
            raise StoreUnavailable(f"a stored body is damaged: {error!r}") from error
        except KeyError as error:
            message = f"a stored body wants an unknown dictionary: {error}"
            raise StoreUnavailable(message) from error


def _common_dictionary(parts: Sequence[bytes]) -> int | None:
    """
    That of some frames which may be unpacked together. (Of one that is empty zstandard
    0.25 frees the memory twice.)
    """
    try:
        frames = [zstandard.get_frame_parameters(each) for each in parts]
    except zstandard.ZstdError:
        return None
    sizes = [each.content_size for each in frames]
    if min(sizes) == 0 or max(sizes) > _MOST_TOGETHER:
        return None
    dictionaries = {each.dict_id for each in frames}
    return dictionaries.pop() if len(dictionaries) == 1 else None


def dictionary_id(dictionary: bytes) -> int:
    """
    The number by which compressed bodies name their dictionary.
    """
    return zstandard.ZstdCompressionDict(dictionary).dict_id()
