"""
What all live feeds have in common: how a feed is, told from what it did.
"""

from collections.abc import Awaitable, Callable

import attrs
from twisted.internet.interfaces import IReactorTime

from wanderer_twisted.interfaces import UpstreamError
from wanderer_twisted.records import FeedPage, FeedState, FeedStatus
from wanderer_twisted.sources.pacing import Backoff

#: Seconds without a proper answer, after which a feed is failing.
FAILING_AFTER = 120.0

#: Seconds without a killmail, after which it is quiet, and silent: of ten thousands of
#: killmails a day the longest pause, the daily downtime, is some minutes.
QUIET_AFTER = 120.0
SILENT_AFTER = 900.0


@attrs.define
class Health:
    """
    What a feed lived through.

    :ivar behind: it is still fetching what was published before.
    :ivar last_contact: UNIX seconds of the last proper answer; None before it.
    """

    name: str
    _clock: IReactorTime
    behind: bool = False
    last_contact: float | None = None
    _begun: float = attrs.field(init=False)
    _first_contact: float | None = None
    _last_killmail: float | None = None
    _reason: str = ""

    def __attrs_post_init__(self) -> None:
        self._begun = self._clock.seconds()

    def answered(self) -> None:
        """
        The upstream gave a proper answer, if only that there is nothing yet.
        """
        self.last_contact = self._clock.seconds()
        if self._first_contact is None:
            self._first_contact = self.last_contact
        self._reason = ""

    def took(self) -> None:
        """
        A killmail came.
        """
        self._last_killmail = self._clock.seconds()

    def failed(self, reason: str) -> None:
        """
        An attempt failed.
        """
        self._reason = reason

    def status(self, position: str) -> FeedStatus:
        """
        :param position: the feed's own, for people to read.
        """
        return FeedStatus(
            name=self.name,
            state=self._state(),
            position=position,
            last_killmail=self._last_killmail,
            last_contact=self.last_contact,
            reason=self._reason,
        )

    def _state(self) -> FeedState:
        now = self._clock.seconds()
        if now - (self.last_contact or self._begun) >= FAILING_AFTER:
            return "failing"
        if self._first_contact is None:
            return "starting"
        if self.behind:
            return "catching_up"
        without = now - (self._last_killmail or self._first_contact)
        if without >= SILENT_AFTER:
            return "silent"
        return "quiet" if without >= QUIET_AFTER else "live"


async def attempt(
    poll: Callable[[], Awaitable[FeedPage]], health: Health, backoff: Backoff
) -> FeedPage:
    """
    Poll once, as :class:`~wanderer_twisted.interfaces.IKillmailFeed` has it: what fails
    says how long to wait.
    """
    try:
        page = await poll()
    except UpstreamError as error:
        health.failed(error.reason)
        wait = error.retry_after
        raise UpstreamError(
            error.reason, backoff.next() if wait is None else wait
        ) from error
    backoff.reset()
    return page
