# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs an unpacked image as a container engine does with its strictest switches: own mounts and process numbers, a root
directory that cannot be written, no capability, no way to gain one, the image's user, environment and first program.

    container.py [--data DIRECTORY] [--clock FILE] [--join PID] TREE CONFIG.json [ARGUMENT...]

  --data   a directory that is /data there
  --clock  a file that gets the time (CLOCK_MONOTONIC) at which the first program began
  --join   in the container whose container.py has this process number, instead of a new one

CONFIG.json is what `buildah inspect` says about the image. SIGTERM and SIGINT go to the program; its exit status is
container.py's. Needs root."""
import argparse
import ctypes
import json
import os
import signal
import subprocess
import sys
import time

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS = 0x00020000, 0x20000000, 0x08000000, 0x04000000
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG = 24, 38, 1
libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def furnish(tree, data):
    """What the engine puts in: /proc, /dev, /data. The rest is read only, and there is no place to write to."""
    mount("--make-rprivate", "/")
    mount("--bind", tree, tree)
    mount("-t", "proc", "-o", "nosuid,nodev,noexec", "proc", tree + "/proc")
    mount("-t", "tmpfs", "-o", "nosuid,noexec,mode=755", "tmpfs", tree + "/dev")
    for name in ("null", "zero", "full", "random", "urandom"):
        with open(f"{tree}/dev/{name}", "wb"):
            pass
        mount("--bind", f"/dev/{name}", f"{tree}/dev/{name}")
    mount("-o", "remount,ro", tree + "/dev")
    if data:
        mount("--bind", data, tree + "/data")
    mount("-o", "remount,bind,ro", tree)


def drop(user, last):
    for capability in range(last + 1):
        call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    user, _, group = user.partition(":")
    os.setgroups([])
    os.setresgid(int(group or user), int(group or user), int(group or user))
    os.setresuid(int(user), int(user), int(user))


def first_process(given, config, join, clock):
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
        last = int(file.read())  # what Python would load later is not there any more
    if join:
        os.fchdir(join)
        os.chroot(".")
    else:
        furnish(given.tree, given.data)
        os.chroot(given.tree)
    os.chdir(config.get("WorkingDir") or "/")
    drop(config["User"], last)
    command = config.get("Entrypoint", []) + (given.argument or config.get("Cmd", []))
    environment = dict(entry.split("=", 1) for entry in config["Env"])
    if clock is not None:
        os.write(clock, str(time.monotonic()).encode())
    os.execve(command[0], command, environment)


def enter(pid):
    """The namespaces of the container that process runs; its root directory, opened."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        first = file.read().split()[0]
    root = os.open(f"/proc/{first}/root", os.O_RDONLY)
    spaces = [os.open(f"/proc/{first}/ns/{name}", os.O_RDONLY) for name in ("pid", "mnt")]
    for space in spaces:
        call("setns", space, 0)
        os.close(space)
    return root


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--data")
    options.add_argument("--clock")
    options.add_argument("--join", type=int)
    options.add_argument("tree")
    options.add_argument("config")
    options.add_argument("argument", nargs=argparse.REMAINDER)
    given = options.parse_args()
    with open(given.config, encoding="utf-8") as file:
        config = json.load(file)["Docker"]["config"]

    join = None
    clock = None
    if given.clock:
        clock = os.open(given.clock, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    if given.join:
        join = enter(given.join)
    else:
        call("unshare", CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)
    child = os.fork()
    if child == 0:
        try:
            first_process(given, config, join, clock)
        except BaseException as error:  # pylint: disable=broad-except
            print(f"container.py: {error}", file=sys.stderr, flush=True)
            os._exit(125)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: os.kill(child, number))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(status if status >= 0 else 128 - status)


main()
