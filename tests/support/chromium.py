"""
A real browser without a window: Chromium, driven over a pipe by its DevTools protocol.
"""

import json
import shutil
from base64 import b64decode
from collections.abc import Callable
from itertools import count
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest

from tests.processes import Process, ProcessCase

#: Where a browser reads commands, and where it writes answers and events.
_COMMANDS, _ANSWERS = 3, 4

_OPTIONS = (
    "--headless",
    "--no-sandbox",  # root may have none
    "--disable-gpu",
    "--disable-dev-shm-usage",  # too small in containers
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)


class Browser(Process):
    """
    Chromium's process and the protocol that it speaks: JSON, ended by NUL.
    """

    def __init__(self, command: tuple[str, ...]) -> None:
        super().__init__(command)
        self.pages: dict[str, Page] = {}
        self._answers: dict[int, Deferred[Any]] = {}
        self._numbers = count(1)
        self._rest = b""

    async def call(self, method: str, session: str = "", **parameters: Any) -> Any:
        """
        :param session: of a page; empty for the browser itself.
        """
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        answer: Deferred[Any] = Deferred()
        self._answers[number] = answer
        assert self.transport is not None
        self.transport.writeToChild(_COMMANDS, json.dumps(message).encode() + b"\0")
        return await answer

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: N802, N803
        if childFD != _ANSWERS:
            super().childDataReceived(childFD, data)
            return
        *messages, self._rest = (self._rest + data).split(b"\0")
        for each in messages:
            self._take(json.loads(each))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" not in message:
            page = self.pages.get(message.get("sessionId", ""))
            if page is not None:
                page.take(message["method"], message["params"])
            return
        answer = self._answers.pop(message["id"])
        if "error" in message:
            answer.errback(RuntimeError(message["error"]["message"]))
        else:
            answer.callback(message["result"])

    def processEnded(self, reason: Failure) -> None:  # noqa: N802
        answers, self._answers = self._answers, {}
        for each in answers.values():
            each.errback(RuntimeError("the browser ended"))
        super().processEnded(reason)


class Page:
    """
    One tab.

    :ivar complaints: what the browser has to say against the page: exceptions, refused
        by the policy, warnings of the console.
    :ivar failed: addresses that could not be loaded.
    :ivar received: for each address, the bytes of its body.
    :ivar on_request: called with the id and the address of a request that is held up;
        see :meth:`hold_up`.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._addresses: dict[str, str] = {}
        self._loaded: Deferred[None] = Deferred()
        self.complaints: list[str] = []
        self.failed: list[str] = []
        self.received: dict[str, int] = {}
        self.on_request: Callable[[str, str], None] = lambda id, url: None

    async def call(self, method: str, **parameters: Any) -> Any:
        return await self._browser.call(method, self._session, **parameters)

    def take(self, event: str, data: dict[str, Any]) -> None:
        """
        Take note of an event.
        """
        if event == "Page.loadEventFired" and not self._loaded.called:
            self._loaded.callback(None)
        elif event == "Network.requestWillBeSent":
            self._addresses[data["requestId"]] = data["request"]["url"]
        elif event == "Network.loadingFailed":
            self.failed.append(self._addresses[data["requestId"]])
        elif event == "Network.dataReceived":
            url = self._addresses[data["requestId"]]
            self.received[url] = self.received.get(url, 0) + data["dataLength"]
        elif event == "Runtime.exceptionThrown":
            details = data["exceptionDetails"]
            self.complaints.append(
                details.get("exception", {}).get("description") or details["text"]
            )
        elif event == "Log.entryAdded" and data["entry"]["source"] != "network":
            self.complaints.append(data["entry"]["text"])
        elif event == "Runtime.consoleAPICalled":
            self.complaints.append(f"console.{data['type']}: {data['args']}")
        elif event == "Fetch.requestPaused":
            self.on_request(data["requestId"], data["request"]["url"])

    async def open(self, url: str) -> None:
        """
        Go there, and wait until everything that it asks for at once is loaded.
        """
        self._loaded = Deferred()
        await self.call("Page.navigate", url=url)
        await self._loaded

    async def before(self, script: str) -> None:
        """
        Run a script in every document before its own.
        """
        await self.call("Page.addScriptToEvaluateOnNewDocument", source=script)

    async def evaluate(self, expression: str) -> Any:
        """
        What an expression is worth in the page; a promise is waited for.
        """
        answer = await self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    async def text(self, selector: str) -> str:
        """
        The text of the first element, with blanks made one.
        """
        found = await self.evaluate(
            f"document.querySelector({json.dumps(selector)}).textContent"
        )
        return " ".join(found.split())

    async def press(self, key: str, modifiers: int = 0) -> None:
        """
        :param modifiers: 8 for the shift key.
        """
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                modifiers=modifiers,
                text=text if kind == "keyDown" else "",
            )

    async def type(self, text: str) -> None:
        await self.call("Input.insertText", text=text)

    async def look(
        self, width: int, height: int, scheme: str = "dark", motion: bool = True
    ) -> None:
        """
        Look at the page through a window of this size.
        """
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        reduced = "no-preference" if motion else "reduce"
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": reduced},
        ]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def picture(self) -> bytes:
        """
        The whole page as a PNG.
        """
        answer = await self.call(
            "Page.captureScreenshot", format="png", captureBeyondViewport=True
        )
        return b64decode(answer["data"])


class BrowserCase(ProcessCase):
    """
    A test case with a browser.
    """

    async def browser(self) -> Browser:
        """
        :raises SkipTest: there is none.
        """
        chromium = shutil.which("chromium")
        if chromium is None:
            raise SkipTest("no browser: Debian's package chromium is not installed")
        short = TemporaryDirectory()  # the path of a socket in it must be
        self.addCleanup(short.cleanup)
        profile = f"--user-data-dir={short.name}/profile"
        command = ("/usr/bin/env", f"TMPDIR={short.name}", chromium)
        browser = Browser((*command, *_OPTIONS, profile))
        self.processes.append(browser)
        self.reactor.spawnProcess(
            browser,
            browser.command[0],
            browser.command,
            None,
            str(self.folder),
            childFDs={0: "w", 1: "r", 2: "r", _COMMANDS: "w", _ANSWERS: "r"},
        )
        self.addCleanup(browser.kill)
        return browser

    async def page(self, browser: Browser) -> Page:
        """
        A new tab, with nothing in it.
        """
        target = await browser.call("Target.createTarget", url="about:blank")
        attached = await browser.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page = Page(browser, attached["sessionId"])
        browser.pages[attached["sessionId"]] = page
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.call(f"{domain}.enable")
        return page
