"""A server that is given its socket by the supervisor, so that a restart loses no request.

It answers each request with its process id. Asked to stop, it takes nobody more and ends: who has connected since waits in
the socket for the next run.
"""

import os
import select
import signal
import socket
import sys


def answer(connection):
    connection.settimeout(5)
    with connection, connection.makefile("rb") as request:
        while request.readline() not in (b"\r\n", b"\n", b""):
            pass
        body = f"{os.getpid()}\n"
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall((head + body).encode())


if os.environ.get("LISTEN_PID") != str(os.getpid()):
    sys.exit("nobody has handed over a socket; run it with examples/activated.yaml")
listener = socket.socket(fileno=3)  # The first that is handed over is always 3.
woken, wakes = socket.socketpair()
wakes.setblocking(False)
signal.set_wakeup_fd(wakes.fileno())  # The signal can be waited for beside the socket.
signal.signal(signal.SIGTERM, lambda *_: None)
print("serving", flush=True)
while woken not in select.select([listener, woken], [], [])[0]:
    connection, _ = listener.accept()
    try:
        answer(connection)
    except OSError:
        pass  # Who asked has gone, or has said nothing.
