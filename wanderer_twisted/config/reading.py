"""
From YAML files and the command line's options to settings and tokens.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from wanderer_twisted.config.faults import (
    ConfigError,
    Fault,
    explain,
    faults,
    malformed,
    one_line,
)
from wanderer_twisted.config.settings import Settings
from wanderer_twisted.config.tokens import Token, TokensFile, repeated


def load_settings(
    path: str | None = None,
    options: Mapping[str, object] | None = None,
    may_be_empty: bool = True,
) -> Settings:
    """
    Read and check the settings. Options win over the file, the file over defaults.

    :param path: a YAML file; None for the defaults.
    :param options: by the names of their keys (``listen``, ``database``); an option
        that is None was not given.
    :param may_be_empty: take a file without a key.
    :raises ConfigError: something is wrong.
    """
    given = {key: value for key, value in (options or {}).items() if value is not None}
    document = {} if path is None else _read(path)
    if path is not None and not (document or may_be_empty):
        raise ConfigError(f"{path}: there is nothing in it")
    if isinstance(document, dict):
        document = {**document, **given}
    try:
        settings = msgspec.convert(document, Settings)
    except msgspec.ValidationError as error:
        raise _refusal(path, given, explain(document, error, Settings)) from None
    for fault in faults(settings):
        raise _refusal(path, given, fault)
    return settings


def load_tokens(path: str) -> tuple[Token, ...]:
    """
    Read and check the file of tokens.

    :raises ConfigError: something is wrong.
    """
    document = _read(path)
    try:
        file = msgspec.convert(document, TokensFile)
    except msgspec.ValidationError as error:
        raise _refusal(path, {}, explain(document, error, TokensFile)) from None
    for fault in (*malformed(file), *repeated(file)):
        raise _refusal(path, {}, fault)
    return file.tokens


def _refusal(
    path: str | None, given: Mapping[str, object], fault: Fault
) -> ConfigError:
    if re.split(r"[.\[]", fault.key)[0] in given:
        return ConfigError(f"--{fault.key.replace('_', '-')}: {fault.text}")
    return ConfigError(": ".join(filter(None, (path, fault.key, fault.text))))


class _Loader(yaml.SafeLoader):
    """
    YAML without two of its traps: a key given twice is a mistake, a date is text.
    """

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} is given twice", key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if not each[0].endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _read(path: str) -> Any:
    """
    :returns: the document; an empty mapping where there is none.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: cannot be read: {reason}") from None
    try:
        document = yaml.load(data, _Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        problem = one_line(error.problem)
        raise ConfigError(f"{path}: line {line}: {problem}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not YAML: nested too deeply") from None
    except Exception as error:  # what PyYAML lets through, as for !!int x
        raise ConfigError(f"{path}: not YAML: {one_line(error)}") from None
    return {} if document is None else document
