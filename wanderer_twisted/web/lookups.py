"""
Look-ups (design.md §2.1): killmails of one id, or of some systems, newest first, as the
store has them now. What it lacks is fetched for the next who asks.
"""

from collections.abc import Iterator, Mapping, Sequence

from twisted.internet.interfaces import IReactorTime

from wanderer_twisted.encoding import dumps
from wanderer_twisted.interfaces import IHistory, IKillmailStore, StoreUnavailable
from wanderer_twisted.partition import Filter, Kind
from wanderer_twisted.tasks import Tasks
from wanderer_twisted.web.answers import (
    answer_json,
    answer_tagged,
    in_envelope,
    tag_of,
)
from wanderer_twisted.web.bodies import read_object
from wanderer_twisted.web.errors import unavailable
from wanderer_twisted.web.given import refuse_query
from wanderer_twisted.web.outstanding import Outstanding
from wanderer_twisted.web.pages import Page, read_page
from wanderer_twisted.web.request import PublicRequest
from wanderer_twisted.web.rooms import answer_preflight, make_app
from wanderer_twisted.web.selection import (
    OF_A_COUNT,
    OF_A_LIST,
    Selection,
    read_id,
    read_posted,
    read_selection,
)

_BASE = "/api/v1/kills"
_CHARACTER = f"{_BASE}/character/<text>"
_SYSTEM = f"{_BASE}/system/<text>"
_CACHED = f"{_BASE}/cached/<text>"
_COUNT = f"{_BASE}/count/<text>"
_SYSTEMS = f"{_BASE}/systems"


class Lookups:
    """
    :param max_days: how far back anybody may look.
    :ivar most_systems: how many one request may name.
    :param most_bytes: of killmails in one answer; it ends before it has more.
    """

    app = make_app()

    def __init__(
        self,
        store: IKillmailStore,
        history: IHistory,
        clock: IReactorTime,
        max_days: int = 90,
        most_systems: int = 100,
        most_bytes: int = 8 << 20,
    ) -> None:
        self._store = store
        self._history = history
        self._clock = clock
        self._max_days = max_days
        self.most_systems = most_systems
        self._most_bytes = most_bytes
        self._fetches = Tasks()
        self._outstanding = Outstanding()

    # --- of one id ------------------------------------------------------------

    @app.route(_CHARACTER, methods=["GET"])
    async def of_character(self, request: PublicRequest, text: str) -> bytes:
        owner = read_id("character_id", text)
        return await self._list(request, "character", owner, f"character/{owner}")

    @app.route(_SYSTEM, methods=["GET"])
    async def of_system(self, request: PublicRequest, text: str) -> bytes:
        owner = read_id("system_id", text)
        return await self._list(request, "system", owner, f"system/{owner}")

    @app.route(_CACHED, methods=["GET"])
    async def of_system_cached(self, request: PublicRequest, text: str) -> bytes:
        """
        What is there of a system; nothing is fetched for it.
        """
        owner = read_id("system_id", text)
        path = f"cached/{owner}"
        return await self._list(request, "system", owner, path, cached=True)

    async def _list(
        self,
        request: PublicRequest,
        kind: Kind,
        owner: int,
        path: str,
        cached: bool = False,
    ) -> bytes:
        now = self._clock.seconds()
        selection = read_selection(request.query, OF_A_LIST, now, self._max_days)
        wanted = Filter.only(kind, owner)
        try:
            complete = await self._look(wanted, selection.since, fetch=not cached)
            async with self._outstanding.place(request):
                page = await read_page(
                    self._store, kind, owner, selection, self._most_bytes
                )
        except StoreUnavailable:
            raise unavailable() from None
        link = selection.link(f"{_BASE}/{path}", page.last) if page.more else None
        state = b'"cached":%b,"complete":%b' % (dumps(cached), dumps(complete))
        # The link is as old as the answer, which is not news; that there is one is.
        tag = tag_of(page.digest, state, dumps(link is not None))
        end = b'],%b,"next":%b' % (state, dumps(link))
        return answer_tagged(request, tag, (b'"kills":[', *page.parts(), end), now)

    @app.route(_COUNT, methods=["GET"])
    async def count(self, request: PublicRequest, text: str) -> bytes:
        """
        How many killmails there are of a system.
        """
        owner = read_id("system_id", text)
        now = self._clock.seconds()
        selection = read_selection(request.query, OF_A_COUNT, now, self._max_days)
        wanted = Filter.only("system", owner)
        try:
            complete = await self._look(wanted, selection.since)
            count = await self._store.count_latest("system", owner, selection.since)
        except StoreUnavailable:
            raise unavailable() from None
        data = {"system_id": owner, "count": count, "complete": complete}
        members = dumps(data)[1:-1]
        return answer_tagged(request, tag_of(members), [members], now)

    async def _look(self, wanted: Filter, since: int, fetch: bool = True) -> bool:
        """
        Whether all is there; what is not, names included, is fetched and not waited
        for.
        """
        report = await self._history.report(wanted, since)
        if fetch:
            self._fetches.start(self._fetch(wanted, since))
        return report.complete

    async def _fetch(self, wanted: Filter, since: int) -> None:
        await self._history.want(wanted, since)

    # --- of some systems ------------------------------------------------------

    @app.route(_SYSTEMS, methods=["POST"])
    async def of_systems(self, request: PublicRequest) -> bytes:
        """
        The newest of each system, within the bytes that one page may have.
        """
        refuse_query(request.query)
        now = self._clock.seconds()
        most = request.visit.most("system_ids", self.most_systems)
        systems, selection = read_posted(
            read_object(request), now, self._max_days, most
        )
        wanted = Filter(system_ids=frozenset(systems))
        try:
            complete = await self._look(wanted, selection.since)
            async with self._outstanding.place(request):
                pages = await self._read_systems(systems, selection)
        except StoreUnavailable:
            raise unavailable() from None
        links = {
            owner: selection.link(f"{_BASE}/system/{owner}", page.last)
            for owner, page in pages.items()
            if page.more
        }
        end = b'},"complete":%b,"next":%b' % (dumps(complete), dumps(links))
        members = (b'"systems_kills":{', *_of_systems(pages), end)
        return answer_json(request, 200, in_envelope(members, now))

    async def _read_systems(
        self, systems: Sequence[int], selection: Selection
    ) -> Mapping[int, Page]:
        pages = {}
        room = self._most_bytes
        for owner in systems:
            page = Page(None)
            if room > 0:
                page = await read_page(self._store, "system", owner, selection, room)
            pages[owner] = page
            room -= page.size
        return pages

    # --- what is not GET ------------------------------------------------------

    @app.route(_CHARACTER, methods=["OPTIONS"])
    @app.route(_SYSTEM, methods=["OPTIONS"])
    @app.route(_CACHED, methods=["OPTIONS"])
    @app.route(_COUNT, methods=["OPTIONS"])
    def options(self, request: PublicRequest, text: str) -> None:
        answer_preflight(request, b"GET, HEAD, OPTIONS")

    @app.route(_SYSTEMS, methods=["OPTIONS"])
    def options_of_systems(self, request: PublicRequest) -> None:
        answer_preflight(request, b"OPTIONS, POST")


def _of_systems(pages: Mapping[int, Page]) -> Iterator[bytes]:
    """
    The inside of a JSON object: a list for each.
    """
    for number, (owner, page) in enumerate(pages.items()):
        yield b'%b"%d":[' % (b"," if number else b"", owner)
        yield from page.parts()
        yield b"]"
