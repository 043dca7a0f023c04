"""
The web page in a real browser, with a real server behind it.
"""

from typing import Any

from tests.processes import Server, Simulator, free_port
from tests.support.chromium import BrowserCase, Page

NOWHERE = [{"kind": "r2z2", "url": f"http://127.0.0.1:{free_port()}"}]

PHASE = "document.getElementById('trial').dataset.phase"


class PageCase(BrowserCase):
    """
    A test case with a server, its world, and the page in a tab.
    """

    world: Simulator
    site: Server
    tab: Page

    async def begin(self, before: str = "", **settings: Any) -> None:
        """
        Start a server that has no world, and look at its page.

        :param before: a script that runs before the page's.
        :param settings: of the server.
        """
        browser = await self.browser()
        settings = {"stream": {"retry_ms": 1000}, "feeds": NOWHERE, **settings}
        self.site = await self.server("page", **settings)
        self.tab = await self.page(browser)
        if before:
            await self.tab.before(before)
        await self.tab.open(self.site.url(""))

    async def begin_live(self, feed: str = "redisq", **settings: Any) -> None:
        """
        The same with a world, in which something happens on command, and a page that
        follows it.

        :param feed: ``redisq``, which brings a killmail at once, or ``r2z2``.
        """
        self.world = await self.simulator()
        await self.begin(**self.world.settings(feed), **settings)
        await self.until("a feed that is live", self.feed_is_live)
        await self.until_said("#live-said", "Following")

    async def feed_is_live(self) -> bool:
        _, health = await self.site.health()
        return all(feed["state"] in ("live", "quiet") for feed in health["feeds"])

    async def until_said(self, selector: str, text: str) -> None:
        """
        Wait until an element says something.
        """

        async def said() -> bool:
            return text in await self.tab.text(selector)

        await self.until(f"{text!r} in {selector}", said)

    async def until_phase(self, phase: str) -> None:
        async def reached() -> bool:
            return bool(await self.tab.evaluate(PHASE) == phase)

        await self.until(f"the phase {phase}", reached)

    async def try_stream(self, characters: str = "", days: int = 0) -> None:
        """
        Fill in the form and send it.
        """
        values = f"characters.value = '{characters}'; days.value = {days}"
        await self.tab.evaluate(f"{values}; document.getElementById('open').click()")

    async def busy(self) -> str:
        """
        Ids that most killmails have one of.
        """
        busy = await self.world.get("busy?count=90")
        return ",".join(map(str, busy["character_ids"]))

    async def shown(self) -> list[int]:
        """
        The killmails of the live list, the newest first.
        """
        found: list[int] = await self.tab.evaluate(
            "[...killmails.children].map((each) => Number(each.dataset.killmail))"
        )
        return found

    async def until_shown(self, *killmail_ids: int) -> None:
        async def complete() -> bool:
            return set(killmail_ids) <= set(await self.shown())

        await self.until("the killmails in the list", complete)
