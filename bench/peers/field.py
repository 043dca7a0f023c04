"""
Who takes part, and at what scale.
"""

import math
from collections.abc import Collection, Sequence
from functools import cached_property

import attrs

from bench.peers import piped
from bench.peers.contender import Contender
from bench.peers.load import COMPRESSED_KILLMAIL, GZIP, KILLMAIL, PLAIN, Load
from bench.peers.nchan import nchan
from bench.peers.ours import Ours
from bench.peers.results import NCHAN, OURS
from bench.peers.work import Ids, Maker, Work
from bench.server import Workshop
from wanderer_twisted import __version__

#: This server once more, where each killmail is stored when it is published.
STORING = f"{OURS}, storing"

#: And once more, where each write goes through Twisted's buffer, as ``request.write``
#: does it.
BUFFERED = f"{OURS}, buffered"

#: Streams of nchan at its best, of one channel, and of as many as it can do with.
ONE_CHANNEL = f"{NCHAN}, 1 channel"
_CHANNELS = 10

#: There are 28,000 ports for connections that go out from one address.
_STREAMS_OF_A_SOURCE = 20_000


@attrs.frozen
class Scale:
    """
    How much is done.

    :ivar streams: at most, where the contenders are compared.
    :ivar rounds: of which medians are told, at least.
    :ivar passes: in so many parts, where contenders are compared: each has its turn in
        each of them, since the machine is not the same from minute to minute.
    :ivar publications: to all streams, a round.
    :ivar events: to few streams, a round.
    :ivar history: killmails of a history, :ivar histories: and how many at once.
    :ivar beats: seconds of heartbeats, a round.
    """

    streams: int = 10_000
    rounds: int = 5
    passes: int = 5
    publications: int = 5
    events: int = 400
    history: int = 5_000
    histories: int = 100
    beats: float = 4.0

    @property
    def sizes(self) -> Sequence[int]:
        return self.streams // 10, self.streams // 2, self.streams

    @property
    def rounds_of_a_pass(self) -> int:
        return math.ceil(self.rounds / self.passes)


#: For a short look.
QUICK = Scale(
    streams=1_000,
    rounds=3,
    passes=1,
    publications=2,
    events=100,
    history=500,
    histories=20,
    beats=2.0,
)


@attrs.define(slots=False)
class Field:
    """
    :ivar contenders: who takes part.
    :ivar most_streams: that a process can have open here.
    """

    shop: Workshop
    scale: Scale
    contenders: Sequence[Contender]
    most_streams: int

    @cached_property
    def _maker(self) -> Maker:
        return Maker(self.shop.killmails)

    def work(self, events: Sequence[Ids] = ()) -> Work:
        return Work(list(self._maker.make(events)), self.shop.folder / "events")

    def load(
        self,
        contender: Contender,
        port: int,
        follows: Sequence[Ids],
        gzip: bool = False,
        killmails: bool = True,
    ) -> Load:
        """
        The load client.

        :param follows: the ids of each stream.
        :param killmails: count these alone, no other event.
        """
        least = (COMPRESSED_KILLMAIL if gzip else KILLMAIL) if killmails else 0
        return Load(
            port,
            contender.template(gzip),
            [contender.query(ids) for ids in follows],
            self.shop.folder,
            GZIP if gzip else PLAIN,
            least,
            sources=1 + len(follows) // _STREAMS_OF_A_SOURCE,
        )

    def in_turn(self, contenders: Sequence[Contender]) -> Sequence[Contender]:
        """
        Each once in every pass.
        """
        return [*contenders] * self.scale.passes

    @property
    def comparable(self) -> Sequence[Contender]:
        """
        Each once.
        """
        variants = STORING, BUFFERED, ONE_CHANNEL
        return [each for each in self.contenders if each.name not in variants]

    @property
    def ours(self) -> Ours | None:
        return next((each for each in self.comparable if isinstance(each, Ours)), None)


def all_contenders(shop: Workshop) -> Sequence[Contender]:
    return (
        piped.floor(),
        nchan(NCHAN, _CHANNELS),
        nchan(ONE_CHANNEL, 1),
        piped.node(),
        piped.aiohttp(),
        piped.starlette(),
        Ours(name=OURS, version=__version__, package="", gzips=True, shop=shop),
        Ours(name=STORING, version=__version__, package="", shop=shop, store=True),
        Ours(name=BUFFERED, version=__version__, package="", shop=shop, buffered=True),
    )


def installed(
    contenders: Sequence[Contender], only: Collection[str]
) -> Sequence[Contender]:
    """
    Those that are here, and wanted; who is not here is told.
    """
    found = []
    for each in contenders:
        if only and each.name not in only:
            continue
        if each.version is None:
            print(f"{each.name} is left out: not installed ({each.package})")
        else:
            found.append(each)
    return found
