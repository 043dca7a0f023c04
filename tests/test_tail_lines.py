"""
``wanderer-tail``: a killmail in one line.
"""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from tests.support.tail import real_killmail
from wanderer_twisted.tail.lines import Painter, Side, printable, short
from wanderer_twisted.tail.wire import Killmail, read

VICTIM, ATTACKER = 2124253410, 2118452166


def line(side: Side | None = None, coloured: bool = False, **more: object) -> str:
    killmail = read(real_killmail(**more), Killmail)
    return Painter(coloured).line(killmail, side or Side())


class LineTests(SyncCase):
    """
    Of a real killmail.
    """

    def test_plain(self) -> None:
        """
        All that matters; of a stream of systems or of everything it is neither a kill
        nor a loss.
        """
        self.assertEqual(
            line(),
            "2026-03-31 09:23:11   16.1 k  Gallente Shuttle      Vera (Milk Run)"
            "  Heild  1 attacker  https://zkillboard.com/kill/134398778/",
        )

    def test_sides(self) -> None:
        """
        A loss, a kill, both, which is a loss, or neither.
        """
        for side, what in (
            (Side(characters={VICTIM}), "loss"),
            (Side(characters={ATTACKER}), "kill"),
            (Side(characters={ATTACKER, VICTIM}), "loss"),
            (Side(corporations={98828892}), "loss"),
            (Side(alliances={1}), "    "),
        ):
            self.assertEqual(line(side)[:34], f"2026-03-31 09:23:11  {what}   16.1 k")

    def test_colours(self) -> None:
        """
        A loss is red, a kill green, and what is said stays the same.
        """
        for side, colour in (
            (Side(characters={VICTIM}), "31"),
            (Side(characters={ATTACKER}), "32"),
        ):
            coloured = line(side, coloured=True)
            self.assertIn(f"\x1b[{colour}mGallente Shuttle    \x1b[0m", coloured)
            for code in (colour, "2", "0"):
                coloured = coloured.replace(f"\x1b[{code}m", "")
            self.assertEqual(coloured, line(side))

    def test_little_known(self) -> None:
        """
        Ids where there are no names, and a question mark where there is no value; a
        structure has no character.
        """
        victim = {"corporation_id": 9, "alliance_id": 8, "ship_type_id": 35832}
        self.assertEqual(
            line(victim=victim, solar_system_name="", zkb={}, attacker_count=0),
            "2026-03-31 09:23:11        ?  type 35832            corporation 9"
            " (alliance 8)  system 30004993  1 attacker"
            "  https://zkillboard.com/kill/134398778/",
        )

    @given(st.text())
    def test_nothing_to_obey(self, name: str) -> None:
        """
        No name moves the terminal, or ends its line.
        """
        victim = {"character_name": f"x{name}\x1b[2J", "ship_name": f"\r{name}\x9b1m"}
        said = line(
            victim=victim, kill_time=f"\n{name}", solar_system_name=f"\u202e{name}"
        )
        self.assertTrue(said.isprintable(), ascii(said))

    def test_printable(self) -> None:
        """
        Other scripts stay what they are.
        """
        self.assertEqual(printable("Жанна 貞子 d'Arc"), "Жанна 貞子 d'Arc")
        self.assertEqual(printable("a\x1bb\u202ec"), "a\ufffdb\ufffdc")

    def test_short(self) -> None:
        """
        Values as players write them.
        """
        for value, said in (
            (None, "?"),
            (0, "0"),
            (999.4, "999"),
            (1000, "1.0 k"),
            (999_949, "999.9 k"),
            (999_999, "1.0 m"),
            (1_234_567_890.5, "1.2 b"),
            (448_700_000_000, "448.7 b"),
            (5e16, "50,000.0 t"),
        ):
            self.assertEqual(short(value), said)
