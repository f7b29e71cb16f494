# SPDX-License-Identifier: LGPL-2.1-or-later
"""Damaged pictures, forms and headers by the hundred, with slow and lying clients at their side and somebody who asks for
the server's health meanwhile. Each is answered 4xx, 503 or, where the damage does no harm, 200; the process stays the same.

    test_abuse.py SERVER [UPLOADS]     UPLOADS: 400, or as many as are wanted"""
import random
import struct
import sys
import threading
import time
import zlib

from service import Server, check, equal, main, media, message, multipart

UPLOADS = int(sys.argv[2]) if len(sys.argv) > 2 else 400
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
    r = random.Random(seed)
    for _ in range(count):
        with server.connect("127.0.0.2") as client:
            found.append(client.send(request(r)).answer().status)


def linger(server, stop):
    """Clients that send a little, or do not read."""
    r = random.Random(5)
    held = []
    while not stop.is_set():
        try:
            client = server.connect("127.0.0.3")
            client.send(r.choice([b"", b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc",
                                  b"GET /metrics HTTP/1.1\r\nHost: x\r\n", message("GET", "/metrics") * 50]))
            held.append(client)
        except OSError:
            pass
        if len(held) > 60:
            held.pop(0).socket.close()
        time.sleep(0.02)
    for client in held:
        client.socket.close()


def watch(server, stop, times):
    while not stop.is_set():
        begun = time.perf_counter()
        equal(server.ask("GET", "/v2/health/ready").status, 200, "health")
        times.append(time.perf_counter() - begun)
        time.sleep(0.02)


def nothing_that_is_sent_ends_it():
    with Server("--decode-time", "2000", "--header-time", "2000", "--body-time", "2000", "--send-time", "2000") as server:
        pid, found, times, stop = server.process.pid, [], [], threading.Event()
        others = [threading.Thread(target=linger, args=(server, stop)), threading.Thread(target=watch, args=(server, stop, times))]
        uploads = [threading.Thread(target=upload, args=(server, seed, UPLOADS // 4, found)) for seed in range(4)]
        for thread in others + uploads:
            thread.start()
        for thread in uploads:
            thread.join()
        stop.set()
        for thread in others:
            thread.join()
        equal(len(found), UPLOADS // 4 * 4, "answers")
        check(set(found) <= {200, 400, 413, 415, 503}, f"statuses: {sorted(set(found))}")
        check({400, 413} <= set(found), f"statuses: {sorted(set(found))}")
        equal((server.process.pid, server.process.poll()), (pid, None), "the process")
        equal(server.classify(FILES[0]).status, 200, "the server after that")
        times.sort()
        counts = {status: found.count(status) for status in sorted(set(found))}
        print(f"# {counts}; health p99 {1e3 * times[int(0.99 * len(times))]:.1f} ms of {len(times)}; decoders replaced: "
              f"{sum(server.metric(f'resnet18_decoder_restarts_total{{reason={chr(34)}{why}{chr(34)}}}') for why in ('late', 'crashed', 'killed')):.0f}")


main(nothing_that_is_sent_ends_it)
