"""
What operators copy from etc/, and the image: held against the code.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from twisted.scripts.twistd import ServerOptions

from tests.support.cases import SyncCase
from wanderer_twisted.config import Settings
from wanderer_twisted.tap import Options

ROOT = Path(__file__).parent.parent
ETC = ROOT / "etc"
SYSTEMD = shutil.which("systemd-analyze") or ""


class Case(SyncCase):
    """
    A folder in the place of those that a command line names.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        shutil.copy(ETC / "wanderer.yaml", self.folder)

    def parse(self, command: list[str], **places: str) -> Options:
        """
        Read a command line as twistd does.

        :param places: folders that are not on this machine: what is in them is looked
            for in this test's.
        """
        for place in places.values():
            command = [each.replace(place, str(self.folder)) for each in command]
        program, *arguments = command
        self.assertEqual(Path(program).name, "twistd")
        options = ServerOptions()
        options.parseOptions(arguments)
        self.assertTrue(options["nodaemon"])
        self.assertEqual(options["pidfile"], "")
        self.assertTrue(callable(options["logger"]))
        self.assertEqual(options.subCommand, "wanderer-sse")
        found = options.subOptions
        assert isinstance(found, Options)
        return found


class SystemdTests(Case):
    """
    The units.
    """

    def setUp(self) -> None:
        super().setUp()
        self.service = self.read("wanderer-sse.service")
        self.socket = self.read("wanderer-sse.socket")

    def read(self, name: str) -> dict[str, dict[str, list[str]]]:
        """
        A unit: the values of each key, by section.
        """
        found: dict[str, dict[str, list[str]]] = {}
        text = (ETC / name).read_text().replace("\\\n", " ")
        for line in text.splitlines():
            if line.startswith("["):
                section = found.setdefault(line.strip("[]"), {})
            elif line and not line.startswith("#"):
                key, _, value = line.partition("=")
                section.setdefault(key, []).append(value)
        return found

    def test_command(self) -> None:
        """
        The command line is one of ours, with the settings where the comment says.
        """
        (command,) = self.service["Service"]["ExecStart"]
        options = self.parse(shlex.split(command), settings="/etc/wanderer")
        self.assertEqual(options["config"], f"{self.folder}/wanderer.yaml")
        text = (ETC / "wanderer-sse.service").read_text()
        for path in ("/opt/wanderer/venv", "/etc/wanderer/wanderer.yaml"):
            self.assertIn(path, text.partition("[Unit]")[0])
            self.assertIn(path, command)

    def test_folders(self) -> None:
        """
        Where the documentation has it make sockets it may.
        """
        text = (ROOT / "docs" / "operations.rst").read_text()
        folders = {
            str(Path(path).parent) for path in re.findall(r"unix:(/[^:`]+)", text)
        }
        service = self.service["Service"]
        (state,), (runtime,) = service["StateDirectory"], service["RuntimeDirectory"]
        self.assertEqual(folders, {f"/var/lib/{state}", f"/run/{runtime}"})

    def test_limits(self) -> None:
        """
        Room for all streams that the settings allow, and time for a stop.
        """
        service = self.service["Service"]
        streams = Settings().limits.connections
        self.assertGreaterEqual(int(service["LimitNOFILE"][0]), streams + 2000)
        self.assertGreaterEqual(int(service["TimeoutStopSec"][0]), 75)

    def test_socket(self) -> None:
        """
        Has the name that the settings would call it by, and the port of the defaults.
        """
        text = (ETC / "wanderer-sse.socket").read_text()
        (name,) = self.socket["Socket"]["FileDescriptorName"]
        self.assertIn(f'listen: ["systemd:domain=INET:name={name}"]', text)
        host, port = self.socket["Socket"]["ListenStream"][0].split(":")
        self.assertEqual(f"tcp:{port}:interface={host}", Settings().listen[0])

    def test_what_systemd_says(self) -> None:
        """
        Nothing about the units themselves, and of their safety that it is fine.
        """
        if not SYSTEMD:
            self.skipTest("systemd-analyze is not installed (Debian: systemd)")
        here = str(Path(sys.executable).parent)
        for name in ("wanderer-sse.service", "wanderer-sse.socket"):
            text = (ETC / name).read_text().replace("/opt/wanderer/venv/bin", here)
            (self.folder / name).write_text(text)
        service = str(self.folder / "wanderer-sse.service")
        self.analyze(
            "verify", "--man=no", service, f"{self.folder}/wanderer-sse.socket"
        )
        self.analyze("security", "--offline=true", "--threshold=15", service)

    def analyze(self, what: str, *arguments: str) -> None:
        told = subprocess.run(
            [SYSTEMD, what, *arguments], capture_output=True, text=True, timeout=60
        )
        self.assertEqual((told.returncode, told.stderr), (0, ""), told.stdout)

    def test_memory(self) -> None:
        """
        The one restriction that would break it: cffi makes callbacks in memory that it
        may both write and execute, and TLS needs those.
        """
        self.assertNotIn("MemoryDenyWriteExecute", self.service["Service"])


class ImageTests(Case):
    """
    The Dockerfile, as far as it can be read without Docker.
    """

    def setUp(self) -> None:
        super().setUp()
        text = (ROOT / "Dockerfile").read_text()
        text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
        lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
        self.steps = [(name, rest.strip()) for name, rest in lines]

    def values(self, name: str) -> list[str]:
        return [rest for step, rest in self.steps if step == name]

    def test_known(self) -> None:
        """
        Nothing but what a Dockerfile knows, in two stages on the same Python, which is
        one that the package runs on.
        """
        known = {
            *("FROM", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE"),
            *("STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT"),
        }
        self.assertLessEqual({name for name, _ in self.steps}, known)
        build, last = self.values("FROM")
        self.assertEqual(build, f"{last} AS build")
        self.assertIn('python_requires=">=3.11"', (ROOT / "setup.py").read_text())
        self.assertRegex(last, r"^python:3\.1[1-9]-slim$")

    def ignored(self, path: Path) -> bool:
        """
        Whether .dockerignore keeps a file out; the last line that matches counts.
        """
        name = str(path.relative_to(ROOT))
        out = False
        for line in (ROOT / ".dockerignore").read_text().splitlines():
            pattern = line.removeprefix("!").removeprefix("**/")
            whole = name if pattern == line.removeprefix("!") else path.name
            if fnmatch(whole, pattern) or whole.startswith(f"{pattern}/"):
                out = not line.startswith("!")
        return out

    def test_sources(self) -> None:
        """
        What is copied is there, and is not ignored; what is not is.
        """
        copied = []
        for rest in self.values("COPY"):
            *sources, _ = rest.split()
            for source in sources:
                path = ROOT / source
                self.assertTrue(path.exists(), source)
                self.assertFalse(self.ignored(path), source)
                copied.append(path)
        for name in ("wanderer_twisted/tap.py", "wanderer_twisted/simulator/data/x"):
            self.assertFalse(self.ignored(ROOT / name), name)
        for name in (
            *(".git/config", "wanderer.db", "tests/cases.py", "docs/design.rst"),
            *("wanderer_twisted/ops/tap.pyc", "twisted/plugins/dropin.cache"),
        ):
            self.assertTrue(self.ignored(ROOT / name), name)
        # All that setup.py reads.
        read = re.findall(r'Path\("([^"]+)"\)', (ROOT / "setup.py").read_text())
        for name in (*read, "pyproject.toml", "LICENSE"):
            inside = any((ROOT / name).is_relative_to(path) for path in copied)
            self.assertTrue(inside, name)

    def test_command(self) -> None:
        """
        The command line is one of ours: reachable from outside, with its data in the
        volume, unless it is the demo's, and settings that can be replaced.
        """
        (command,) = self.values("ENTRYPOINT")
        options = self.parse(json.loads(command), settings="/etc/wanderer")
        (port,) = self.values("EXPOSE")
        settings = options.settings
        self.assertEqual(settings.listen, (f"tcp:{port}",))
        self.assertIsNone(options["database"])  # it would hold for --demo, too
        self.assertEqual(settings.database_path, "wanderer.db")
        self.assertEqual(self.values("VOLUME"), ["/data"])
        self.assertEqual(self.values("WORKDIR")[-1], "/data")
        self.assertIn(
            "etc/wanderer.yaml /etc/wanderer/wanderer.yaml", self.values("COPY")
        )

    def test_user(self) -> None:
        """
        Runs as nobody of importance, from before its volume is made.
        """
        names = [name for name, _ in self.steps]
        (user,) = self.values("USER")
        self.assertIn("useradd", self.values("RUN")[-1])
        self.assertTrue(self.values("RUN")[-1].endswith(f" {user}"))
        self.assertLess(names.index("USER"), names.index("VOLUME"))
        self.assertEqual(self.values("STOPSIGNAL"), ["SIGTERM"])


class ProxyTests(SyncCase):
    """
    nginx's and Caddy's configurations; that they work is in
    tests/test_process_proxies.py.
    """

    def test_ports(self) -> None:
        """
        Both ask where the server listens by default.
        """
        _, port, where = Settings().listen[0].split(":")
        address = f"{where.removeprefix('interface=')}:{port}"
        nginx = (ETC / "nginx.conf").read_text()
        asked = re.findall(r"proxy_pass http://([^;]+);", nginx)
        self.assertEqual(set(asked), {address})
        caddy = (ETC / "Caddyfile").read_text()
        self.assertEqual(re.findall(r"^\treverse_proxy (.+)$", caddy, re.M), [address])

    def test_patience(self) -> None:
        """
        nginx waits longer than any client may ask the heartbeats to be apart.
        """
        nginx = (ETC / "nginx.conf").read_text()
        (seconds,) = re.findall(r"^ +proxy_read_timeout (\d+)s;", nginx, re.M)
        self.assertGreaterEqual(int(seconds), 100)

    def test_no_flush_interval(self) -> None:
        """
        With it Caddy would not tell the server that a client has left.
        """
        code = re.sub("#.*", "", (ETC / "Caddyfile").read_text())
        self.assertNotIn("flush_interval", code)
        self.assertNotIn("encode", code)
