"""
``curl -N`` in a loop, as a shell script would have it.
"""

import subprocess
import time

from telling import tell, tell_event, url

#: Seconds between two tries: what the server says is not heeded, as in a shell.
PAUSE = 1.0


def main() -> None:
    cursor = ""
    while True:
        command = ["curl", "--no-buffer", "--silent", "--show-error", "--compressed"]
        command += ["--fail", *(["-H", f"Last-Event-ID: {cursor}"] if cursor else [])]
        with subprocess.Popen([*command, url()], stdout=subprocess.PIPE) as curl:
            assert curl.stdout is not None
            name, data, id = "message", "", ""
            for line in curl.stdout:
                field, _, value = line.decode().rstrip("\n").partition(": ")
                match field:
                    case "event":
                        name = value
                    case "data":
                        data = value
                    case "id":
                        id = value
                    case "":
                        tell_event(name, id, data)
                        cursor = id or cursor
                        name, data, id = "message", "", ""
        tell(curl_ended=curl.returncode)
        time.sleep(PAUSE)


main()
