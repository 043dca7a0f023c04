"""
What can be set, with its defaults. etc/wanderer.yaml explains every key.
"""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from wanderer_twisted.config.formats import (
    Contact,
    Database,
    Date,
    Endpoint,
    LocalEndpoint,
    LogLevel,
    Network,
    OptionalEndpoint,
    Origin,
    QueueId,
    Url,
)


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    A mapping whose keys are all known.
    """


class _Upstream(Section, frozen=True):
    """
    A service to whose URL paths are appended, hence no slash at its end.
    """

    url: Url

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "url", self.url.rstrip("/"))


class R2z2Feed(_Upstream, frozen=True, tag="r2z2", tag_field="kind"):
    """
    zKillboard's sequence of files (contracts.md §2).
    """

    kind: ClassVar[str] = "r2z2"
    url: Url = "https://r2z2.zkillboard.com"


class RedisqFeed(Section, frozen=True, tag="redisq", tag_field="kind"):
    """
    A server that speaks RedisQ (contracts.md §1).

    :ivar url: of the listening resource itself.
    :ivar ttw: seconds that the server may hold a poll.
    """

    kind: ClassVar[str] = "redisq"
    url: Url
    queue_id: QueueId
    ttw: Annotated[int, Meta(ge=1, le=10)] = 10


class Zkillboard(_Upstream, frozen=True):
    """
    zKillboard's API (contracts.md §3).
    """

    url: Url = "https://zkillboard.com/api"
    requests_per_second: Annotated[float, Meta(ge=0.01, le=100)] = 1.0


class Archive(_Upstream, frozen=True):
    """
    Files of all killmails, day by day (contracts.md §2.3).

    :ivar backfill_days: how many days back the server holds all killmails; 0 for none
        but those that a hole in the feed calls for. At most as many as a history
        reaches back.
    """

    url: Url = "https://r2z2.zkillboard.com/history"
    backfill_days: Annotated[int, Meta(ge=0, le=90)] = 0


class Esi(_Upstream, frozen=True):
    """
    EVE's own API (contracts.md §4).
    """

    url: Url = "https://esi.evetech.net"
    compatibility_date: Date = "2026-08-18"


class Names(Section, frozen=True):
    """
    :ivar deadline_seconds: from a killmail's arrival; then it goes out without names.
    """

    enabled: bool = True
    deadline_seconds: Annotated[float, Meta(ge=0, le=60)] = 2.0


class History(Section, frozen=True):
    """
    :ivar batch_size: killmails; clients are promised 50 at most (design.md §2.3).
    :ivar pacing_budget_seconds: all pauses between the batches of one history.
    :ivar deadline_seconds: from a request's turn; then what is there is sent.
    :ivar values_deadline_seconds: the same, where only values are lacking that the
        stream does not filter by.
    """

    max_days: Annotated[int, Meta(ge=1, le=90)] = 90
    batch_size: Annotated[int, Meta(ge=1, le=50)] = 50
    batch_pause_ms: Annotated[int, Meta(ge=0, le=60_000)] = 100
    pacing_budget_seconds: Annotated[float, Meta(ge=0, le=600)] = 5.0
    deadline_seconds: Annotated[float, Meta(ge=1, le=600)] = 30.0
    values_deadline_seconds: Annotated[float, Meta(ge=0, le=600)] = 1.0


class Stream(Section, frozen=True):
    """
    :ivar heartbeat_seconds: where the client does not ask for another interval.
    :ivar retry_ms: what clients are told to wait before they reconnect.
    """

    heartbeat_seconds: Annotated[float, Meta(ge=2, le=60)] = 30.0
    retry_ms: Annotated[int, Meta(ge=1000, le=600_000)] = 3000


class Limits(Section, frozen=True):
    """
    :ivar character_ids: distinct ones, per stream; a request's head holds some 1,180.
    :ivar post_ids: of all kinds together, where they come in a request's body.
    """

    connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    connections_per_address: Annotated[int, Meta(ge=1, le=1_000_000)] = 100
    accept_per_second: Annotated[int, Meta(ge=1, le=1_000_000)] = 5000
    character_ids: Annotated[int, Meta(ge=1, le=1000)] = 100
    corporation_ids: Annotated[int, Meta(ge=1, le=1000)] = 100
    alliance_ids: Annotated[int, Meta(ge=1, le=1000)] = 100
    system_ids: Annotated[int, Meta(ge=1, le=1000)] = 100
    post_ids: Annotated[int, Meta(ge=1, le=10_000)] = 10_000
    histories_at_once: Annotated[int, Meta(ge=1, le=10_000)] = 100


class Retention(Section, frozen=True):
    """
    :ivar days: at least a week more than a history reaches back.
    """

    days: Annotated[int, Meta(ge=8, le=36_500)] = 100


class Cors(Section, frozen=True):
    """
    Whose pages may read streams in a browser.
    """

    origins: tuple[Origin, ...] = ("*",)


class Features(Section, frozen=True):
    """
    :ivar character_preload: whether ``preload_days`` and ``since`` are served.
    """

    character_preload: bool = True


class Manhole(Section, frozen=True):
    """
    A Python prompt inside the running server, in clear text.

    :ivar passwd: a file of ``user:password`` lines that nobody else may read.
    """

    listen: LocalEndpoint = ""
    passwd: str = ""


class Auth(Section, frozen=True):
    """
    :ivar tokens_file: who may ask; empty for everybody.
    """

    tokens_file: str = ""


class Settings(Section, frozen=True):
    """
    All settings. Their attributes are the keys of the file.
    """

    listen: Annotated[tuple[Endpoint, ...], Meta(min_length=1)] = (
        "tcp:4004:interface=127.0.0.1",
    )
    admin_listen: OptionalEndpoint = "tcp:4005:interface=127.0.0.1"
    database: Database = "sqlite:wanderer.db"
    contact: Contact = ""
    feeds: Annotated[tuple[R2z2Feed | RedisqFeed, ...], Meta(min_length=1)] = (
        R2z2Feed(),
    )
    zkillboard: Zkillboard = Zkillboard()
    archive: Archive = Archive()
    esi: Esi = Esi()
    names: Names = Names()
    history: History = History()
    stream: Stream = Stream()
    limits: Limits = Limits()
    retention: Retention = Retention()
    trusted_proxies: tuple[Network, ...] = ("127.0.0.0/8", "::1")
    cors: Cors = Cors()
    features: Features = Features()
    auth: Auth = Auth()
    manhole: Manhole = Manhole()
    log_level: LogLevel = "info"

    @property
    def database_path(self) -> str:
        return self.database.removeprefix("sqlite:")
