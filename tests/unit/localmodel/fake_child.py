"""A child without a model, run as a program: `fake_child.py BEHAVIOUR…`. It answers /health, and its pid on /pid."""

import http.server
import json
import os
import signal
import sys
import threading
from pathlib import Path

from puyun.localmodel.lifeline import die_with_parent, until_parent_ends


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if "sick" in sys.argv else 200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode() if self.path == "/pid" else b"{}")

    def log_message(self, *_):
        pass


def main():
    order = json.loads(sys.stdin.buffer.readline())
    for argument in sys.argv:
        if argument.startswith("note="):
            with Path(argument.removeprefix("note=")).open("a") as note:
                note.write(json.dumps({"order": order, "argv": sys.argv}) + "\n")
    if "fail" in sys.argv:
        sys.exit("no luck today")
    if "mute" in sys.argv:
        until_parent_ends(sys.stdin.buffer)
    if "refuse" in sys.argv:
        sys.exit(print(json.dumps({"failure": "the engine cannot serve that"}), flush=True))
    if "babble" in sys.argv:
        print("hello", flush=True)
    if "deaf" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "deathsig" in sys.argv:
        die_with_parent()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": server.server_port}), flush=True)
    if "loud" in sys.argv:
        print("x" * 1_000_000, file=sys.stderr, flush=True)
        print("x" * 1_000_000, flush=True)
    if "deathsig" in sys.argv:
        threading.Event().wait()
    until_parent_ends(sys.stdin.buffer)
    os._exit(0)


if __name__ == "__main__":
    main()
