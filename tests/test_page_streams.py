"""
Streams, as the web page shows them in a real browser.
"""

import json
import signal
from hashlib import sha256

from tests.support.page import PageCase


class StreamTests(PageCase):
    """
    Streams, as the page shows them.
    """

    async def test_live(self) -> None:
        """
        Killmails come into the list, the newest first, and into the chart; the pause
        gives the connection back.
        """
        await self.begin_live()
        played = await self.world.play(3)
        await self.until_shown(*played)
        self.assertEqual(await self.shown(), played[::-1])
        label = await self.tab.evaluate("chart.getAttribute('aria-label')")
        self.assertIn("3 killmails in the last hour", label)
        await self.tab.evaluate("pause.click()")
        await self.until_said("#live-said", "Paused")
        await self.until("no stream", self.nobody_streams)
        await self.tab.evaluate("pause.click()")
        await self.until_said("#live-said", "Following")
        await self.until_shown(*await self.world.play(1))
        self.assertEqual(self.tab.complaints, [])

    async def nobody_streams(self) -> bool:
        _, health = await self.site.health()
        return bool(health["streams"] == 0)

    async def test_history(self) -> None:
        """
        A tried stream goes from the connection through batches and transition to live;
        the events and the address are there to see.
        """
        await self.begin_live()
        characters = await self.busy()
        await self.try_stream(characters, days=30)
        await self.until_phase("live")
        url = self.site.stream_url(f"character_ids={characters}&preload_days=30")
        self.assertEqual(await self.tab.evaluate("url.value"), url)
        self.assertEqual(await self.tab.evaluate("curl.value"), f"curl -N '{url}'")
        past, thing = (await self.tab.text("[data-step=history] span")).split()
        self.assertEqual(thing, "killmails")
        self.assertGreater(int(past), 50)
        number, _, total = (await self.tab.text("#batch-count")).split()
        self.assertEqual(number, total)
        transition = await self.tab.text("[data-step=transition] span")
        self.assertIn(transition, ("complete", "not complete yet"))
        names = await self.events()
        told = [each for each in names if each not in ("heartbeat", "warning")]
        self.assertEqual(told, ["transition", *["batch"] * int(total), "connected"])
        await self.until("a live one", self.play_until_live)
        self.assertIn("killmail", await self.events())
        self.assertEqual(self.tab.complaints, [])

    async def events(self) -> list[str]:
        """
        The names of the events shown, the newest first.
        """
        names: list[str] = await self.tab.evaluate(
            "[...raw.children].map((each) => each.dataset.event)"
        )
        return names

    async def play_until_live(self) -> bool:
        await self.world.play(5)
        await self.pause(0.5)
        return "killmail" in await self.tab.text("[data-step=live] span")

    async def test_resume(self) -> None:
        """
        The server is killed: both streams say so, come back by themselves, and have
        each killmail once.
        """
        await self.begin_live("r2z2")
        await self.try_stream()
        await self.until_phase("live")
        await self.until_shown(*await self.world.play(2))
        await self.site.process.kill()
        await self.until_phase("reconnecting")
        await self.until_said("#live-said", "Reconnecting")
        away = await self.world.play(3)
        await self.site.start()
        await self.until_phase("live")
        await self.until_said("#said", "Resumed")
        await self.until_shown(*away, *await self.world.play(1))
        tried = await self.tab.evaluate(
            r"""
            [...raw.textContent.matchAll(/data: {"killmail_id":([0-9]+)/g)]
                .map((found) => Number(found[1]))
            """
        )
        for found in (tried, await self.shown()):
            self.assertEqual(len(set(found)), len(found))
            self.assertLessEqual(set(self.world.played), set(found))
        self.assertEqual(self.tab.complaints, [])

    async def test_stop(self) -> None:
        """
        A server that goes down says so; the list goes on with the next one.
        """
        await self.begin()
        await self.until_said("#live-said", "Following")
        self.site.process.send(signal.SIGTERM)
        await self.until_said("#warning", "going down")
        await self.until_said("#live-said", "Reconnecting")
        await self.site.start()
        await self.until_said("#live-said", "Following")
        self.assertTrue(await self.tab.evaluate("warning.hidden"))

    async def test_hangs(self) -> None:
        """
        Where the server does not answer, its numbers are old, and said to be; requests
        do not pile up, which would take the connections of the streams.
        """
        await self.begin(
            before="""
            const repeat = window.setInterval;
            window.setInterval = (what, ms) => repeat(what, ms / 50);
            const timeout = AbortSignal.timeout;
            AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / 50);
            """
        )
        await self.until_said("#uptime", "up ")
        self.site.process.send(signal.SIGSTOP)
        await self.until_said("#uptime", "no numbers now")
        self.site.process.send(signal.SIGCONT)
        await self.until_said("#uptime", "up ")

    async def test_silence(self) -> None:
        """
        A stream from which nothing comes, not even heartbeats, is opened anew.
        """
        await self.begin(
            before="""
            const later = window.setTimeout;
            window.setTimeout = (what, ms) => later(what, ms / 20);
            """,
            stream={"retry_ms": 1000, "heartbeat_seconds": 2},
        )
        await self.until_said("#live-said", "Following")
        self.site.process.send(signal.SIGSTOP)
        await self.until_said("#live-said", "Reconnecting")
        self.site.process.send(signal.SIGCONT)
        await self.until_said("#live-said", "Following")

    async def test_close(self) -> None:
        """
        A closed stream stays closed, and another one can be opened.
        """
        await self.begin_live()
        await self.try_stream()
        await self.until_phase("live")
        await self.tab.evaluate("document.getElementById('close').click()")
        await self.until_phase("closed")
        played = await self.world.play(1)
        await self.until_shown(*played)
        self.assertEqual(await self.events(), ["connected"])
        await self.try_stream()
        await self.until_phase("live")

    async def test_hidden(self) -> None:
        """
        A tab that nobody looks at gives its connection back after a while, and has it
        again when somebody does.
        """
        await self.begin_live(
            before="""
            const wait = window.setTimeout;
            window.setTimeout = (what, ms) => wait(what, ms / 100);
            """
        )
        await self.see("hidden")
        await self.until("no stream", self.nobody_streams)
        await self.see("visible")
        await self.until_shown(*await self.world.play(1))

    async def test_goes_on(self) -> None:
        """
        A browser that gives a stream up, as on a proxy's 502, does not come back: the
        list does, and goes on where it was; but not while nobody sees it.
        """
        await self.begin_live(
            before="""
            const wait = window.setTimeout;
            const most = 100_000;  // but for the silence of a stream
            window.setTimeout = (what, ms) => wait(what, ms > most ? ms : ms / 100);
            window.sources = [];
            window.EventSource = class extends EventSource {
                constructor(url) { super(url); sources.push(this); }
            };
            """
        )
        give_up = (
            "sources.at(-1).close(); sources.at(-1).dispatchEvent(new Event('error'))"
        )
        await self.until_shown(*await self.world.play(1))
        await self.tab.evaluate(give_up)
        await self.until_shown(*await self.world.play(2))
        self.assertIn("last_event_id=", await self.tab.evaluate("sources.at(-1).url"))
        await self.see("hidden")
        await self.tab.evaluate(give_up)
        await self.pause(1.0)
        self.assertEqual(await self.tab.evaluate("sources.length"), 2)
        await self.see("visible")
        await self.until_shown(*await self.world.play(1))

    async def see(self, state: str) -> None:
        await self.tab.evaluate(
            f"""{{
            const get = () => '{state}' === 'hidden';
            Object.defineProperty(document, 'hidden', {{ get, configurable: true }});
            document.dispatchEvent(new Event('visibilitychange'));
            }}"""
        )


class RefusalTests(PageCase):
    """
    What the server refuses is told in its words.
    """

    async def test_limit(self) -> None:
        """
        No place is left: the trial is told so within its stream. Once the live list is
        paused there is one.
        """
        await self.begin(limits={"connections": 1})
        await self.until_said("#live-said", "Following")
        await self.try_stream()
        await self.until_phase("refused")
        said = await self.tab.text("#said")
        self.assertIn("All 1 streams of this server are taken", said)
        self.assertRegex(said, r"Next try in [0-9]+ s$")
        await self.tab.evaluate("pause.click()")
        await self.try_stream()
        await self.until_phase("live")
        self.assertEqual(self.tab.complaints, [])

    async def test_parameters(self) -> None:
        """
        A mistake in the form, which the browser tells no reason for.
        """
        await self.begin()
        await self.try_stream("12,abc", days=7)
        await self.until_phase("ended")
        self.assertEqual(
            await self.tab.text("#said"),
            "Invalid character_ids: 'abc' is not a valid integer",
        )
        closed = await self.tab.evaluate("document.getElementById('close').disabled")
        self.assertTrue(closed)

    async def test_blanks(self) -> None:
        """
        Ids may have blanks between them.
        """
        await self.begin()
        await self.try_stream(" 12  13, 14 ")
        url = await self.tab.evaluate("url.value")
        self.assertIn("character_ids=12,13,14", url)

    async def test_token(self) -> None:
        """
        A server that asks for a token: the page says so, takes one, and uses it for all
        that it asks; it is in no address that people see.
        """
        secret = "&secret=1"
        digest = sha256(secret.encode()).hexdigest()
        tokens = self.folder / "tokens.yaml"
        tokens.write_text(json.dumps({"tokens": [{"name": "page", "sha256": digest}]}))
        await self.begin(auth={"tokens_file": str(tokens)})
        await self.until_said("#live-said", "This server asks for a token")
        self.assertTrue(await self.tab.evaluate("access.open"))
        await self.try_stream("1", days=7)
        await self.until_said("#said", "This server asks for a token")
        await self.tab.evaluate("token.focus()")
        await self.tab.type(secret)
        await self.tab.press("Enter")
        self.assertIn("$TOKEN", await self.tab.evaluate("curl.value"))
        await self.until_said("#live-said", "Following")
        await self.until_phase("live")
        self.assertIn("$TOKEN", await self.tab.evaluate("curl.value"))
        seen = await self.tab.evaluate(
            "location.href + url.value + curl.value + document.body.textContent"
        )
        self.assertNotIn("secret", seen)
        self.assertEqual(self.tab.complaints, [])

    async def test_revoked(self) -> None:
        """
        A token that is revoked ends the stream, and the page says why.
        """
        tokens = self.folder / "tokens.yaml"
        entry = {"name": "page", "sha256": sha256(b"secret").hexdigest()}
        tokens.write_text(json.dumps({"tokens": [entry]}))
        await self.begin(auth={"tokens_file": str(tokens)})
        await self.tab.evaluate(
            "token.value = 'secret'; token.dispatchEvent(new Event('change'))"
        )
        await self.until_said("#live-said", "Following")
        await self.try_stream()
        await self.until_phase("live")
        tokens.write_text(json.dumps({"tokens": [{**entry, "revoked": True}]}))
        self.site.process.send(signal.SIGHUP)
        await self.until_phase("ended")
        said = "This server asks for a token: This token was revoked (401)"
        self.assertEqual(await self.tab.text("#said"), said)
