# SPDX-License-Identifier: LGPL-2.1-or-later
"""openapi.json describes what the server does: schemathesis makes requests of it, good and bad ones, and compares each
answer with it. And the other way round: each route is described.

    test_openapi.py SERVER"""
import os
import re
import subprocess
import sys
import tempfile

import visitor
from visitor import check, equal

SERVER_SOURCES = os.path.join(visitor.ROOT, "server")
# Answers without an end are not for a program that reads an answer to its end.
ENDLESS = ("/events", "/live/{id}/stream")


class Tests:
    def __init__(self, server):
        self.server = server
        self.description = server.json("GET", "/openapi.json")

    def test_schemathesis(self):
        with tempfile.TemporaryDirectory() as folder:
            command = [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "--config-file",
                       os.path.join(visitor.HERE, "schemathesis.toml"), "run", os.path.join(SERVER_SOURCES, "openapi.json"),
                       "--url", self.server.base, "--no-color"]
            for path in ENDLESS:
                command += ["--exclude-path", path]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1500,
                                  env={**os.environ, "PYTHONPATH": visitor.HERE, "SCHEMATHESIS_HOOKS": "schemathesis_hooks"})
        visitor.comment(done.stdout[-8000:])
        visitor.comment(done.stderr[-2000:])
        equal(done.returncode, 0, "schemathesis' exit status")
        cases = re.search(r"(\d+) generated", done.stdout)
        check(cases and int(cases.group(1)) > 300, "hardly any request was made")
        operations = re.search(r"Tested: (\d+)", done.stdout)
        count = sum(len(methods) for path, methods in self.description["paths"].items() if path not in ENDLESS)
        equal(operations and int(operations.group(1)), count, "operations that were tested")
        check(self.server.process.poll() is None, "the server is gone")

    def test_every_route(self):
        """The tables of routes and the description name the same paths and methods."""
        routes = set()
        for name in os.listdir(SERVER_SOURCES):
            if name.endswith(".c"):
                with open(os.path.join(SERVER_SOURCES, name), encoding="utf-8") as file:
                    routes |= set(re.findall(r'\{"(GET|POST)",\s*"(/[^"]*)"', file.read()))
        check(len(routes) > 10, f"only {len(routes)} routes were found")
        described = {(method.upper(), re.sub(r"\{[^}]*\}", "*", path))
                     for path, methods in self.description["paths"].items() for method in methods}
        equal(described, routes, "paths and methods")

    def test_methods(self):
        """Another method than the described ones is refused with those that are allowed; a path that is not there is 404."""
        for path, methods in self.description["paths"].items():
            path = re.sub(r"\{model\}", "resnet18", re.sub(r"\{(version|id)\}", "1", path.replace("{file}", "app.js")))
            allowed = {method.upper() for method in methods} | ({"HEAD"} if "get" in methods else set())
            for method in ("DELETE", "PUT", "PATCH", "TRACE", "PROPFIND", "POST" if "get" in methods else "GET"):
                status, headers, _ = self.server.fetch(method, path)
                equal(status, 405, f"{method} {path}")
                equal(set(re.split(r",\s*", headers["Allow"])), allowed, f"Allow of {path}")
            status, _, body = self.server.fetch("GET", path.rstrip("/") + "/none/such")
            equal(status, 404, path + "/none/such")
        for path, methods in self.description["paths"].items():
            if "get" in methods and "{" not in path and path not in ENDLESS:
                status, headers, body = self.server.fetch("HEAD", path)
                equal((status, body), (200, b""), f"HEAD {path}")

    def test_version(self):
        found = self.description["info"]["version"]
        done = subprocess.run([visitor.BINARY, "--version"], capture_output=True, text=True)
        equal(done.stdout, f"resnet18-server {found}\n", "version")


def run():
    with visitor.Site() as server:
        tests = Tests(server)
        visitor.main(tests)


run()
