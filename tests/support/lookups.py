"""
The public side over a real store, for look-ups.
"""

from typing import Any

from twisted.internet.task import Clock

from tests.support.killmails import entry
from tests.support.store import make_store, temporary_path
from tests.support.web import NOW, Public, PublicCase, Response
from wanderer_twisted.encoding import loads
from wanderer_twisted.records import Change, Report

CHARACTER, SYSTEM = 90000001, 30000142
OF_CHARACTER = f"/api/v1/kills/character/{CHARACTER}"
OF_SYSTEM = f"/api/v1/kills/system/{SYSTEM}"

#: How a history stands that lacks something.
LACKING = Report(missing=0, ids_incomplete=1, since=None)


class LookupCase(PublicCase):
    """
    An empty store, at :data:`~tests.support.web.NOW`, and the public side over it.
    """

    def setUp(self) -> None:
        clock = Clock()
        clock.advance(NOW)
        self.store = make_store(temporary_path(self), clock)
        self.addCleanup(self.store.close)
        self.site: Public = self.public(past=self.store)

    def add(self, killmail_id: int, age: float = 60.0, **parts: Any) -> None:
        """
        Store a killmail.

        :param age: seconds before now.
        """
        one = entry(killmail_id, kill_time=int(NOW - age), **parts)
        self.successResultOf(self.store.commit(Change([one])))

    def get(self, target: str, *headers: str, **parts: Any) -> Response:
        return self.site.ask(target, *headers, **parts).response

    def data(self, target: str) -> Any:
        """
        The data of an answer, without its timestamp.
        """
        response = self.get(target)
        assert response.status == 200, response.body
        data = loads(response.body)["data"]
        del data["timestamp"]
        return data

    def post(self, target: str, body: bytes, **parts: Any) -> Response:
        return self.site.post(target, body, **parts).response


def ids(kills: Any) -> list[int]:
    return [each["killmail_id"] for each in kills]
