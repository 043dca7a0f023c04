"""
One settings file, loaded or refused.
"""

from pathlib import Path

from tests.support.cases import SyncCase
from wanderer_twisted.config import ConfigError, Settings, load_settings


class ConfigCase(SyncCase):
    """
    A test case with one settings file.
    """

    def setUp(self) -> None:
        self.path = self.mktemp()

    def load(self, text: str | bytes, **options: object) -> Settings:
        Path(self.path).write_bytes(text.encode() if isinstance(text, str) else text)
        return load_settings(self.path, options)

    def refuse(self, text: str | bytes, line: str, **options: object) -> None:
        """
        :param line: the whole message, behind the file's name.
        """
        error = self.assertRaises(ConfigError, self.load, text, **options)
        self.assertEqual(str(error), f"{self.path}: {line}")

    def refuse_value(self, key: str, text: str, found: str, allowed: str) -> None:
        """
        :param key: dotted, of a key in a section.
        :param text: the value as it stands in the file.
        """
        section, name = key.split(".")
        self.refuse(
            f"{section}: {{{name}: {text}}}",
            f"{key}: found {found}, allowed: {allowed}",
        )
