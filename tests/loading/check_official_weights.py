# SPDX-License-Identifier: LGPL-2.1-or-later
"""script/official-weights with checkpoints made here, from files and from a server on this machine.

    check_official_weights.py SCRIPT COMMAND WEIGHTS"""
import functools
import hashlib
import http.server
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading

import make_checkpoints as make

KINDS = {"F32": ("FloatStorage", 4), "F16": ("HalfStorage", 2)}


def read_safetensors(path):
    """{name: (dtype, shape, bytes)}"""
    with open(path, "rb") as file:
        data = file.read()
    length, = struct.unpack_from("<Q", data)
    start = 8 + length
    return {name: (entry["dtype"], tuple(entry["shape"]), data[start + entry["data_offsets"][0]:start + entry["data_offsets"][1]])
            for name, entry in json.loads(data[8:start]).items() if name != "__metadata__"}


def checkpoint(tensors):
    state, storages = {}, {}
    for key, (name, (dtype, shape, data)) in enumerate(tensors.items()):
        kind, size = KINDS[dtype]
        state[name] = make.Tensor(make.Storage(str(key), kind, len(data) // size), shape)
        storages[str(key)] = data
    return make.archive(make.dump(state), storages)


class Server:
    """Serves a folder on 127.0.0.1."""

    def __init__(self, folder):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *arguments):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


def main():
    script, command, weights = map(os.path.abspath, sys.argv[1:])
    tensors = read_safetensors(weights)
    with tempfile.TemporaryDirectory(prefix="resnet18-test-") as folder:
        os.chdir(folder)
        data = os.path.join(folder, "data")
        installed = os.path.join(data, "resnet18", "resnet18.safetensors")
        results = []

        def run(name, *arguments, expect, says, **variables):
            """Runs the script; `says` must be in its output."""
            environment = {"PATH": os.environ["PATH"], "HOME": os.path.join(folder, "home"), "XDG_DATA_HOME": data,
                           "RESNET18_COMMAND": command, "no_proxy": "*"}
            for key in os.environ:
                if key.endswith("SAN_OPTIONS"):
                    environment[key] = os.environ[key]
            environment.update(variables)
            environment = {key: value for key, value in environment.items() if value is not None}
            done = subprocess.run([script, *arguments], env=environment, capture_output=True, text=True)
            output = done.stdout + done.stderr
            good = (done.returncode == 0) == expect and says in output
            results.append(good)
            if not good:
                print(f"{name}: status {done.returncode}, expected {'success' if expect else 'failure'} and '{says}':\n{output}")

        def check(name, good):
            results.append(bool(good))
            if not good:
                print(name)

        def write(name, content):
            with open(name, "wb") as file:
                file.write(content)
            return hashlib.sha256(content).hexdigest()

        good_sum = write("good.pth", checkpoint(tensors))
        evil_sum = write("evil.pth", make.archive(make.state(make.glob("os", "system") + make.text("true") + b"\x85R"), {}))
        good, evil = f"file://{folder}/good.pth", f"file://{folder}/evil.pth"

        run("wrong checksum", good, expect=False, says=f"its SHA-256 is {good_sum}, which does not begin with f37072fd")
        run("no file", f"file://{folder}/none.pth", expect=False, says="none.pth: there is no such file")
        run("hostile", evil, evil_sum[:8], expect=False, says="the global 'os.system' is not allowed")
        run("short sum", good, good_sum[:7], expect=False, says="is checked by 8 to 64")
        run("odd sum", good, "F37072FD", expect=False, says="is not the beginning of a SHA-256")
        run("option", "--color", expect=False, says="unknown option --color")
        run("no command", good, good_sum, expect=False, says="/none is not a command", RESNET18_COMMAND="/none")
        run("help", "--help", expect=True, says="RESNET18_OFFICIAL_URL")
        check("something was installed", not os.path.exists(data))

        run("a file", good, good_sum[:8], expect=True, says=f"installed {installed}")
        check("the tensors differ", read_safetensors(installed) == tensors)
        check(f"left behind: {os.listdir(os.path.dirname(installed))}",
              os.listdir(os.path.dirname(installed)) == ["resnet18.safetensors"])

        # The same weights keep their calibration, others do not; a failure changes nothing.
        write(installed + ".calibration", b"calibration")
        run("again", good, good_sum, expect=True, says="installed")
        run("hostile again", evil, evil_sum, expect=False, says="nothing was installed")
        check("the calibration is gone", os.path.exists(installed + ".calibration"))
        other = dict(tensors)
        other["fc.bias"] = ("F32", (1000,), bytes(4000))
        other_sum = write("other.pth", checkpoint(other))
        run("others", expect=True, says=".calibration, which belonged to other weights",
            RESNET18_OFFICIAL_URL=f"file://{folder}/other.pth", RESNET18_OFFICIAL_SHA256=other_sum)
        check("the calibration stayed", not os.path.exists(installed + ".calibration"))
        check("the other tensors differ", read_safetensors(installed) == other)

        run("home", good, good_sum, expect=True, says="installed", XDG_DATA_HOME=None)
        check("not below HOME", os.path.exists("home/.local/share/resnet18/resnet18.safetensors"))

        server = Server(folder)
        for program in ("curl", "wget"):
            if not shutil.which(program):
                print(f"{program} is not installed")
                continue
            # A PATH with one of the two.
            tools = os.path.join(folder, program + "-tools")
            os.mkdir(tools)
            for tool in (program, "bash", "dirname", "mktemp", "rm", "cp", "mv", "mkdir", "cmp", "sha256sum", "cat", "env"):
                os.symlink(shutil.which(tool), os.path.join(tools, tool))
            os.remove(installed)
            run(f"{program}: missing", f"{server.url}/none.pth", good_sum, expect=False, says="could not be downloaded", PATH=tools)
            check("something was installed", not os.path.exists(installed))
            run(f"{program}", f"{server.url}/good.pth", good_sum, expect=True, says="installed", PATH=tools)
            check(f"{program}: the tensors differ", read_safetensors(installed) == tensors)
    print(f"{len(results)} checked, {results.count(False)} wrong")
    sys.exit(not all(results))


main()
