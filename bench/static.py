"""
Serves a folder of gzipped files, as a process of its own: ``python -m bench.static
FOLDER``. It says on which port, and ends with its standard input; then it tells how
many bytes of bodies it sent.
"""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """
    :cvar files: what there is, by path.
    :cvar sent: bytes.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    files: dict[str, Path]
    sent = 0

    def do_GET(self) -> None:
        path = self.files.get(self.path)
        body = b"" if path is None else path.read_bytes()
        self.send_response(404 if path is None else 200)
        if path is not None:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        Handler.sent += len(body)

    def log_message(self, format: str, *values: Any) -> None:
        """
        Nobody reads it.
        """


def main(folder: str) -> None:
    root = Path(folder)
    Handler.files = {
        f"/{path.relative_to(root)}".removesuffix(".gz"): path
        for path in root.rglob("*.gz")
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    print(Handler.sent, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
