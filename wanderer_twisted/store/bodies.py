"""
Bodies as they lie in the database: each compressed by itself, with a dictionary that
knows what killmails have in common.
"""

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
        except zstandard.ZstdError as error:
            raise StoreUnavailable(f"a stored body is damaged: {error}") from error
        except KeyError as error:
            message = f"a stored body wants an unknown dictionary: {error}"
            raise StoreUnavailable(message) from error


def dictionary_id(dictionary: bytes) -> int:
    """
    The number by which compressed bodies name their dictionary.
    """
    return zstandard.ZstdCompressionDict(dictionary).dict_id()
