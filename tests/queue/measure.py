#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the work queue costs, printed for docs/fleet.md; no test.

    tests/queue/measure.py BUILD [--pictures N] [--precision P] [--runs N] [--realtime]

One worker, then two, each with one lane's threads on a processor of its own; in between `resnet18 classify` with one thread on
the same list, which decodes, prepares and classifies without a queue. Times are what the kernel counts for the processes, from
a tenth of the results to nine tenths. --realtime: before whatever else the machine does (chrt -f 1; root)."""
import argparse, os, re, resource, shutil, signal, socket, statistics, subprocess, sys, tempfile, time, urllib.request

TICK = os.sysconf("SC_CLK_TCK")
MEDIA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "media")
PICTURES = ["rocket.jpg", "flower.jpg", "china.jpg"]


def used(pid):
    """Seconds of processor time of a process's threads, to the nanosecond."""
    total = 0
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, thread)) as f:
            total += int(f.read().split()[0])
    with open("/proc/%d/stat" % pid) as f:
        field = f.read().rsplit(")", 1)[1].split()
    # Threads that have ended are in the process's sum only.
    return max(total / 1e9, (int(field[11]) + int(field[12])) / TICK)


def rss(pid):
    with open("/proc/%d/statm" % pid) as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def children():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


class Bench:
    def __init__(self, o, folder):
        self.o, self.folder = o, folder
        self.tool = os.path.join(o.build, "tools", "resnet18")
        self.list = os.path.join(folder, "list.txt")
        self.write_list(o.pictures)
        with socket.socket() as s, socket.socket() as m:
            s.bind(("127.0.0.1", 0)), m.bind(("127.0.0.1", 0))
            self.port, self.monitor = s.getsockname()[1], m.getsockname()[1]
        self.nats = subprocess.Popen((["chrt", "-f", "1"] if o.realtime else []) + ["nats-server", "-js", "-sd", os.path.join(folder, "js"), "-a", "127.0.0.1", "-p",
                                      str(self.port), "-m", str(self.monitor)], stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/varz" % self.monitor, timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        self.url = "nats://127.0.0.1:%d" % self.port

    def write_list(self, count):
        with open(self.list, "w") as f:
            f.write("".join(os.path.join(MEDIA, PICTURES[i % len(PICTURES)]) + "\n" for i in range(count)))

    def prefix(self, cpu):
        return ["taskset", "-c", str(cpu)] + (["chrt", "-f", "1"] if self.o.realtime else [])

    def worker(self, cpu):
        p = subprocess.Popen(self.prefix(cpu) + [self.tool, "worker", "--nats", self.url, "--precision", self.o.precision],
                             stderr=subprocess.PIPE, text=True)
        for line in p.stderr:
            if "ready" in line:
                return p
        sys.exit("no worker")

    def queue(self, cpus):
        """Pictures a second, and seconds of processor time a picture of the workers, the server and the submitter."""
        workers = [self.worker(c) for c in cpus]
        out = os.path.join(self.folder, "out.jsonl")
        if os.path.exists(out):
            os.unlink(out)
        submit = subprocess.Popen((["chrt", "-f", "1"] if self.o.realtime else []) +
                                  [self.tool, "submit", "--nats", self.url, self.list, "-o", out, *self.o.submit.split()],
                                  stderr=subprocess.DEVNULL)
        marks, processes = [], workers + [self.nats, submit]
        for part in (0.1, 0.9):
            while submit.poll() is None:
                try:
                    with open(out + ".part", "rb") as f:
                        lines = f.read().count(b"\n") - 1
                except OSError:
                    lines = 0
                if lines >= self.o.pictures * part:
                    break
                time.sleep(0.02)
            marks.append((time.monotonic(), lines, [used(p.pid) for p in processes]))
        submit.wait()
        for w in workers:
            w.send_signal(signal.SIGTERM)
            w.communicate()
        (t0, n0, c0), (t1, n1, c1) = marks
        n = n1 - n0
        cost = [(b - a) / n for a, b in zip(c0, c1)]
        return n / (t1 - t0), sum(cost[:len(workers)]), cost[-2], cost[-1]

    def alone(self):
        """Seconds of processor time a picture without a queue: the difference of a long run and a short one."""
        spent = []
        for count in (self.o.pictures, self.o.pictures // 10):
            self.write_list(count)
            with open(self.list) as f:
                names = f.read().split("\n")[:-1]
            before = children()
            subprocess.run(self.prefix(0) + [self.tool, "classify", "--threads", "1", "--precision", self.o.precision,
                           "--json", *names], check=True, stdout=subprocess.DEVNULL)
            spent.append(children() - before)
        self.write_list(self.o.pictures)
        return (spent[0] - spent[1]) / (self.o.pictures - self.o.pictures // 10)

    def forward(self):
        """Seconds of one forward pass, by `resnet18 bench`."""
        r = subprocess.run(self.prefix(0) + [self.tool, "bench", "--threads", "1", "--precision", self.o.precision],
                           check=True, stdout=subprocess.PIPE, text=True)
        return r.stdout


def main():
    a = argparse.ArgumentParser()
    a.add_argument("build")
    a.add_argument("--pictures", type=int, default=600)
    a.add_argument("--precision", default="auto")
    a.add_argument("--runs", type=int, default=3)
    a.add_argument("--realtime", action="store_true")
    a.add_argument("--submit", default="")
    o = a.parse_args()
    folder = tempfile.mkdtemp(prefix="resnet18-measure-")
    bench = Bench(o, folder)
    try:
        print(bench.forward())
        for _ in range(o.runs):
            alone = bench.alone()
            for cpus in ([0], [1], [0, 1]):
                rate, worker, server, submitter = bench.queue(cpus)
                print("workers on %s: %.1f pictures/s; ms of processor time a picture: workers %.3f, server %.3f, "
                      "submitter %.3f; without a queue %.3f" %
                      (cpus, rate, worker * 1e3, server * 1e3, submitter * 1e3, alone * 1e3), flush=True)
    finally:
        bench.nats.kill()
        bench.nats.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
