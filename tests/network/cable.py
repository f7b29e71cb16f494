# SPDX-License-Identifier: LGPL-2.1-or-later
"""A network of two ends with a cable between them that can be damaged: each end is a TUN device in a network namespace of its
own, and every packet from one to the other passes through this process. Nothing of the machine's own network is touched, and
all of it is gone with the process. Needs root.

The kernel has netem for this, but not every kernel has netem."""
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments):
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def here():
    """The network namespace of this thread, to come back to."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=30)


def leave_the_machine():
    """This thread, and what it starts from now on, has a network of its own with nothing but loopback."""
    call("unshare", CLONE_NEWNET)
    ip("link", "set", "lo", "up")


def reason_not_to():
    """Why there can be no such network here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces and TUN devices need root"
    old = here()
    try:
        call("unshare", CLONE_NEWNET)
        os.close(tun("probe0"))
        ip("link", "show")
    except (OSError, subprocess.SubprocessError) as error:
        return f"there can be no network of its own here: {error}"
    finally:
        call("setns", old, CLONE_NEWNET)
        os.close(old)
    return None


def tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    os.set_blocking(fd, False)
    return fd


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def as_reset(packet):
    """A TCP packet as the RST with the same numbers; None of any other packet."""
    header = 4 * (packet[0] & 15)
    if packet[0] >> 4 != 4 or packet[9] != 6 or len(packet) < header + 20:
        return None
    tcp = bytearray(packet[header:header + 20])
    tcp[12:14] = b"\x50\x14"  # five words long; RST, ACK
    tcp[16:20] = bytes(4)
    struct.pack_into("!H", tcp, 16, checksum(packet[12:20] + struct.pack("!HH", 6, 20) + bytes(tcp)))
    head = bytearray(packet[:20])
    head[0] = 0x45
    struct.pack_into("!H", head, 2, 40)
    head[10:12] = bytes(2)
    struct.pack_into("!H", head, 10, checksum(bytes(head)))
    return bytes(head + tcp)


class Cable:
    """From the namespace of the calling thread to a new one. near, far: the addresses of the ends."""

    def __init__(self, number):
        self.near, self.far = f"10.9.{number}.1", f"10.9.{number}.2"
        self.name = f"cam{number}"
        self.loss = 0.0  # of the packets, each way
        self.delay = (0.0, 0.0)  # seconds, at least and at most
        self.reset = False  # the camera's TCP packets become resets
        self.tcp_only = False
        self.order = random.Random(number)
        self.late = []  # (when, which, side, packet)
        self.count = 0
        self.home = here()
        near = self.end(self.near)
        call("unshare", CLONE_NEWNET)
        try:
            ip("link", "set", "lo", "up")
            far = self.end(self.far)
            self.there = here()
        finally:
            call("setns", self.home, CLONE_NEWNET)
        self.ends = (near, far)
        threading.Thread(target=self.run, daemon=True).start()

    def end(self, address):
        fd = tun(self.name)
        ip("addr", "add", address + "/30", "dev", self.name)
        ip("link", "set", self.name, "up")
        return fd

    def start_there(self, start):
        """start() in the far namespace: what it starts lives there."""
        call("setns", self.there, CLONE_NEWNET)
        try:
            return start()
        finally:
            call("setns", self.home, CLONE_NEWNET)

    def plug(self, state):
        """"up" or "down", at both ends as with a cable."""
        ip("link", "set", self.name, state)
        self.start_there(lambda: ip("link", "set", self.name, state))

    def send(self, side, packet):
        try:
            os.write(self.ends[side], packet)
        except OSError:
            pass  # that end is down, or full: the packet is lost, as with any network

    def carry(self, side, packet):
        if self.reset and side == 0:
            packet = as_reset(packet) or packet
        if self.tcp_only and packet[0] >> 4 == 4 and packet[9] == 17:  # UDP
            return
        if self.order.random() < self.loss:
            return
        if self.delay[1]:
            self.count += 1
            heapq.heappush(self.late, (time.monotonic() + self.order.uniform(*self.delay), self.count, side, packet))
        else:
            self.send(side, packet)

    def run(self):
        while True:
            wait = max(0, self.late[0][0] - time.monotonic()) if self.late else 1
            for fd in select.select(self.ends, [], [], wait)[0]:
                try:
                    self.carry(1 - self.ends.index(fd), os.read(fd, 65536))
                except OSError:
                    time.sleep(0.01)  # the end is down
            while self.late and self.late[0][0] <= time.monotonic():
                self.send(*heapq.heappop(self.late)[2:])
