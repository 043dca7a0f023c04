"""
How the web page looks and is used, in a real browser.
"""

import json
from base64 import b64encode
from typing import Any

from twisted.internet.defer import Deferred

from tests.support.page import PageCase
from tests.test_web_page import MOST_BYTES

#: The smallest picture there is.
PICTURE = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89"
    b"\0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82"
)


class LooksTests(PageCase):
    """
    How the page looks and is used.
    """

    async def test_policy(self) -> None:
        """
        Text that got into the page as a script would not run.
        """
        await self.begin()
        await self.tab.evaluate(
            """
            const script = document.createElement('script');
            script.textContent = 'window.harm = true';
            document.body.append(script);
            """
        )
        await self.until("a complaint", lambda: self.tab.complaints)
        self.assertIn("Content Security Policy", self.tab.complaints[0])
        self.assertIsNone(await self.tab.evaluate("window.harm"))

    async def test_phone(self) -> None:
        """
        On a phone nothing is wider than the screen, whatever there is to show.
        """
        await self.begin_live()
        await self.tab.look(360, 640)
        await self.try_stream()
        await self.until_phase("live")
        await self.until_shown(*await self.world.play(3))
        await self.tab.evaluate("raw.querySelector('details').open = true")
        for scheme in ("dark", "light"):
            await self.tab.look(360, 640, scheme)
            wide = "document.documentElement.scrollWidth"
            self.assertEqual(await self.tab.evaluate(wide), 360)
            cut = await self.tab.evaluate(
                """
                [...document.querySelectorAll('main *:not(svg *)')]
                    .filter((each) => each.getBoundingClientRect().right > 360)
                    .map((each) => each.outerHTML.slice(0, 100))
                """
            )
            self.assertEqual(cut, [])

    async def test_schemes(self) -> None:
        """
        The page is dark or light as its visitor's system is, and still where that asks
        for no motion.
        """
        await self.begin_live()
        await self.until_shown(*await self.world.play(1))
        colors = []
        for scheme in ("dark", "light"):
            await self.tab.look(1280, 900, scheme, motion=scheme == "dark")
            style = "getComputedStyle(document.body).backgroundColor"
            colors.append(await self.tab.evaluate(style))
        self.assertNotEqual(*colors)
        moves = "getComputedStyle(killmails.firstElementChild).animationName"
        self.assertEqual(await self.tab.evaluate(moves), "none")

    async def test_keyboard(self) -> None:
        """
        Without a mouse: the first stop leads to the form, and the next ones through it;
        each shows that it is the one.
        """
        await self.begin()
        stops = []
        await self.tab.press("Tab")
        stops.append(await self.focused())
        await self.tab.press("Enter")
        for key in ("", "Tab", "Tab"):
            if key:
                await self.tab.press(key)
            stops.append(await self.focused())
        await self.tab.press("Tab")
        stops.append(await self.focused())
        self.assertEqual(
            stops, ["Skip to the form", "characters", "systems", "days", "open"]
        )
        await self.tab.evaluate("days.value = 0")
        await self.tab.press("Enter")
        await self.until_phase("live")

    async def focused(self) -> str:
        """
        What has the focus, by its id or text, and that this is to be seen.
        """
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        self.assertNotEqual(await self.tab.evaluate(outline), "none")
        name: str = await self.tab.evaluate(
            "document.activeElement.id || document.activeElement.textContent"
        )
        return name

    async def test_names(self) -> None:
        """
        All that can be used has a name for those who don't see it, and the parts of
        the page are marked as such.
        """
        await self.begin()
        tree = await self.tab.call("Accessibility.getFullAXTree")
        named: dict[str, list[str]] = {}
        for node in tree["nodes"]:
            if not node["ignored"]:
                name = node.get("name", {}).get("value", "")
                named.setdefault(node["role"]["value"], []).append(name)
        for role in ("button", "textbox", "spinbutton", "progressbar", "image", "link"):
            self.assertNotIn("", named.get(role, []), role)
        self.assertEqual(len(named["main"] + named["banner"] + named["contentinfo"]), 3)
        for name in ("Killmails per minute", "Try a stream", "Live"):
            self.assertIn(name, named["region"])

    async def test_offer(self) -> None:
        """
        A name in the list goes into the form, once.
        """
        await self.begin_live()
        await self.until_shown(*await self.world.play(1))
        for _ in range(2):
            await self.tab.evaluate("killmails.querySelector('.system').click()")
        system = await self.tab.evaluate("systems.value")
        self.assertRegex(system, "^3[0-9]{7}$")
        self.assertIn(f"system_ids={system}", await self.tab.evaluate("url.value"))

    async def test_weight(self) -> None:
        """
        All that a first visit loads, but for pictures and streams, is small, and comes
        from this server.
        """
        await self.begin()
        own = self.site.url("")
        loaded = {
            url.removeprefix(own): size
            for url, size in self.tab.received.items()
            if "/api/" not in url
        }
        self.assertIn("static/page.js", loaded)
        self.assertLess(sum(loaded.values()), MOST_BYTES)
        self.assertEqual([name for name in loaded if "://" in name], [])


class PicturesTests(PageCase):
    """
    Pictures come from elsewhere, or don't.
    """

    async def test_none(self) -> None:
        """
        Where the image server cannot be reached, each box stays as large as it is, with
        its symbol and no broken picture; after some failures nobody asks any more.
        """
        await self.begin_live()
        await self.until_shown(*await self.world.play(20))
        await self.until("failures", lambda: len(self.tab.failed) > 5)

        async def none_broken() -> bool:
            broken = "[...killmails.querySelectorAll('img')].filter((i) => i.complete)"
            return bool(await self.tab.evaluate(f"{broken}.length") == 0)

        await self.until("no broken pictures", none_broken)
        sizes = await self.tab.evaluate(
            """
            [...killmails.querySelectorAll('.picture')].map((each) => {
                const box = each.getBoundingClientRect();
                return [box.width, box.height, each.querySelector('svg') !== null];
            })
            """
        )
        self.assertEqual({tuple(size) for size in sizes}, {(49, 49, True)})
        self.assertLess(len(self.tab.failed), 30)

    async def test_all(self) -> None:
        """
        Where it can, ships and pilots have pictures, with what they show told; what has
        no render has an icon.
        """
        await self.begin_live()
        asked: list[str] = []

        def answer(id: str, url: str) -> None:
            asked.append(url)
            code, body = 200, b64encode(PICTURE).decode()
            if "/render?" in url:
                code, body = 404, ""
            done = self.tab.call(
                "Fetch.fulfillRequest", requestId=id, responseCode=code, body=body
            )
            Deferred.fromCoroutine(done).addErrback(
                lambda failure: failure.trap(RuntimeError)
            )

        self.tab.on_request = answer
        patterns = [{"urlPattern": "https://images.evetech.net/*"}]
        await self.tab.call("Fetch.enable", patterns=patterns)
        await self.until_shown(*await self.world.play(2))

        async def there() -> bool:
            ships = "killmails.querySelectorAll('.ship.there img').length"
            return bool(await self.tab.evaluate(ships) == 2)

        await self.until("two ships", there)
        alts = await self.tab.evaluate(
            "[...killmails.querySelectorAll('img')].map((each) => each.alt)"
        )
        self.assertNotIn("", alts)
        kinds = {url.partition("?")[0].rpartition("/")[2] for url in asked}
        self.assertLessEqual({"render", "icon"}, kinds)
        self.assertEqual(self.tab.complaints, [])


class ScriptsTests(PageCase):
    """
    The page's modules, by themselves.
    """

    async def run_module(self, name: str, body: str) -> Any:
        """
        Run a function's body with a module of the page as *it*.
        """
        return await self.tab.evaluate(
            f"import('/static/{name}.js').then((it) => {{ {body} }})"
        )

    async def test_bounds(self) -> None:
        """
        The lists have an end, also while they are held; long events are cut.
        """
        await self.begin_live("r2z2")
        answer = await self.run_module(
            "events",
            """
            const events = new it.Events();
            const add = (data) => events.add('batch', { data, lastEventId: 'x' });
            for (let n = 0; n < 250; n++) add('{}');
            const full = raw.childElementCount;
            hold.click();
            for (let n = 0; n < 250; n++) add(`{"late":${n}}`);
            const held = raw.firstElementChild.textContent.includes('late');
            const waiting = document.getElementById('event-count').textContent;
            hold.click();
            add('x'.repeat(1_000_000));
            const longest = raw.firstElementChild.textContent.length;
            return [full, held, waiting, raw.childElementCount, longest];
            """,
        )
        full, held, waiting, after, longest = answer
        self.assertEqual((full, held, after), (200, False, 200))
        self.assertEqual(waiting, "500, 200 wait")
        self.assertLess(longest, 3_000)
        played = await self.world.play(55)
        await self.until_shown(*played[-50:])
        self.assertEqual(len(await self.shown()), 50)

    async def test_hostile(self) -> None:
        """
        Names are text, whatever is in them.
        """
        await self.begin()
        evil = '<img src=x onerror="window.harm=1"><script>window.harm=1</script>'
        killmail = {
            "killmail_id": 1,
            "kill_time": evil,
            "system_id": 30000142,
            "solar_system_name": evil,
            "attackers": [{"final_blow": True, "character_name": evil}],
            "victim": {
                "ship_type_id": 587,
                "ship_name": evil,
                "character_id": 1,
                "character_name": evil,
                "alliance_name": evil,
            },
        }
        shown = await self.run_module(
            "killmail",
            f"""
            const item = it.line({json.dumps(killmail)});
            killmails.prepend(item);
            return [item.querySelector('.hull').textContent,
                item.querySelectorAll('script, [onerror]').length];
            """,
        )
        self.assertEqual(shown, [evil, 0])
        self.assertIsNone(await self.tab.evaluate("window.harm"))

    async def test_chart(self) -> None:
        """
        The chart shows what the server counted, then what came live, each in its
        minute.
        """
        await self.begin()
        heights = await self.run_module(
            "chart",
            """
            const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
            const shown = new it.Chart(svg, document.createElement('span'));
            const real = Date.now;
            const minute = Math.floor(real() / 60_000) * 60_000;
            const at = (ms) => { Date.now = () => minute + ms; };
            try {
              at(10_000);
              const counts = Array.from({ length: 60 }, (_, n) => n);
              shown.set(counts, new Date(minute + 10_000).toISOString());
              shown.add();
              shown.add();
              at(61_000);
              shown.add();
              shown.draw();
            } finally {
              Date.now = real;
            }
            return [...svg.querySelectorAll('title')].map((each) => each.textContent);
            """,
        )
        self.assertEqual(len(heights), 61)
        self.assertEqual(heights[0], "60 min ago: 1")
        self.assertEqual(heights[58], "2 min ago: 59")
        self.assertEqual(heights[59], "1 min ago: 2")
        self.assertEqual(heights[60], "this minute: 1")

    async def test_texts(self) -> None:
        """
        Numbers and times as people read them.
        """
        await self.begin()
        answer = await self.run_module(
            "text",
            """
            return [
                [0, 999, 1234, 26_210_000_000].map(it.short),
                [0, 999, 4_415_488].map(it.bytes),
                [-1, 59, 60, 3_700, 93_784].map(it.duration),
                [1, 1234].map((n) => it.counted(n, 'killmail')),
            ];
            """,
        )
        self.assertEqual(
            answer,
            [
                ["0", "999", "1.23 k", "26.2 b"],
                ["0 B", "999 B", "4.42 MB"],
                ["0 s", "59 s", "1 min", "1 h 1 min", "1 d 2 h"],
                ["1 killmail", "1,234 killmails"],
            ],
        )
