"""
Bytes of a stream of ten characters against those of one of everything, with heartbeats
at the pace at which killmails usually come.

The data must be all killmails of some days: what the package ships is a choice of busy
characters.
"""

import random

from bench.killmails import Killmails, entry_of
from bench.report import options, quantile
from wanderer_twisted.simulator.timeline import MEAN_GAP
from wanderer_twisted.stream.cursor import Live
from wanderer_twisted.stream.events import event, heartbeat

_CHARACTERS = 10
_SETS = 200
_HEARTBEAT = 30.0


def on_the_wire(block: bytes) -> int:
    """
    With the framing of its chunk.
    """
    return len(block) + len(f"{len(block):x}") + 4


def main() -> None:
    wish = options(__doc__)
    killmails = Killmails(wish.data)
    cursor = Live(1).text("bench0")
    sizes: dict[int, int] = {}
    for template in killmails.data.templates:
        document = killmails.document(
            template, template.killmail_id, template.kill_time
        )
        body = entry_of(document).body.json(with_items=False)
        sizes[template.killmail_id] = on_the_wire(event("killmail", body, cursor))
    beats = len(sizes) * MEAN_GAP / _HEARTBEAT
    feed = {
        "source": "r2z2",
        "state": "live",
        "position": "96695606",
        "seconds_since_killmail": 4,
    }
    beating = beats * on_the_wire(heartbeat("realtime", feed, cursor, 0))
    everything = sum(sizes.values()) + beating

    def share(ids: list[int]) -> float:
        matching = {kill for id in ids for kill in of[id]}
        return 100 * (sum(sizes[each] for each in matching) + beating) / everything

    owners = killmails.owners("character")
    of = {each.id: [t.killmail_id for t in each.templates] for each in owners}
    active = [each.id for each in owners if len(each.templates) >= 20]
    active = active or [each.id for each in owners[: 10 * _CHARACTERS]]
    chosen = random.Random(1)
    shares = [share(chosen.sample(active, _CHARACTERS)) for _ in range(_SETS)]
    print(f"everything: {everything / 1e6:.1f} MB, heartbeats {beating / 1e6:.2f} MB")
    print(
        f"{_CHARACTERS} active characters, {_SETS} sets: median"
        f" {quantile(shares, 0.5):.2f} %, p90 {quantile(shares, 0.9):.2f} %, most"
        f" {max(shares):.2f} %"
    )
    busiest = share([each.id for each in owners[:_CHARACTERS]])
    print(f"the {_CHARACTERS} busiest: {busiest:.2f} %; nobody: {share([]):.2f} %")


if __name__ == "__main__":
    main()
