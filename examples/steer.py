#!/usr/bin/env python3
"""steer.py SOCKET METHOD [PARAMS]: asks a running target, and prints the answer and what is pushed.
Such as: steer.py S command.pause_child '{"target": {"child_path": "/web"}, "reason": "new"}'"""
import json
import os
import socket
import sys


def ask(lines, method, params):
    request = {"request_id": "1", "method": method, "params": params}
    print(json.dumps(request), file=lines, flush=True)
    return json.loads(lines.readline())


path, method, *rest = sys.argv[1:]
params = {"session_established": True} | json.loads(rest[0] if rest else "{}")
target = socket.socket(socket.AF_UNIX)
target.connect(path)
lines = target.makefile("rw", encoding="utf-8")
if method.startswith("command."):
    target_id = ask(lines, "hello", {})["result"]["registration"]["target_id"]
    params = {"command": method.removeprefix("command."), "command_id": os.urandom(16).hex(),
              "target_id": target_id, "confirmed": True, "requested_by": "steer.py"} | params
answer = ask(lines, method, params)
print(json.dumps(answer), flush=True)
if answer["ok"] and answer["result"]["type"] == "subscription":
    for line in lines:
        print(line, end="", flush=True)
sys.exit(not answer["ok"])
