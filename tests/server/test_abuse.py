# SPDX-License-Identifier: LGPL-2.1-or-later
"""Damaged pictures, forms and headers by the hundred, with slow and lying clients at their side and somebody who asks for
the server's health meanwhile. Each is answered 4xx, 503 or, where the damage does no harm, 200; the process stays the same.

    test_abuse.py SERVER [UPLOADS]     UPLOADS: 400, with RESNET18_LONG_TESTS=1 10,000, or as many as are wanted

The long form has the server's own time limits and holds what docs/service.md promises: each client has its answer or is
cut within 15 seconds. Times are printed."""
import json
import os
import random
import selectors
import struct
import subprocess
import sys
import threading
import time
import zlib

from service import BINARY, WAIT, Connection, Server, check, equal, main, media, message, multipart

WATCH = len(sys.argv) > 3 and sys.argv[2] == "--watch"
LONG = os.environ.get("RESNET18_LONG_TESTS") == "1" or (len(sys.argv) == 3 and int(sys.argv[2]) >= 10000)
UPLOADS = 0 if WATCH else int(sys.argv[2]) if len(sys.argv) > 2 else 10000 if LONG else 400
LIMIT = 15  # seconds until a client has its answer or is cut, in the long form
SHORT = () if LONG else ("--decode-time", "2000", "--header-time", "2000", "--body-time", "2000", "--send-time", "2000")
FILES = [media(name) for name in ("chelsea.png", "china.jpg", "rocket.jpg", "flower.jpg")]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, data):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


BOMBS = [png(60000, 60000, zlib.compress(bytes(1000000))), png(5000, 5000, zlib.compress(bytes(100))),
         png(5000, 4999, zlib.compress(bytes(4999 * 15001), 1)), png(0, 5, b""), png(0xffffffff, 0xffffffff, b""),
         b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b"\x2c" + bytes(4) + b"\xff\xff\xff\xff\0\x02\x02\x4c\x01\0\x3b",
         b"BM" + struct.pack("<IIIIiiHH", 1000, 0, 54, 40, 0x7fffffff, -0x80000000, 1, 24) + bytes(100),
         b"BM" + struct.pack("<IIIIiiHH", 1000, 0, 54, 40, 5000, 4999, 1, 24) + bytes(100),
         b"RIFF\xff\xff\xff\xffWEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff",
         b"RIFF\x20\0\0\0WEBPVP8L\x0a\0\0\0\x2f\xff\xff\xff\xff" + bytes(20)]


def damaged(r):
    data = bytearray(r.choice(FILES))
    kind = r.randrange(6)
    if kind == 0:
        return bytes(data[:r.randrange(len(data))])
    if kind == 1:
        for _ in range(r.randrange(1, 50)):
            data[r.randrange(len(data))] = r.randrange(256)
    elif kind == 2:
        at = r.randrange(len(data))
        data[at:at + r.randrange(1, 5000)] = r.randbytes(r.randrange(5000))
    elif kind == 3:
        data[2:40] = r.randbytes(38)
    elif kind == 4:
        return r.choice(BOMBS)
    else:
        return data[:8] + r.randbytes(r.randrange(20000))
    return bytes(data)


def request(r):
    data = damaged(r)
    kind = r.randrange(4)
    if kind == 0:
        form, body = multipart(("image", data))
        return message("POST", "/classify", body[:r.randrange(len(body))] if r.randrange(2) else body, Content_Type=form)
    if kind == 1:
        return message("POST", "/classify?cam=1&top_k=3", data, Content_Type="image/jpeg")
    return message("POST", "/classify", data)


def upload(server, seed, count, found):
    """(status, seconds) of each"""
    r = random.Random(seed)
    for _ in range(count):
        data = request(r)
        begun = time.monotonic()
        with server.connect("127.0.0.2") as client:
            found.append((client.send(data).answer().status, time.monotonic() - begun))


def cut(client):
    """Reads what has come. Whether the server has closed the connection."""
    try:
        return client.socket.recv(1 << 16) == b""
    except ConnectionError:
        return True


def linger(server, stop, ages):
    """Clients that send a little and then nothing; how long they lived."""
    r = random.Random(5)
    kinds = (b"", b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc",
             b"GET /metrics HTTP/1.1\r\nHost: x\r\n", b"POST /classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    held = selectors.DefaultSelector()
    while not stop.is_set() or held.get_map():
        if len(held.get_map()) < 60 and not stop.is_set():
            client = server.connect("127.0.0.3")
            held.register(client.socket, selectors.EVENT_READ, (client, time.monotonic()))
            client.send(r.choice(kinds))
        for key, _ in held.select(0.05):
            client, begun = key.data
            if cut(client):
                held.unregister(client.socket)
                client.socket.close()
                ages.append(time.monotonic() - begun)


def deafen(server, stop):
    """Clients that ask much and do not read."""
    held = []
    while not stop.is_set():
        client = server.connect("127.0.0.4")
        try:
            client.send(message("GET", "/metrics") * 50)
        except ConnectionError:
            pass
        held.append(client)
        if len(held) > 20:
            held.pop(0).socket.close()
        stop.wait(0.2)
    for client in held:
        client.socket.close()


def watch(port):
    """A process of its own, which the others' work does not hold up: the times of health until its input ends. It goes
    first where it may, as they are to be the server's times and not its own."""
    times = []
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pass
    done = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    end = time.monotonic() + 24 * 3600
    while not done.is_set() and time.monotonic() < end:
        begun = time.perf_counter()
        with Connection(port) as client:
            equal(client.send(message("GET", "/v2/health/ready")).answer().status, 200, "health")
        times.append(time.perf_counter() - begun)
        done.wait(0.02)
    json.dump(sorted(times), sys.stdout)


def nothing_that_is_sent_ends_it():
    with Server(*SHORT) as server:
        pid, found, ages, stop = server.process.pid, [], [], threading.Event()
        watchman = subprocess.Popen([sys.executable, __file__, BINARY, "--watch", str(server.port)], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)
        others = [threading.Thread(target=linger, args=(server, stop, ages), daemon=True),
                  threading.Thread(target=deafen, args=(server, stop), daemon=True)]
        uploads = [threading.Thread(target=upload, args=(server, seed, UPLOADS // 4, found), daemon=True) for seed in range(4)]
        for thread in others + uploads:
            thread.start()
        for thread in uploads:
            thread.join()
        stop.set()
        times = json.loads(watchman.communicate(timeout=WAIT)[0])
        for thread in others:
            thread.join(WAIT)
            check(not thread.is_alive(), "slow clients are still connected")
        statuses = [status for status, _ in found]
        equal(len(found), UPLOADS // 4 * 4, "answers")
        check(set(statuses) <= {200, 400, 413, 415, 503}, f"statuses: {sorted(set(statuses))}")
        check({400, 413} <= set(statuses), f"statuses: {sorted(set(statuses))}")
        equal((server.process.pid, server.process.poll()), (pid, None), "the process")
        equal(server.classify(FILES[0]).status, 200, "the server after that")
        slowest, oldest = max(seconds for _, seconds in found), max(ages)
        check(not LONG or max(slowest, oldest) < LIMIT, f"slowest answer after {slowest:.1f} s, slow client cut after {oldest:.1f} s")
        counts = {status: statuses.count(status) for status in sorted(set(statuses))}
        restarts = {why: int(server.metric(f'resnet18_decoder_restarts_total{{reason="{why}"}}')) for why in ("late", "crashed", "killed")}
        print(f"# {counts}; slowest answer {slowest:.2f} s; {len(ages)} slow clients cut after {oldest:.1f} s at the latest; health p50 "
              f"{1e3 * times[len(times) // 2]:.1f}, p99 {1e3 * times[int(0.99 * len(times))]:.1f}, longest {1e3 * times[-1]:.1f} ms of "
              f"{len(times)}; decoders replaced: {restarts}")


if WATCH:
    watch(int(sys.argv[3]))
else:
    main(nothing_that_is_sent_ends_it)
