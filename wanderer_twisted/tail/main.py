"""
The console script: from a command line to an exit status.
"""

import signal
import sys
from io import TextIOWrapper
from typing import Any, Final, NoReturn

from twisted.internet.task import react
from twisted.python import usage
from twisted.web.client import Agent, ContentDecoderAgent, GzipDecoder
from twisted.web.iweb import IAgent

from wanderer_twisted.tail.follower import Follower, Refused, Unavailable
from wanderer_twisted.tail.options import Options
from wanderer_twisted.tail.reader import HistoryTold, Reader
from wanderer_twisted.tail.screen import NAME, Screen
from wanderer_twisted.terminal import abandon, check_outputs

#: Exit statuses; Options.longdesc tells them to users.
WELL: Final = 0
FAILED: Final = 1
MISUSED: Final = 2
INCOMPLETE: Final = 3
SIGNALLED: Final = 128  # and its number


async def run(reactor: Any, agent: IAgent, options: Options, screen: Screen) -> int:
    """
    Follow the stream to whatever end.

    :returns: the exit status.
    """
    reader = Reader(
        screen,
        options.side,
        as_json=options["json"],
        follow=not options["no-follow"],
        cursor_file=options.cursor_file,
    )
    follower = Follower(agent, reactor, options.request, reader, options.cursor)
    stopped = WELL

    def stop(number: int, _: object) -> None:
        nonlocal stopped
        stopped = SIGNALLED + number
        signal.signal(number, signal.SIG_DFL)  # the next one ends us, come what may
        reactor.callFromThread(follower.stop)

    def listen_to_signals() -> None:  # when the reactor has set its own handlers
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)

    reactor.callWhenRunning(listen_to_signals)
    try:
        await follower.start()
        return stopped
    except HistoryTold as end:
        return WELL if end.complete else INCOMPLETE
    except BrokenPipeError:
        abandon(sys.stdout, sys.stderr)
        return WELL
    except (Refused, Unavailable) as error:
        screen.warn(str(error))
    except OSError as error:
        screen.warn(f"{error.filename or 'output'}: {error.strerror}")
    finally:
        screen.wipe()
    return FAILED


async def _run(reactor: Any, options: Options) -> None:
    agent = Agent(reactor, connectTimeout=10)
    # What the decoder gets it hands on at once, flush by flush.
    unzipping = ContentDecoderAgent(agent, [(b"gzip", GzipDecoder)])
    screen = Screen(sys.stdout, sys.stderr, options.plain)
    raise SystemExit(await run(reactor, unzipping, options, screen))


def main() -> NoReturn:
    """
    The console script.
    """
    check_outputs(NAME)
    options = Options()
    try:
        options.parseOptions()
    except usage.UsageError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        sys.exit(MISUSED)
    except BrokenPipeError:  # of the help
        abandon(sys.stdout, sys.stderr)
        sys.exit(WELL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # whatever its encoding lacks
            stream.reconfigure(errors="replace")
    react(_run, (options,))
    raise AssertionError("react() ends the process")
