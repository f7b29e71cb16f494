# SPDX-License-Identifier: LGPL-2.1-or-later
"""Talks to tensors_pipe."""
import subprocess

OK, ARGUMENT, IO, FORMAT = 0, 1, 2, 3  # resnet18_status


class Pipe:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        """Status and message."""
        self.process.stdin.write("\t".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"tensors_pipe ended with {self.process.wait()} on {words}")
        status, message = answer.rstrip("\n").split("\t", 1)
        return int(status), message

    def open(self, path):
        """Status, message, {name: (dtype, shape, bytes)}."""
        status, message = self.ask("open", path)
        tensors = {}
        while status == OK:
            line = self.process.stdout.readline().rstrip("\n")
            if not line:
                break
            name, dtype, shape, data = line.split("\t")
            tensors[name] = (dtype, tuple(map(int, filter(None, shape.split(",")))), bytes.fromhex(data))
        return status, message, tensors

    def close(self):
        """Ends it; a sanitizer's findings at exit are a failure."""
        self.process.stdin.close()
        status = self.process.wait()
        if status:
            raise SystemExit(f"tensors_pipe ended with {status}")
