"""
What the package holds, and what importing its parts brings along.
"""

import subprocess
import sys
from pathlib import Path

from tests.support.cases import SyncCase

ROOT = Path(__file__).parent.parent


def run_python(code: str, *arguments: str, cwd: str | Path = ROOT) -> str:
    """
    What *code* prints in a fresh interpreter.
    """
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout


def modules_after(statements: str) -> set[str]:
    """
    The modules that a fresh interpreter has loaded after *statements*.
    """
    return set(run_python(f"import sys\n{statements}\nprint(*sys.modules)").split())


def import_all(package: str, but: str = "") -> str:
    """
    Statements that import a package and every module in it.

    :param but: a module to leave out.
    """
    return (
        f"import pkgutil, {package} as package\n"
        "for module in pkgutil.iter_modules(package.__path__):\n"
        f"    if module.name != {but!r}:\n"
        "        __import__(f'{package.__name__}.{module.name}')"
    )


class PluginTests(SyncCase):
    """
    How twistd finds us.
    """

    def test_twisted_stays_whole(self) -> None:
        """
        The checkout's ``twisted`` folders are no packages: one would hide Twisted
        itself, the other its plugins.
        """
        for folder in ("twisted", "twisted/plugins"):
            self.assertFalse((ROOT / folder / "__init__.py").exists())
            self.assertTrue((ROOT / folder).is_dir())

    def test_both_are_listed(self) -> None:
        """
        From another folder, ``twistd --help`` lists the server and the simulator.
        """
        folder = self.mktemp()
        Path(folder).mkdir()
        code = "from twisted.scripts.twistd import run; run()"
        listed = run_python(code, "--help", cwd=folder).split()
        self.assertIn("wanderer-sse", listed)
        self.assertIn("wanderer-simulator", listed)


class ImportTests(SyncCase):
    """
    What a fresh interpreter loads.
    """

    def test_stream_knows_no_http(self) -> None:
        """
        The streams' logic brings in neither an HTTP server nor a client.
        """
        loaded = modules_after(import_all("wanderer_twisted.stream"))
        self.assertIn("wanderer_twisted.stream.session", loaded)
        self.assertEqual(loaded & {"twisted.web", "klein", "treq"}, set())

    def test_values_know_no_twisted(self) -> None:
        """
        Killmails, the partition and records are plain values.
        """
        loaded = modules_after(
            "import wanderer_twisted.killmail, wanderer_twisted.partition\n"
            "import wanderer_twisted.records"
        )
        self.assertEqual({n for n in loaded if n.split(".")[0] == "twisted"}, set())

    def test_reactor_is_left_to_twistd(self) -> None:
        """
        No module below the web installs a reactor when it is imported (klein does, and
        conch for the manhole), nor does the command line.
        """
        folders = ("config", "sources", "store", "stream")
        packages = [f"wanderer_twisted.{folder}" for folder in folders]
        modules = ["history", "ingest", "interfaces"]
        single = ", ".join(f"wanderer_twisted.{module}" for module in modules)
        statements = [
            *map(import_all, packages),
            import_all("wanderer_twisted.ops", but="manhole"),
            f"import {single}, wanderer_twisted.tap",
        ]
        loaded = modules_after("\n".join(statements))
        self.assertIn("wanderer_twisted.config.settings", loaded)
        self.assertEqual(loaded & {"twisted.internet.reactor"}, set())
