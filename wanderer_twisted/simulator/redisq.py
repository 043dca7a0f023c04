"""
RedisQ: a queue per client, popped destructively by a long poll (contracts.md §1).
"""

import re
from collections import deque
from functools import partial
from hashlib import sha1

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from wanderer_twisted.encoding import loads
from wanderer_twisted.simulator.exchange import (
    Ask,
    Reply,
    Throttle,
    json_reply,
    redirect,
)
from wanderer_twisted.simulator.postings import Posting
from wanderer_twisted.simulator.r2z2 import full_zkb
from wanderer_twisted.simulator.redisq_filter import BadFilter, Test, parse
from wanderer_twisted.simulator.world import World

_REMEMBERED = 10_800  # seconds for which queues and packages live
_LONGEST_WAIT = 10
_PER_TEN_SECONDS = 20  # two requests a second, as Cloudflare counts
_OPEN = {"Access-Control-Allow-Origin": "*"}


@attrs.define(eq=False)
class _Queue:
    """
    :ivar objects: ids of packages that wait.
    :ivar waiting: the poll that waits for one.
    :ivar locked: somebody is polling.
    """

    expires: float
    test: Test | None = None
    objects: deque[str] = attrs.field(factory=deque)
    waiting: "_Poll | None" = None
    locked: bool = False


@attrs.define(eq=False)
class _Poll:
    """
    A poll under way. The service does not notice when its client goes away: the
    package that it pops then is lost.
    """

    timer: IDelayedCall
    client: Deferred[str | None]


class RedisQ:
    """
    The service. ``listen.php``, ``object.php`` and the counters at ``/``.
    """

    null = b'{"package":null}'

    def __init__(self, world: World, prefix: str) -> None:
        """
        :param prefix: of this service's paths, for its redirects.
        """
        self._world = world
        self._clock = world.clock
        self._prefix = prefix
        self._throttle = Throttle(world.clock, 10.0)
        self._queues: dict[str, _Queue] = {}
        self._objects: dict[str, tuple[float, Posting]] = {}
        self._polls: set[_Poll] = set()
        self._published = 0
        world.subscribe(self._take)

    def close(self) -> None:
        for poll in self._polls:
            if poll.timer.active():
                poll.timer.cancel()
        self._polls.clear()
        self._queues.clear()

    def finish(self, ask: Ask, reply: Reply) -> Reply:
        return reply

    async def answer(self, ask: Ask) -> Reply:
        limits = self._world.rules.limits
        if limits and self._throttle.over(ask.address, _PER_TEN_SECONDS):
            return Reply(429, b"", "text/html")
        if ask.path == "/listen.php":
            return await self._listen(ask)
        if ask.path == "/object.php":
            return self._object(ask)
        if ask.path == "/":
            self._expire()
            return json_reply(
                {"listeners": len(self._queues), "objects": len(self._objects)}
            )
        return Reply(404, b"Not Found", "text/plain")

    async def _listen(self, ask: Ask) -> Reply:
        name = ask.args.get("queueID", "").strip()
        if not name:
            return Reply(429, b"", "text/html")
        self._expire()
        now = self._clock.seconds()
        queue = self._queues.get(name)
        if queue is not None and queue.locked:
            return Reply(429, b"", "text/html")
        text = ask.args.get("filter", "").strip()
        try:
            test = parse(text) if text else None
        except BadFilter as error:
            return json_reply({"error": str(error)}, 400)
        if queue is None:
            queue = self._queues[name] = _Queue(now)
        queue.test = test
        ttl = _clamped(ask.args.get("ttl"), 1, _REMEMBERED)
        queue.expires = now + ttl
        object_id = await self._poll(
            queue, _clamped(ask.args.get("ttw"), 1, _LONGEST_WAIT)
        )
        where = f"{self._prefix}/object.php?objectID={object_id or 'null'}"
        return redirect(where).with_headers(_OPEN)

    def _poll(self, queue: _Queue, ttw: int) -> Deferred[str | None]:
        queue.locked = True
        client: Deferred[str | None] = Deferred()
        if queue.objects:
            self._pop(queue, client)
        else:
            timer = self._clock.callLater(ttw + 1, self._answer, queue, client, None)
            queue.waiting = self._poll_of(timer, client)
        return client

    def _poll_of(self, timer: IDelayedCall, client: Deferred[str | None]) -> _Poll:
        poll = _Poll(timer, client)
        self._polls = {each for each in self._polls if each.timer.active()} | {poll}
        return poll

    def _pop(self, queue: _Queue, client: Deferred[str | None]) -> None:
        delay = self._world.rules.redisq_delay
        answer = partial(self._answer, queue, client, queue.objects.popleft())
        self._poll_of(self._clock.callLater(delay, answer), client)

    def _answer(
        self, queue: _Queue, client: Deferred[str | None], object_id: str | None
    ) -> None:
        queue.locked, queue.waiting = False, None
        if not client.called:  # called: its client went away
            client.callback(object_id)

    def _take(self, posting: Posting) -> None:
        """
        A killmail was published.
        """
        self._expire()
        if not self._queues:
            return
        now = self._clock.seconds()
        self._published += 1
        name = b"%d:%d" % (posting.killmail_id, self._published)
        object_id = sha1(name).hexdigest()
        self._objects[object_id] = (now + _REMEMBERED, posting)
        for queue in self._queues.values():
            if queue.test is not None and not queue.test(self._package(posting, True)):
                continue
            queue.objects.append(object_id)
            if queue.waiting is not None:
                poll, queue.waiting = queue.waiting, None
                poll.timer.cancel()
                self._pop(queue, poll.client)

    def _object(self, ask: Ask) -> Reply:
        object_id = ask.args.get("objectID", "")
        if object_id == "null":
            return Reply(200, self.null, headers=_OPEN)
        self._expire()
        if object_id not in self._objects:
            return Reply(404, b"Not Found", "text/plain", _OPEN)
        _, posting = self._objects[object_id]
        body = _package(posting, self._world.rules.redisq_bodies)
        cached = {**_OPEN, "Cache-Control": f"public, max-age={_REMEMBERED}"}
        return Reply(200, b'{"package":%b}' % body, headers=cached)

    def _package(self, posting: Posting, with_body: bool) -> object:
        return loads(_package(posting, with_body))

    def _expire(self) -> None:
        now = self._clock.seconds()
        for name in [
            n for n, q in self._queues.items() if q.expires < now and not q.locked
        ]:
            del self._queues[name]
        while self._objects:
            oldest = next(iter(self._objects))
            if self._objects[oldest][0] >= now:
                break
            del self._objects[oldest]


def _package(posting: Posting, with_body: bool) -> bytes:
    esi = b'"killmail":%b,' % posting.esi() if with_body else b""
    zkb = full_zkb(posting, "v1/").replace(rb"\/", b"/")  # no PHP here
    return b'{"killID":%d,%b"zkb":%b}' % (posting.killmail_id, esi, zkb)


def _clamped(text: str | None, least: int, most: int) -> int:
    """
    As JavaScript's parseInt, then clamped; *most* where it is no number.
    """
    match = re.match(r"\s*[+-]?[0-9]{1,9}", text or "", re.ASCII)
    return min(most, max(least, int(match[0]))) if match else most
