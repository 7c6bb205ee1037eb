"""Koji's own client, driven by commands on standard input: one JSON list a line, one JSON answer a line.

    ["open", SERVER, {OPTIONS}]            a session of koji.ClientSession; cert and serverca for ssl_login in OPTIONS
    ["login"] / ["ssl_login"]              true, or the fault
    ["call", METHOD, [ARGS], {NAMED}]      {"value": ...} or {"fault": CODE, "text": ...}
    ["multicall", [[METHOD, [ARGS], {NAMED}], ...]]
    ["session"]                            {"id": ..., "callnum": ...}
"""

import json
import sys

import koji


class Peer:
    session = None
    options = {}

    def open(self, server, options):
        self.options = {name: options.pop(name) for name in ("cert", "serverca") if name in options}
        self.session = koji.ClientSession(server, opts=options)
        return True

    def login(self):
        return self.session.login()

    def ssl_login(self):
        return self.session.ssl_login(**self.options)

    def call(self, method, args, named):
        return getattr(self.session, method)(*args, **named)

    def multicall(self, calls):
        with self.session.multicall() as batch:
            results = [getattr(batch, method)(*args, **named) for method, args, named in calls]
        return [guarded(lambda: result.result) for result in results]

    def session_state(self):
        return {"id": self.session.sinfo["session-id"], "callnum": self.session.callnum}


def guarded(run):
    try:
        return {"value": run()}
    except koji.GenericError as error:
        return {"fault": error.faultCode, "text": str(error)}


def main():
    peer = Peer()
    actions = {
        "open": peer.open,
        "login": peer.login,
        "ssl_login": peer.ssl_login,
        "call": peer.call,
        "multicall": peer.multicall,
        "session": peer.session_state,
    }
    for line in sys.stdin:
        action, *args = json.loads(line)
        answer = guarded(lambda: actions[action](*args))
        print(json.dumps(answer, default=lambda data: data.decode("utf-8")), flush=True)


main()
