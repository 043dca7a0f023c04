"""
requests-sse, which comes back by itself.
"""

from requests import RequestException
from requests_sse import EventSource
from telling import tell, tell_event, url


def main() -> None:
    with EventSource(url(), timeout=75) as source:
        for event in source:
            tell_event(event.type, event.last_event_id, event.data)


try:
    main()
except RequestException as error:
    tell(ended=repr(error))
