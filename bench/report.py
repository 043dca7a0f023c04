"""
How figures are told.
"""

import argparse
import os
from collections.abc import Sequence
from statistics import median


def parser(description: str | None) -> argparse.ArgumentParser:
    """
    For what every figure can be told.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", help="killmails, .jsonl or .jsonl.gz")
    parser.add_argument("--runs", type=int, default=3, help="of which medians are told")
    return parser


def options(description: str | None) -> argparse.Namespace:
    return parser(description).parse_args()


def tell(what: str, values: Sequence[float], unit: str, note: str = "") -> None:
    """
    One line: the median, and what it is the median of.
    """
    shown = ", ".join(f"{each:.4g}" for each in sorted(values))
    load = os.getloadavg()[0]
    line = f"{what}: {median(values):.4g} {unit} ({shown}; load {load:.1f})"
    print(f"{line} {note}".rstrip(), flush=True)


def quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def ms(seconds: Sequence[float]) -> list[float]:
    return [1000 * each for each in seconds]
