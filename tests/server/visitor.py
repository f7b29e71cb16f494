# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server of this build as programs from outside see it: browsers, clients, test tools."""
import contextlib
import http.client
import json
import os
import traceback

import service
from service import Failure, check, equal, until  # noqa: F401  (for the tests)

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = service.ROOT
BINARY = service.BINARY


def near(found, wanted, tolerance, what):
    check(abs(found - wanted) <= tolerance, f"{what}: {found}, expected {wanted} within {tolerance}")


def media(name):
    """The path of a file of tests/media."""
    return os.path.join(service.MEDIA, name)


def comment(text):
    for line in text.splitlines():
        print("# " + line, flush=True)


class Site(service.Server):
    @property
    def base(self):
        return f"http://127.0.0.1:{self.port}"

    def fetch(self, method, path, body=None, headers=None):
        """Status, headers and body of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=service.WAIT)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def json(self, method, path, body=None, headers=None, status=200):
        found, _, content = self.fetch(method, path, body, headers)
        equal(found, status, f"status of {method} {path} ({content[:300]!r})")
        return json.loads(content)


def main(tests, skip=None):
    """Runs the methods of `tests` called test_...; one that returns a string was skipped for that reason, `skip` is a
    reason for all."""
    if skip:
        print(f"1..0 # SKIP {skip}")
        return
    names = [name for name in dir(tests) if name.startswith("test_")]
    print(f"1..{len(names)}", flush=True)
    for number, name in enumerate(names, 1):
        title = name[5:].replace("_", " ")
        try:
            reason = getattr(tests, name)()
        except Exception as failure:  # any: the next test runs
            comment(str(failure) if isinstance(failure, Failure) else traceback.format_exc()[-4000:])
            print(f"not ok {number} - {title}", flush=True)
        else:
            print(f"ok {number} - {title}" + (f" # SKIP {reason}" if reason else ""), flush=True)
