# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures resnet18-server, and the Flask stack of peer_flask.py beside it.

    service.py SERVER start                      start to ready and to the first answer
    service.py SERVER latency [--seconds N]      one client, beside the bare forward pass (--tool resnet18)
    service.py SERVER compare --python PYTHON    16 clients, our server and the peer in turns
    service.py SERVER overload [--seconds N]     4 times as many clients as the queue has room for
    service.py SERVER memory                     resident memory idle and under load, children included

The pictures are JPEG files of 640x480 made from tests/media with gst-launch-1.0. Medians and minima; nothing is asserted
but that answers are 200, or 503 under overload."""
import argparse
import json
import os
import selectors
import signal
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
NAMES = ("china.jpg", "flower.jpg", "rocket.jpg", "chelsea.png", "coffee.png")


def pictures(folder):
    """The requests, one a picture."""
    made = []
    for name in NAMES:
        target = os.path.join(folder, name + ".640.jpg")
        subprocess.run(f"gst-launch-1.0 -q filesrc location={ROOT}/tests/media/{name} ! decodebin ! videoconvert ! "
                       f"videoscale ! video/x-raw,width=640,height=480,pixel-aspect-ratio=1/1 ! jpegenc quality=85 ! "
                       f"filesink location={target}", shell=True, check=True)
        with open(target, "rb") as file:
            data = file.read()
        made.append(b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" %
                    len(data) + data)
    return made


class Client:
    """One keep-alive connection that asks again as soon as it is answered."""

    def __init__(self, load, number):
        self.load, self.next = load, number
        self.socket = None
        self.busy = False

    def start(self):
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.load.port))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.load.selector.register(self.socket, selectors.EVENT_READ, self)
        self.text = b""
        self.busy = True
        self.begun = time.perf_counter()
        self.socket.sendall(self.load.requests[self.next % len(self.load.requests)])
        self.next += 1

    def drop(self):
        self.load.selector.unregister(self.socket)
        self.socket.close()
        self.socket = None

    def readable(self):
        """(status, seconds) of a finished answer, or None"""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            self.drop()
            return 0, time.perf_counter() - self.begun
        self.text += data
        head, mark, body = self.text.partition(b"\r\n\r\n")
        if not mark:
            return None
        fields = head.lower().split(b"\r\n")
        length = next(int(f.split(b":")[1]) for f in fields if f.startswith(b"content-length:"))
        if len(body) < length:
            return None
        if b"connection: close" in fields:
            self.drop()
        return int(head.split(b" ", 2)[1]), time.perf_counter() - self.begun


class Load:
    """`count` clients for `seconds`; a client that is refused waits `pause` seconds."""

    def __init__(self, port, requests, count, pause=0.0):
        self.port, self.requests, self.pause = port, requests, pause
        self.selector = selectors.DefaultSelector()
        self.clients = [Client(self, i) for i in range(count)]

    def run(self, seconds, keep=False):
        """[(status, seconds)], and how long it took. `keep`: the connections stay for another run."""
        answers = []
        begun = time.perf_counter()
        waiting = [(0, c) for c in self.clients if not c.busy]
        while time.perf_counter() - begun < seconds:
            now = time.perf_counter()
            for entry in [w for w in waiting if w[0] <= now]:
                waiting.remove(entry)
                entry[1].start()
            for key, _ in self.selector.select(0.01):
                answer = key.data.readable()
                if answer is None:
                    continue
                key.data.busy = False
                answers.append(answer)
                if answer[0] == 200:
                    key.data.start()
                else:
                    waiting.append((time.perf_counter() + self.pause, key.data))
        took = time.perf_counter() - begun
        for client in self.clients:
            if client.socket and not keep:
                client.drop()
        return answers, took


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def summary(answers, took):
    good = [1e3 * s for status, s in answers if status == 200]
    if not good:
        raise SystemExit(f"no picture was classified: {answers[:5]}")
    counts = {status: sum(1 for s, _ in answers if s == status) for status in sorted({s for s, _ in answers})}
    return {"rate": len(good) / took, "p50": quantile(good, 0.5), "p99": quantile(good, 0.99), "min": min(good),
            "max": max(good), "answers": counts}


def tree(pid):
    pids = [pid]
    for p in pids:
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/children", encoding="ascii") as file:
                    pids += [int(c) for c in file.read().split() if int(c) not in pids]
        except FileNotFoundError:
            pass
    return pids


def memory(pid):
    """(sum of resident sizes, sum of proportional sizes) in MB of a process and its children"""
    totals = {"Rss:": 0, "Pss:": 0}
    for p in tree(pid):
        try:
            with open(f"/proc/{p}/smaps_rollup", encoding="ascii") as file:
                for line in file:
                    if line.split()[0] in totals:
                        totals[line.split()[0]] += int(line.split()[1])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return totals["Rss:"] / 1024, totals["Pss:"] / 1024


def processor_time(pid):
    """seconds of a process and its living children"""
    ticks = 0
    for p in tree(pid):
        try:
            with open(f"/proc/{p}/stat", encoding="ascii") as file:
                ticks += sum(int(word) for word in file.read().rsplit(")", 1)[1].split()[11:13])
        except FileNotFoundError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Service:
    def __init__(self, command, port, env=None, cwd=None):
        self.port = port
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=cwd,
                                        env={**os.environ, **(env or {})})
        self.ready = self.wait()

    def wait(self):
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as s:
                    s.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    if s.recv(100).startswith(b"HTTP/1.1 200"):
                        return time.perf_counter() - self.begun
            except OSError:
                time.sleep(0.002)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def ours(o, *more):
    port = free_port()
    return Service([o.server, "--port", str(port), *o.options.split(), *more], port)


def peer(o):
    port = free_port()
    return Service([o.python, "-m", "gunicorn", "--workers", "2", "--bind", f"127.0.0.1:{port}", "peer_flask:app"], port,
                   {"WEIGHTS": f"{ROOT}/weights/resnet18.safetensors", "LABELS": f"{ROOT}/weights/imagenet1k_labels.tsv",
                    "OMP_NUM_THREADS": "1"}, os.path.join(ROOT, "tests", "bench"))


def bare(o):
    run = subprocess.run([o.tool, "bench", "--json", "--precision", "int8", "--threads", "2"], capture_output=True,
                         text=True, check=True)
    return json.loads(run.stdout)


def show(name, s):
    print(f"{name:14} {s['rate']:7.1f} pictures/s  p50 {s['p50']:6.2f}  p99 {s['p99']:7.2f}  min {s['min']:6.2f}  "
          f"max {s['max']:7.2f} ms  {s['answers']}", flush=True)


def start(o, requests):
    rows = []
    for _ in range(o.rounds):
        service = ours(o)
        with socket.create_connection(("127.0.0.1", service.port)) as s:
            s.sendall(requests[0])
            if not s.recv(100).startswith(b"HTTP/1.1 200"):
                raise SystemExit("the first picture was not classified")
        rows.append((service.ready, time.perf_counter() - service.begun))
        service.stop()
    for i, what in enumerate(("ready", "first answer")):
        values = [1e3 * r[i] for r in rows]
        print(f"start to {what}: median {statistics.median(values):.0f} ms, min {min(values):.0f} ms")


def latency(o, requests):
    service = ours(o)
    Load(service.port, requests, 1).run(1)
    for _ in range(o.rounds):
        if o.tool:
            b = bare(o)
            print("forward pass  ", {k: b[k] for k in b if "ms" in k or k in ("median", "min", "p99")})
        show("1 client", summary(*Load(service.port, requests, 1).run(o.seconds)))
    service.stop()


def compare(o, requests):
    for _ in range(o.rounds):
        for name, make in (("resnet18-server", ours), ("Flask + torch", peer)):
            service = make(o)
            Load(service.port, requests, 16).run(2)
            show(f"{name} x1", summary(*Load(service.port, requests, 1).run(o.seconds)))
            before = processor_time(service.process.pid)
            s = summary(*Load(service.port, requests, 16).run(o.seconds))
            show(f"{name} x16", s)
            spent = 1e3 * (processor_time(service.process.pid) - before) / s["answers"][200]
            rss, pss = memory(service.process.pid)
            print(f"    {spent:.2f} ms of the processor a picture; ready after {service.ready:.2f} s, resident {rss:.0f} MB, proportional {pss:.0f} MB")
            service.stop()


def slope(points):
    """MB an hour, by least squares over (seconds, MB)"""
    t, m = (statistics.fmean(p[i] for p in points) for i in (0, 1))
    spread = sum((p[0] - t) ** 2 for p in points)
    return 3600 * sum((p[0] - t) * (p[1] - m) for p in points) / spread if spread else 0.0


def overload(o, requests):
    service = ours(o)
    begun = time.monotonic()
    load = Load(service.port, requests, o.clients, 0.02)
    everything, sizes = [], []
    while time.monotonic() - begun < o.seconds:
        answers, took = load.run(min(10, o.seconds), keep=True)
        everything += answers
        show("overload", summary(answers, took))
        sizes.append((time.monotonic() - begun, *memory(service.process.pid)))
        print("    resident %.1f MB, proportional %.1f MB" % sizes[-1][1:], flush=True)
    show("all of it", summary(everything, time.monotonic() - begun))
    later = sizes[len(sizes) // 3:]
    print(f"resident {min(s[1] for s in sizes):.1f} to {max(s[1] for s in sizes):.1f} MB; after the first third: "
          f"resident {slope([(s[0], s[1]) for s in later]):+.1f}, proportional {slope([(s[0], s[2]) for s in later]):+.1f} MB an hour")
    service.stop()


def measure_memory(o, requests):
    service = ours(o)
    print("idle: resident %.1f MB, proportional %.1f MB" % memory(service.process.pid))
    Load(service.port, requests, 16).run(o.seconds)
    print("after 16 clients: resident %.1f MB, proportional %.1f MB" % memory(service.process.pid))
    service.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("what", choices=("start", "latency", "compare", "overload", "memory"))
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=120)
    parser.add_argument("--python", default="python3", help="of the peer, with torch, flask and gunicorn")
    parser.add_argument("--tool", help="the command resnet18")
    parser.add_argument("--options", default="--precision int8", help="of our server")
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        {"start": start, "latency": latency, "compare": compare, "overload": overload,
         "memory": measure_memory}[o.what](o, pictures(folder))


main()
