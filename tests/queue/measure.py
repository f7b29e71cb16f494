#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the work queue costs, printed for docs/fleet.md; no test.

    tests/queue/measure.py BUILD [--pictures N] [--precision P] [--runs N] [--realtime]
    tests/queue/measure.py BUILD --memory [--pictures 100000] [--submit "--window 4096"]

One worker, then two, each with one lane's threads on a processor of its own; in between `resnet18 classify` with one thread on
the same list, which decodes, prepares and classifies without a queue, on each processor and on both at once: what that loses is
the machine's, not the queue's. Times are what the kernel counts for the processes, from a tenth of the results to nine tenths.
--realtime: before whatever else the machine does (chrt -f; root), the server and the submitter before the workers.

--memory: resident memory of the submitter, of two workers and of the server while JPEGs of 32x32 pixels go through."""
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
        self.nats = subprocess.Popen((["chrt", "-f", "2"] if o.realtime else []) + ["nats-server", "-js", "-sd", os.path.join(folder, "js"), "-a", "127.0.0.1", "-p",
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
        submit = subprocess.Popen((["chrt", "-f", "2"] if self.o.realtime else []) +
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

    def classify(self, cpus, count):
        """Wall-clock seconds, and processor time, of `resnet18 classify` on each of the processors at once."""
        names = [os.path.join(MEDIA, PICTURES[i % len(PICTURES)]) for i in range(count)]
        before, begun = children(), time.monotonic()
        all = [subprocess.Popen(self.prefix(c) + [self.tool, "classify", "--threads", "1", "--precision", self.o.precision,
                                "--json", *names], stdout=subprocess.DEVNULL) for c in cpus]
        for one in all:
            one.wait()
        return time.monotonic() - begun, children() - before

    def alone(self, cpus):
        """Pictures a second and seconds of processor time a picture without a queue: a long run's less a short one's."""
        count = self.o.pictures - self.o.pictures // 10
        (wall, spent), (short, less) = self.classify(cpus, self.o.pictures), self.classify(cpus, self.o.pictures // 10)
        return len(cpus) * count / (wall - short), (spent - less) / (len(cpus) * count)

    def forward(self):
        """Seconds of one forward pass, by `resnet18 bench`."""
        r = subprocess.run(self.prefix(0) + [self.tool, "bench", "--threads", "1", "--precision", self.o.precision],
                           check=True, stdout=subprocess.PIPE, text=True)
        return r.stdout


def slope(points):
    """Of the line with the least squares."""
    xs, ys = zip(*points)
    x, y = statistics.mean(xs), statistics.mean(ys)
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a in xs)


class Memory(Bench):
    """Each process's resident memory by the number of results that there are."""

    def write_list(self, count):
        picture = os.path.join(self.folder, "small.jpg")
        subprocess.run(["gst-launch-1.0", "-q", "videotestsrc", "num-buffers=1", "pattern=snow", "!",
                        "video/x-raw,width=32,height=32", "!", "jpegenc", "!", "filesink", "location=" + picture], check=True)
        with open(self.list, "w") as f:
            f.write((picture + "\n") * count)

    def run(self):
        workers, out, seen = [self.worker(cpu) for cpu in (0, 1)], os.path.join(self.folder, "out.jsonl"), []
        submit = subprocess.Popen([self.tool, "submit", "--nats", self.url, self.list, "-o", out, *self.o.submit.split()],
                                  stderr=subprocess.DEVNULL)
        begun, size, lines = time.monotonic(), 0, -1  # the first line of the part is a heading
        while submit.poll() is None:
            time.sleep(1)
            if os.path.exists(out + ".part"):
                with open(out + ".part", "rb") as f:
                    f.seek(size)
                    new = f.read()
                size, lines = size + len(new), lines + new.count(b"\n")
            if lines > 0 and submit.poll() is None:
                seen.append((lines, [rss(p.pid) for p in (submit, *workers, self.nats)]))
            if len(seen) % 60 == 1:
                print("%.0f s: %s" % (time.monotonic() - begun, seen[-1]), flush=True)
        for w in workers:
            w.send_signal(signal.SIGTERM)
            w.communicate()
        if submit.returncode:
            sys.exit("submit ends with status %d" % submit.returncode)
        with open(out, "rb") as f:
            found = f.read().count(b"\n")
        print("%d lines in %.0f s; from the %dth to the %dth, MB: first, last, most; kB in 10,000 results after the first tenth" %
              (found, time.monotonic() - begun, seen[0][0], seen[-1][0]))
        later = [one for one in seen if one[0] > self.o.pictures / 10]
        for i, name in enumerate(("submitter", "a worker", "the other", "server")):
            values = [one[1][i] / 1e6 for one in seen]
            print("%s: %.1f, %.1f, %.1f; %+.1f" % (name, values[0], values[-1], max(values),
                                                 slope([(n, v[i]) for n, v in later]) * 10000 / 1e3))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("build")
    a.add_argument("--pictures", type=int, default=600)
    a.add_argument("--precision", default="auto")
    a.add_argument("--runs", type=int, default=3)
    a.add_argument("--realtime", action="store_true")
    a.add_argument("--submit", default="")
    a.add_argument("--memory", action="store_true")
    o = a.parse_args()
    folder = tempfile.mkdtemp(prefix="resnet18-measure-")
    if o.realtime:  # what looks at the others must not wait for them
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(3))
    bench = (Memory if o.memory else Bench)(o, folder)
    try:
        if o.memory:
            bench.run()
            return
        print(bench.forward())
        for _ in range(o.runs):
            rates, plain = [], []
            for cpus in ([0], [1], [0, 1]):
                without, alone = bench.alone(cpus)
                rate, worker, server, submitter = bench.queue(cpus)
                rates.append(rate)
                plain.append(without)
                print("on %s: %.1f pictures/s, without a queue %.1f; ms of processor time a picture: workers %.3f, server %.3f, "
                      "submitter %.3f; without a queue %.3f" %
                      (cpus, rate, without, worker * 1e3, server * 1e3, submitter * 1e3, alone * 1e3), flush=True)
            print("both against the sum of each: %.3f, without a queue %.3f" %
                  (rates[2] / (rates[0] + rates[1]), plain[2] / (plain[0] + plain[1])), flush=True)
    finally:
        bench.nats.kill()
        bench.nats.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
