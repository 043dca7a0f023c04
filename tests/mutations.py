"""
Proof that the exactly-once machine bites: with each of these mistakes one of the
numbered worlds (:mod:`tests.worlds`) must go wrong, and without them none up to that.

    python -m tests.mutations            all of them
    python -m tests.mutations 3 7        only some

Run from the top of a checkout. Each mistake is made in a copy of the package.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import attrs

from tests.worlds import WENT_WRONG

TOP = Path(__file__).parent.parent

#: The rarest mistake takes some 500 on the average.
WORLDS = 3000


@attrs.frozen
class Mutation:
    """
    :ivar mistake: in words.
    """

    mistake: str
    file: str
    right: str
    wrong: str

    @property
    def source(self) -> str:
        """
        The whole file, as it is.
        """
        return (TOP / "wanderer_twisted" / self.file).read_text()


MUTATIONS = [
    Mutation(
        "a cursor is ahead of what its stream was told, while others are told",
        "stream/hub.py",
        "return self.published if entry is None else entry.seq - 1",
        "return self.published",
    ),
    Mutation(
        "what was dropped from memory is not missed",
        "stream/recent.py",
        "            self.since = oldest.seq\n",
        "",
    ),
    Mutation(
        "a page out of memory that was not the last is taken for it",
        "stream/replay.py",
        "hub.published if is_last else 0",
        "hub.published",
    ),
    Mutation(
        "one that is paused over what is in memory is thought to be through with it",
        "stream/replay.py",
        "return session.why is not None",
        "return True",
    ),
    Mutation(
        "what is in memory is told to everybody",
        "stream/session.py",
        "if entry.concerns(self.wanted):",
        "if True:",
    ),
    Mutation(
        "a stream that was paused while it followed takes what it missed as told",
        "stream/session.py",
        "        self._paused, self.following = True, False\n",
        "        self.seq = self._hub.published\n"
        "        self._paused, self.following = True, False\n",
    ),
    Mutation(
        "the last word of a drain says that all is dealt with",
        "stream/session.py",
        """        self.tell(warning)
        self.close("draining")
""",
        """        self.seq = self._hub.published
        self.tell(warning)
        self.close("draining")
""",
    ),
    Mutation(
        "an event that was made for one stream goes to all",
        "stream/entries.py",
        "            self._event = self._make_event(variant)\n",
        "            if self.variant is None:\n"
        "                self._event = self._make_event(variant)\n",
    ),
    Mutation(
        "a heartbeat that was made for one stream, with its cursor, goes to all",
        "stream/session.py",
        "event = heartbeat.event_for(self.variant)",
        "event = heartbeat.event_for(heartbeat._variant or self.variant)",
    ),
    Mutation(
        "a heartbeat is ahead of what was told",
        "stream/entries.py",
        "variant.end(base36(self.seq).encode())",
        "variant.end(base36(self.seq + 1).encode())",
    ),
    Mutation(
        "the checksum of a compressed stream leaves the cursors out",
        "frames.py",
        "isal_zlib.crc32(end, isal_zlib.crc32(frame.plain, self._crc))",
        "isal_zlib.crc32(frame.plain, self._crc)",
    ),
    Mutation(
        "an event is kept back until the next one is compressed",
        "frames.py",
        "packing.compress(data) + packing.flush(zlib.Z_SYNC_FLUSH)",
        "packing.compress(data) + packing.flush(zlib.Z_FULL_FLUSH)[:-4]",
    ),
    Mutation(
        "live begins where the history ended, not where the stream did",
        "stream/replay.py",
        "AfterHistory(cursor.start,",
        "AfterHistory(self._hub.published,",
    ),
    Mutation(
        "a cursor that is ahead of what was committed and told",
        "stream/session.py",
        "return max(self.seq, self._hub.told)",
        "return max(self.seq, self._hub.told) + 1",
    ),
    Mutation(
        "heartbeats do not move the cursor",
        "stream/session.py",
        "event = heartbeat.event_for(self.variant)",
        "event = Event(heartbeat.frames['realtime'],"
        " self.variant.end(base36(self.seq - 1).encode()))",
    ),
    Mutation(
        "a heartbeat takes as told what a stream that does not follow has not got",
        "stream/session.py",
        "if self.following:  # what the hub published since did not match",
        "if True:",
    ),
    Mutation(
        ">= for > in the journal",
        "store/journal.py",
        'WHERE live_seq > ?"',
        'WHERE live_seq >= ?"',
    ),
    Mutation(
        ">= for > when the hub publishes",
        "stream/hub.py",
        "session.seq >= entry.seq:",
        "session.seq - 1 > entry.seq:",
    ),
    Mutation(
        "who is told in the same turn gets the event that the first one gets",
        "stream/hub.py",
        "if session.variant is not variant:",
        "if variant is None:",
    ),
    Mutation(
        "following without having caught up",
        "stream/replay.py",
        "if session.seq >= hub.published:",
        "if True:",
    ),
    Mutation(
        "a fresh H0 on resuming before the history is frozen",
        "stream/opening.py",
        "return Opening(cursor, resumed=True)",
        "return Opening(attrs.evolve(cursor, start=published)"
        " if isinstance(cursor, Starting) else cursor, resumed=True)",
    ),
    Mutation(
        "a history frozen at the hub's number, not the store's",
        "stream/replay.py",
        "snapshot = Snapshot(marks.head, cursor.cutoff)",
        "snapshot = Snapshot(self._hub.published, cursor.cutoff)",
    ),
    Mutation(
        "live without a look at the history",
        "partition.py",
        "return snapshot is None or not snapshot.holds(",
        "return snapshot is None or True or not snapshot.holds(",
    ),
    Mutation(
        "a value that changes under the filter",
        "partition.py",
        "return valued_seq <= by and value >= self.min_value",
        "return value >= self.min_value",
    ),
    Mutation(
        "pruning by kill_time alone",
        "store/pruning.py",
        "coalesce(told_at, 0) < ?",
        "?",
    ),
    Mutation(
        "what was pruned comes back",
        "store/writing.py",
        "return None if pruned else self._insert(entry, announce)",
        "return self._insert(entry, announce)",
    ),
    Mutation(
        "announced again when it is delivered again",
        "store/writing.py",
        "announced = announce and facts.live_seq is None",
        "announced = announce",
    ),
    Mutation(
        "no floors: a cursor never expires",
        "stream/opening.py",
        "if cursor.expired(marks):",
        "if False:",
    ),
    Mutation(
        "a replay goes on though a part of it was pruned",
        "store/journal.py",
        "if after < marks.floor_seq:",
        "if False:",
    ),
    Mutation(
        "another filter's cursor starts at the head",
        "stream/opening.py",
        'start = cursor.start if reason == "filter" else published',
        "start = published",
    ),
    Mutation(
        "another filter's cursor is taken as it is",
        "stream/opening.py",
        "if cursor.fingerprint is None or cursor.fingerprint == wanted.fingerprint:",
        "if True:",
    ),
    Mutation(
        "an id on connected where the cursor was refused",
        "stream/session.py",
        "events.end(None) if refused else self._end",
        "self._end",
    ),
    Mutation(
        "another store's cursor is taken for ours",
        "stream/opening.py",
        "if not own_epoch:",
        "if False:",
    ),
    Mutation(
        "a killmail once for each of its characters",
        "store/index.py",
        "SELECT DISTINCT * FROM",
        "SELECT * FROM",
    ),
    Mutation(
        "a page of the journal that says it reached the head when it was full",
        "store/journal.py",
        "            upto = number\n",
        "            upto = head\n",
    ),
    Mutation(
        "a stream that reads what it lacks hears nothing of holes",
        "store/journal.py",
        "                entries.append(rows.hole_of(row))\n",
        "                pass\n",
    ),
    Mutation(
        "a hole is told twice, once by the journal and once more live",
        "store/journal.py",
        'f"SELECT {rows.HOLE} FROM hole WHERE seq > ? ORDER BY seq", (after,)',
        'f"SELECT {rows.HOLE} FROM hole WHERE seq >= ? ORDER BY seq", (after,)',
    ),
    Mutation(
        "the counter is the highest number that is left",
        "store/writing.py",
        "self._head = self._marks.head",
        'self._head = connection.execute("SELECT max(coalesce(max(added_seq), 0),'
        ' coalesce(max(live_seq), 0)) FROM killmail").fetchone()[0]',
    ),
    Mutation(
        "a part of the archive takes no number",
        "store/loading.py",
        "head=before.head + 1",
        "head=before.head",
    ),
    Mutation(
        "what was pruned comes back from the archive",
        "store/loading.py",
        "AND killmail_id NOT IN (SELECT killmail_id FROM main.tombstone)",
        "",
    ),
    Mutation(
        "what the archive brought first is never announced",
        "store/writing.py",
        "announced = announce and facts.live_seq is None",
        "announced = announce and facts.live_seq is None and row[-2] != BARE",
    ),
    Mutation(
        "what a history stored of a hole is not announced when that is repaired",
        "store/reading.py",
        "WHERE killmail_id = ? AND live_seq IS NULL",
        "WHERE killmail_id = ? AND live_seq IS NULL AND named < 0",
    ),
    Mutation(
        "an alliance is not looked for in the live part",
        "partition.py",
        "or not facts.alliance_ids.isdisjoint(self.alliance_ids)",
        "",
    ),
    Mutation(
        "corporations and alliances are no part of a filter's name",
        "partition.py",
        "if self.corporation_ids or self.alliance_ids:",
        "if False:",
    ),
    Mutation(
        "a span of hours that slides on a resume",
        "stream/opening.py",
        "return Opening(cursor, resumed=True)",
        "return Opening(attrs.evolve(cursor, cutoff=wish.cutoff(now, marks))"
        " if isinstance(cursor, Starting) and wish.since else cursor, resumed=True)",
    ),
    Mutation(
        "how complete a history is, is asked when it has been told",
        "stream/replay.py",
        "report = report or await self._report_again(cursor)",
        "report = await self._report(cursor.snapshot.cutoff)",
    ),
    Mutation(
        "a history becomes complete on a resume",
        "stream/replay.py",
        "        if cursor.complete:\n            return report\n",
        "        return report\n",
    ),
    Mutation(
        "batches are cut anew on a resume",
        "stream/replay.py",
        "for number in range(plan.done + 1, plan.batches + 1):",
        "for number in range(1, plan.batches - plan.done + 1):",
    ),
    Mutation(
        "more batches are looked for from where the history begins",
        "stream/batches.py",
        "await self._find(self._after)",
        "await self._find(Place())",
    ),
    Mutation(
        "of what is read together the first batch has all",
        "stream/batches.py",
        "list(islice(bodies, len(cut.ids)))",
        "list(bodies)",
    ),
    Mutation(
        "what is read ahead is what there is already",
        "stream/batches.py",
        "islice(self._cuts, len(self._ready), None)",
        "self._cuts",
    ),
    Mutation(
        "where batches are many, one is looked for twice",
        "store/histories.py",
        "elif not self.full:",
        "elif self._kept <= self._limits.ahead:",
    ),
]


def caught(mutation: Mutation) -> int | None:
    """
    The first world that goes wrong with *mutation* made.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copytree(TOP / "wanderer_twisted", copy / "wanderer_twisted")
        shutil.copytree(TOP / "tests", copy / "tests")
        wrong = mutation.source.replace(mutation.right, mutation.wrong)
        (copy / "wanderer_twisted" / mutation.file).write_text(wrong)
        return first_wrong(copy, WORLDS)


def first_wrong(top: Path, worlds: int) -> int | None:
    """
    The first of so many worlds that goes wrong with the package below *top*.
    """
    run = subprocess.run(
        [sys.executable, "-m", "tests.worlds", str(worlds)],
        cwd=top,
        env={**os.environ, "PYTHONPATH": str(top)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    last = run.stdout.splitlines()[-1:]
    if run.returncode and not (last and last[0].startswith(WENT_WRONG)):
        raise RuntimeError(run.stderr)  # it did not even begin
    return int(last[0].removeprefix(WENT_WRONG)) if run.returncode else None


def main() -> int:
    wanted = [int(each) for each in sys.argv[1:]] or list(range(len(MUTATIONS)))
    found = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {pool.submit(caught, MUTATIONS[number]): number for number in wanted}
        for run in as_completed(runs):
            number, world = runs[run], run.result()
            if world is not None:
                found.append(world)
            said = "NOT CAUGHT" if world is None else f"in world {world}"
            print(f"{number:3} {said:13} {MUTATIONS[number].mistake}", flush=True)
    print(f"{len(found)} of {len(wanted)} mistakes caught")
    alone = first_wrong(TOP, max(found, default=0) + 1)
    if alone is not None:
        print(f"without any mistake world {alone} goes wrong too")
    return 1 if len(found) < len(wanted) or alone is not None else 0


if __name__ == "__main__":
    sys.exit(main())
