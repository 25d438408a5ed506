#!/usr/bin/env python3
"""Asks a running target anything that its control socket takes, with nothing but the standard library.

  steer.py SOCKET state
  steer.py SOCKET why '{"child_path": "/web"}'
  steer.py SOCKET events.subscribe
  steer.py SOCKET command.restart_child '{"target": {"child_path": "/web"}, "reason": "new settings"}'
"""
import json, os, socket, sys, time


class Target:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("rw", encoding="utf-8")
        self.pushed = []  # What was pushed before an answer came.

    def read(self):
        if not (line := self.lines.readline()):
            raise ConnectionError("the target has closed the connection")
        return json.loads(line)

    def ask(self, method, **params):
        print(json.dumps({"request_id": "1", "method": method, "params": params}), file=self.lines, flush=True)
        while "request_id" not in (line := self.read()):
            self.pushed.append(line)
        if not line["ok"]:
            raise RuntimeError("{code}: {message}".format(**line["error"]))
        return line["result"]

    def command(self, word, **params):
        usual = {"command_id": os.urandom(16).hex(), "target_id": self.ask("hello")["registration"]["target_id"],
                 "command": word, "target": {"child_path": None, "child_manifest": None}, "confirmed": True,
                 "requested_by": os.environ.get("USER", "steer.py"), "requested_at_unix_nanos": time.time_ns()}
        return self.ask("command." + word, **usual | params)

    def follow(self, method, **params):
        yield self.ask(method, session_established=True, **params)
        while True:
            yield self.pushed.pop(0) if self.pushed else self.read()


def main(path, method, params="{}"):
    target, params, word = Target(path), json.loads(params), method.removeprefix("command.")
    if method in ("events.subscribe", "logs.tail"):
        for line in target.follow(method, **params):
            print(json.dumps(line), flush=True)
    print(json.dumps(target.command(word, **params) if word != method else target.ask(method, **params)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (OSError, RuntimeError) as error:
        sys.exit(f"steer.py: {error}")
