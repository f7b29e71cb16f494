# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server of this build for a test, requests to it byte by byte, and the test protocol.

    BINARY = the first argument of the test's command line; main() runs the functions it is given."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
MEDIA = os.path.join(ROOT, "tests", "media")
BINARY = sys.argv[1] if len(sys.argv) > 1 else ""
WAIT = 120  # seconds until a test gives up: generous, as sanitized programs on a busy machine are slow


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def equal(found, expected, what):
    check(found == expected, f"{what}: {found!r} instead of {expected!r}")


def media(name):
    with open(os.path.join(MEDIA, name), "rb") as file:
        return file.read()


class Answer:
    """status, headers (lower-case names), body"""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        equal(self.headers.get("content-type"), "application/json", "content type")
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


class Connection:
    """A socket on which requests are written as they are given."""

    def __init__(self, port, address="127.0.0.1", source=None):
        self.socket = socket.create_connection((address, port), WAIT, source_address=(source, 0) if source else None)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())
        return self

    def more(self):
        data = self.socket.recv(1 << 16)
        self.rest += data
        return bool(data)

    def until(self, mark):
        while mark not in self.rest:
            check(self.more(), f"the connection ended after {self.rest[:200]!r}")
        head, self.rest = self.rest.split(mark, 1)
        return head

    def take(self, size):
        while len(self.rest) < size:
            check(self.more(), "the body is cut short")
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def head(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.[01] (\d{3}) .*", lines[0])
        check(match, f"not a status line: {lines[0]!r}")
        return int(match.group(1)), {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}

    def answer(self, method="GET"):
        status, headers = self.head()
        while status == 100:
            status, headers = self.head()
        if method == "HEAD" or status == 204:
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size = int(self.until(b"\r\n"), 16)
                body += self.take(size)
                equal(self.take(2), b"\r\n", "end of a chunk")
                if size == 0:
                    return Answer(status, headers, body)
        return Answer(status, headers, self.take(int(headers["content-length"])))

    def closed(self):
        """Waits until the server closes the connection; what it still sent."""
        try:
            while self.more():
                pass
        except ConnectionError:
            pass
        return self.rest


def message(method, path, body=None, **headers):
    """The bytes of a request; header names with _ for -."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None and not any(name.lower() in ("content_length", "transfer_encoding") for name in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def multipart(*parts, boundary="boundary0815"):
    """(content type, body) of parts (name, data)"""
    body = b"".join(b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="x"\r\n\r\n%s\r\n' %
                    (boundary.encode(), name.encode(), data) for name, data in parts)
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


class Server:
    """A running server on a port of its own; options as on the command line, and more of subprocess.Popen's."""

    def __init__(self, *options, env=None, popen=None):
        self.lines = []
        self.process = subprocess.Popen([BINARY, "--port", "0", *options], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, **(env or {})}, **(popen or {}))
        self.ready = threading.Event()
        self.port = None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        check(self.ready.wait(WAIT) and self.port, f"the server did not start: {self.lines}")

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            match = re.search(r"ready at https?://.*:(\d+)/", line)
            if match:
                self.port = int(match.group(1))
                self.ready.set()
        self.ready.set()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(WAIT)
        self.reader.join(WAIT)
        if error is None:
            equal(status, 0, f"exit status after SIGTERM; it said {self.lines[-20:]}")
            for line in self.lines:
                check("Sanitizer" not in line and "runtime error" not in line, line)

    def connect(self, source=None):
        return Connection(self.port, source=source)

    def ask(self, method, path, body=None, source=None, **headers):
        with self.connect(source) as connection:
            return connection.send(message(method, path, body, **headers)).answer(method)

    def classify(self, data, query="", **headers):
        return self.ask("POST", "/classify" + query, data, **headers)

    def metric(self, name):
        for line in self.ask("GET", "/metrics").body.decode().splitlines():
            if line.rsplit(" ", 1)[0] == name:
                return float(line.rsplit(" ", 1)[1])
        raise Failure(f"there is no metric {name}")

    def children(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            known = [int(word) for word in file.read().split()]
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/children", encoding="ascii") as file:
                known += [int(word) for word in file.read().split()]
        return sorted(set(known))


def until(condition, what):
    """Waits for something that is bound to happen."""
    end = time.monotonic() + WAIT
    while not condition():
        check(time.monotonic() < end, f"{what} did not happen")
        time.sleep(0.02)


def main(*tests):
    """Runs functions; one that returns a string was skipped for that reason."""
    print(f"1..{len(tests)}", flush=True)
    failed = False
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("_", " ")
        try:
            reason = test()
            print(f"ok {number} - {name}" + (f" # SKIP {reason}" if reason else ""), flush=True)
        except Exception as error:  # whatever it is, the next test runs
            failed = True
            text = str(error) if isinstance(error, Failure) else traceback.format_exc()
            print(f"not ok {number} - {name}\n# " + text.replace("\n", "\n# "), flush=True)
    sys.exit(failed)
