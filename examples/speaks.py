"""A web server that tells its supervisor how it fares, with nothing but the standard library: speaks.py PORT"""

import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

speaker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
speaker.connect(os.environ["NOTIFY_SOCKET"])


def say(text):
    speaker.send(text.encode())


class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"all is well\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


say("STATUS=loading")
time.sleep(1)  # Work to do before it can serve.
server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Health)
say(f"READY=1\nSTATUS=serving on port {server.server_port}")
threading.Thread(target=server.serve_forever, daemon=True).start()
while True:  # As often as it has promised, twice.
    say("WATCHDOG=1")
    time.sleep(int(os.environ["WATCHDOG_USEC"]) / 2_000_000)
