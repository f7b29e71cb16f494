#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""resnet18 worker and submit against real NATS servers that this test starts: one of them, and a cluster of three whose
workers and leaders are killed. RESNET18_LONG_TESTS=1: 20,000 pictures, 20 workers and 10 leaders killed, and, as root, each server
in a network namespace of its own that is cut off five times; that run prints what it measured.

Each process writes a log of its own and dies with this one. When the time for all of it is over, the states and the logs
are printed, the processes are ended, and the test has failed."""
import base64, csv, ctypes, faulthandler, hashlib, json, os, random, shutil, signal, socket, stat, subprocess, sys, tempfile
import threading, time, unittest, urllib.request

RESNET18, MEDIA = sys.argv[1:3]
del sys.argv[1:3]
LONG = bool(os.environ.get("RESNET18_LONG_TESTS"))
CHANCE = random.Random(18)
SECONDS = 3600 if LONG else 240  # for everything
PICTURES = {"chelsea.png": 282, "coffee.png": 967, "rocket.jpg": 812, "flower.jpg": 599, "china.jpg": 698}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def read(path):
    with open(path, "rb") as f:
        return f.read()


def lines_of_part(output):
    """How many results an interrupted or running submission has on the disk."""
    return max(0, read(output + ".part").count(b"\n") - 1) if os.path.exists(output + ".part") else 0


RUNNING = []  # the processes of the test that runs
LIBC = ctypes.CDLL(None)


class Process(subprocess.Popen):
    """Its standard output and error go to a file, so that nobody waits for a reader and a writer that is gone."""

    def __init__(self, folder, command, stdin=os.devnull, **keywords):
        handle, self.log = tempfile.mkstemp(prefix=os.path.basename(command[0]) + "-", suffix=".log", dir=folder)
        with os.fdopen(handle, "wb") as log, open(stdin, "rb") as source:
            # 1: PR_SET_PDEATHSIG
            super().__init__(command, stdin=source, stdout=log, stderr=log,
                             preexec_fn=lambda: LIBC.prctl(1, signal.SIGKILL), **keywords)
        RUNNING.append(self)

    def said(self):
        return read(self.log).decode(errors="replace")

    def end(self, seconds=60):
        """Waits for its end; returns what it said."""
        self.wait(timeout=seconds)
        RUNNING.remove(self)
        return self.said()


def end_all():
    """What a failed test has left."""
    while RUNNING:
        p = RUNNING.pop()
        p.kill()
        p.wait(timeout=60)


def state(p):
    """What the kernel says that a process waits for, thread by thread."""
    lines = []
    for thread in sorted(os.listdir("/proc/%d/task" % p.pid)):
        folder = "/proc/%d/task/%s/" % (p.pid, thread)
        lines.append("  %s %s" % (read(folder + "stat").decode().rsplit(")", 1)[1].split()[0], " ".join(
            read(folder + name).decode().strip() for name in ("comm", "wchan", "syscall"))))
    return "\n".join(lines)


def give_up():
    faulthandler.dump_traceback(all_threads=True)
    for p in list(RUNNING):
        print("---- %d, status %s: %s" % (p.pid, p.poll(), " ".join(p.args)), file=sys.stderr)
        try:
            print(state(p), file=sys.stderr)
        except OSError:
            pass
        print(p.said()[-3000:], file=sys.stderr)
    for p in list(RUNNING):
        p.kill()
    print("%d s are over" % SECONDS, file=sys.stderr, flush=True)
    os._exit(1)


class Cables:
    """A network namespace for each of `count` hosts and one for everybody else, between which this one forwards. They are gone
    when the processes in them are."""

    def __init__(self, folder, count):
        assert LIBC.unshare(0x40000000) == 0, "no network namespace"  # CLONE_NEWNET
        self.holder = [Process(folder, ["unshare", "--net", "sleep", "infinity"]) for _ in range(count)]
        self.ip("link set lo up")
        with open("/proc/sys/net/ipv4/ip_forward", "w") as f:
            f.write("1")
        for i, holder in enumerate(self.holder):
            while os.readlink("/proc/%d/ns/net" % holder.pid) == os.readlink("/proc/self/ns/net"):
                time.sleep(0.01)
            self.ip("link add host%d type veth peer name eth0 netns %d" % (i, holder.pid))
            self.ip("addr add 10.77.%d.1/24 dev host%d" % (i, i))
            self.ip("link set host%d up" % i)
            for command in ("link set lo up", "addr add 10.77.%d.2/24 dev eth0" % i, "link set eth0 up",
                            "route add default via 10.77.%d.1" % i):
                self.ip(command, self.inside(i))
        self.address = ["10.77.%d.2" % i for i in range(count)]

    @staticmethod
    def ip(command, prefix=()):
        subprocess.run([*prefix, "ip", *command.split()], check=True, timeout=30)

    def inside(self, i):
        return ["nsenter", "--net=/proc/%d/ns/net" % self.holder[i].pid]

    def cut(self, i, seconds):
        self.ip("link set host%d down" % i)
        time.sleep(seconds)
        self.ip("link set host%d up" % i)


class Servers:
    """`count` nats-servers with JetStream; a cluster if there are several. `cables`: each on a host of its own."""

    def __init__(self, folder, count, cables=None):
        self.folder, self.count, self.cables = folder, count, cables
        self.host = cables.address if cables else ["127.0.0.1"] * count
        ports = free_ports(3 * count)
        self.client, self.route, self.monitor = ports[:count], ports[count:2 * count], ports[2 * count:]
        self.process = [None] * count
        for i in range(count):
            self.start(i)
        for i in range(count):
            self.await_answer(i)
        self.url = ",".join("nats://%s:%d" % place for place in zip(self.host, self.client))

    def start(self, i):
        arguments = ["nats-server", "-js", "-sd", os.path.join(self.folder, "js%d" % i), "-a", self.host[i], "-p",
                     str(self.client[i]), "-m", str(self.monitor[i]), "-n", "n%d" % i]
        if self.count > 1:
            arguments += ["--cluster_name", "test", "--cluster", "nats://%s:%d" % (self.host[i], self.route[i]), "--routes",
                          ",".join("nats://%s:%d" % place for place in zip(self.host, self.route))]
        self.process[i] = Process(self.folder, (self.cables.inside(i) if self.cables else []) + arguments)

    def ask(self, i, path):
        """The answer of a server's monitoring port, or None."""
        try:
            with urllib.request.urlopen("http://%s:%d/%s" % (self.host[i], self.monitor[i], path), timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return None

    def await_answer(self, i):
        limit = time.monotonic() + 60
        while time.monotonic() < limit and self.process[i].poll() is None:
            if self.ask(i, "varz") and self.listens(i):
                return
            time.sleep(0.1)
        raise AssertionError("nats-server %d does not answer: %s" % (i, self.process[i].said()[-3000:]))

    def listens(self, i):
        with socket.socket() as client:
            client.settimeout(5)
            return client.connect_ex((self.host[i], self.client[i])) == 0

    def leader(self, stream):
        for i in range(self.count):
            accounts = (self.ask(i, "jsz?streams=1") or {}).get("account_details") or []
            for one in (s for a in accounts for s in a.get("stream_detail") or []):
                if one["name"] == stream and one.get("cluster", {}).get("leader"):
                    return int(one["cluster"]["leader"][1:])
        return None

    def kill(self, i):
        self.process[i].kill()
        self.process[i].end()


def stop(p):
    p.send_signal(signal.SIGTERM)
    output = p.end()
    assert p.returncode == 0, output
    return output


class Client:
    """As much of the NATS protocol as filling an object store takes."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.socket.sendall(b'CONNECT {"verbose":false,"pedantic":false,"headers":false}\r\nSUB inbox 1\r\n')

    def ask(self, subject, body):
        """Publishes, and returns the JSON of the answer."""
        self.socket.sendall(b"PUB %s inbox %d\r\n%s\r\n" % (subject.encode(), len(body), body))
        while True:
            line = self.file.readline()
            assert line, "the server has closed the connection"
            if line.startswith(b"PING"):
                self.socket.sendall(b"PONG\r\n")
            if line.startswith(b"MSG"):
                answer = json.loads(self.file.read(int(line.split()[-1]) + 2))
                assert "error" not in answer, answer
                return answer

    def close(self):
        self.file.close()
        self.socket.close()


def base64url(data):
    return base64.urlsafe_b64encode(data).decode()


def put_object(client, bucket, name, data, digest=None, chunk=100000):
    """As NATS's clients do (architecture decision record 20)."""
    chunks = [data[i:i + chunk] for i in range(0, len(data), chunk)]
    nuid = hashlib.sha256(name.encode()).hexdigest()[:22]
    for part in chunks:
        client.ask(f"$O.{bucket}.C.{nuid}", part)
    about = {"name": name, "bucket": bucket, "nuid": nuid, "size": len(data), "chunks": len(chunks),
             "digest": "SHA-256=" + base64url(digest or hashlib.sha256(data).digest())}
    client.ask(f"$O.{bucket}.M.{base64url(name.encode())}", json.dumps(about).encode())


def rss(pid):
    with open("/proc/%d/statm" % pid) as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Base(unittest.TestCase):
    servers = 1
    cables = False

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="resnet18-queue-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(end_all)
        self.nats = Servers(self.folder, self.servers, Cables(self.folder, self.servers) if self.cables else None)
        self.output = os.path.join(self.folder, "out.jsonl")

    def messages(self):
        """How many there are in each stream."""
        accounts = self.nats.ask(0, "jsz?streams=1")["account_details"]
        return {s["name"]: s["state"]["messages"] for a in accounts for s in a["stream_detail"]}

    def list_of(self, lines):
        path = os.path.join(self.folder, "list.txt")
        with open(path, "w") as f:
            f.write("".join(line + "\n" for line in lines))
        return path

    def pictures(self, count):
        names = list(PICTURES)
        return self.list_of(os.path.join(MEDIA, names[i % len(names)]) for i in range(count))

    def worker(self, *options):
        # int8 because it is quicker; the classes of these pictures are the same.
        p = Process(self.folder, [RESNET18, "worker", "--nats", self.nats.url, "--precision", "auto", *options])
        limit = time.monotonic() + 90
        while "ready" not in p.said():
            assert p.poll() is None and time.monotonic() < limit, "the worker is not ready: " + p.said()
            time.sleep(0.02)
        return p

    def submit(self, inputs, output, *options, **keywords):
        return Process(self.folder, [RESNET18, "submit", "--nats", self.nats.url, inputs, "-o", output, *options],
                       **keywords)

    def finish(self, process, seconds=200):
        errors = process.end(seconds)
        self.assertEqual(process.returncode, 0, errors)
        return errors

    def check_lines(self, count):
        """One line an input, in order, each with the class that this picture has."""
        with open(self.output) as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual(len(lines), count)
        names = list(PICTURES)
        for i, line in enumerate(lines):
            name = names[i % len(names)]
            self.assertEqual(os.path.basename(line["input"]), name)
            self.assertIn("classes", line, line)
            self.assertIn(PICTURES[name], [c["index"] for c in line["classes"][:2]], line["input"])
        self.assertFalse(os.path.exists(self.output + ".part"))


class One(Base):
    def test_a_directory_with_a_video_and_a_broken_file(self):
        inputs = os.path.join(self.folder, "in")
        os.mkdir(inputs)
        for name in ("coffee.png", "bigbuckbunny.mp4"):
            shutil.copy(os.path.join(MEDIA, name), inputs)
        with open(os.path.join(inputs, "broken.jpg"), "wb") as f:
            f.write(read(os.path.join(MEDIA, "rocket.jpg"))[:5000])
        w = self.worker("--tries", "2")
        self.finish(self.submit(inputs, self.output))
        log = stop(w)
        with open(self.output) as f:
            video, broken, coffee = [json.loads(line) for line in f]
        self.assertEqual(video["frames"], 6)
        self.assertIn("cut short", broken["error"])
        self.assertEqual(coffee["classes"][0]["label"], "espresso")
        self.assertIn("cut short", log)
        # What failed is kept as it was.
        streams = self.messages()
        self.assertEqual(streams["resnet18_dead"], 1)
        self.assertEqual(streams["resnet18"], 0)
        self.assertEqual(streams["resnet18_results"], 0)

    def test_a_table(self):
        w = self.worker()
        self.output = os.path.join(self.folder, "out.csv")
        s = self.submit("-", self.output, "--paths",
                        stdin=self.list_of([os.path.join(MEDIA, "coffee.png"), "/nowhere/a, \"b\".png"]))
        said = self.finish(s)
        self.assertIn("out.csv: 2 lines, 1 of them of inputs that could not be classified", said)
        stop(w)
        with open(self.output, newline="") as f:
            coffee, missing = csv.DictReader(f)
        self.assertEqual((coffee["label"], coffee["wnid"], coffee["error"]), ("espresso", "n07920052", ""))
        self.assertEqual((missing["input"], missing["label"]), ("/nowhere/a, \"b\".png", ""))
        self.assertIn("No such file", missing["error"])

    def test_objects(self):
        client = Client(self.nats.client[0])
        self.addCleanup(client.close)
        client.ask("$JS.API.STREAM.CREATE.OBJ_photos",
                   json.dumps({"name": "OBJ_photos", "subjects": ["$O.photos.C.>", "$O.photos.M.>"]}).encode())
        coffee = read(os.path.join(MEDIA, "coffee.png"))
        put_object(client, "photos", "a cup/of coffee.png", coffee)
        put_object(client, "photos", "changed.png", coffee, digest=bytes(32))
        w = self.worker("--tries", "1")
        names = ["object:photos/a cup/of coffee.png", "object:photos/changed.png", "object:photos/missing.png",
                 "object:photos", "object:a.b*/c"]
        self.finish(self.submit(self.list_of(names), self.output))
        stop(w)
        with open(self.output) as f:
            good, *bad = [json.loads(line) for line in f]
        self.assertEqual(good["input"], names[0])
        self.assertEqual(good["classes"][0]["label"], "espresso")
        for line, words in zip(bad, ("does not have the digest", "is not in the store", "no name of the form",
                                     "no name of the form")):
            self.assertIn(words, line["error"])

    def test_a_stream_that_is_silent_holds_no_worker(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        listener.settimeout(60)
        w = self.worker("--lanes", "1", "--tries", "1")
        s = self.submit(self.list_of(["http://127.0.0.1:%d/film.mp4" % listener.getsockname()[1]]), self.output)
        client = listener.accept()[0]
        self.addCleanup(client.close)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 9999999\r\n\r\n")
        time.sleep(1)
        stop(w)
        # Another worker may have it, and that was no try.
        self.assertEqual(self.messages()["resnet18"], 1)
        client.close()
        film = read(os.path.join(MEDIA, "bigbuckbunny.mp4"))
        w = self.worker("--lanes", "1", "--tries", "1")
        client = listener.accept()[0]
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: %d\r\n\r\n%s" % (len(film), film))
        self.addCleanup(client.close)
        self.finish(s)
        stop(w)
        with open(self.output) as f:
            self.assertEqual([json.loads(line)["frames"] for line in f], [6])
        self.assertEqual(self.messages(), {"resnet18": 0, "resnet18_results": 0, "resnet18_dead": 0})

    @unittest.skipUnless(LONG, "takes a minute")
    def test_a_stream_without_a_frame_is_told_so(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        film = read(os.path.join(MEDIA, "bigbuckbunny.mp4"))
        w = self.worker("--lanes", "1", "--tries", "1")
        s = self.submit(self.list_of(["http://127.0.0.1:%d/film.mp4" % listener.getsockname()[1]]), self.output)
        client = listener.accept()[0]
        self.addCleanup(client.close)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: %d\r\n\r\n" % len(film))
        for byte in film[:120]:  # enough to keep the connection, and never a frame
            if s.poll() is not None:
                break
            try:
                client.sendall(bytes([byte]))
            except ConnectionError:
                pass
            time.sleep(1)
        self.finish(s)
        stop(w)
        with open(self.output) as f:
            self.assertEqual([json.loads(line)["error"] for line in f], ["no frame came for 60 s"])

    def test_the_output_is_a_file_or_nothing(self):
        inputs = self.pictures(1)
        for output, words in (("/dev/null", "it is not a regular file"), (self.folder, "it is a directory"),
                              (inputs, "it is the list itself"), ("/nowhere/out.jsonl", "No such file")):
            process = self.submit(inputs, output)
            errors = process.end()
            self.assertEqual(process.returncode, 1, output)
            self.assertIn(words, errors)
        self.assertFalse(os.path.exists("/dev/null.part"))
        errors = self.submit(os.path.join(MEDIA, "coffee.png"), self.output).end()
        self.assertIn("has a zero byte in it; name a directory, or a list", errors)
        # Where no server is, nothing was queued, so nothing is kept to go on with.
        nowhere = Process(self.folder, [RESNET18, "submit", "--nats", "nats://127.0.0.1:1", inputs, "-o", self.output])
        self.assertIn("No server available", nowhere.end())
        self.assertEqual(nowhere.returncode, 1)
        self.assertFalse(os.path.exists(self.output + ".part"))
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        # A symbolic link stays one.
        real, self.output = os.path.join(self.folder, "real.jsonl"), os.path.join(self.folder, "link.jsonl")
        open(real, "w").close()
        os.symlink(real, self.output)
        w = self.worker()
        self.finish(self.submit(inputs, self.output))
        stop(w)
        self.assertTrue(os.path.islink(self.output))
        self.check_lines(1)

    def test_interrupted_it_goes_on(self):
        count = 60
        inputs = self.pictures(count)
        w = self.worker()
        for signal_number in (signal.SIGKILL, signal.SIGTERM):
            first = self.submit(inputs, self.output, "--window", "8")
            for _ in range(600):
                time.sleep(0.05)
                if lines_of_part(self.output) > 5:
                    break
            first.send_signal(signal_number)
            first.end()
            self.assertNotEqual(first.returncode, 0)
        self.assertFalse(os.path.exists(self.output))
        # The last line of a crash may be cut short.
        with open(self.output + ".part", "a") as f:
            f.write("7\t{\"input\":")
        self.finish(self.submit(inputs, self.output))
        stop(w)
        self.check_lines(count)

    def test_other_inputs_are_refused(self):
        inputs = self.pictures(3)
        first = self.submit(inputs, self.output)
        for _ in range(600):
            time.sleep(0.05)
            if os.path.exists(self.output + ".part") and os.path.getsize(self.output + ".part"):
                break
        beside = self.submit(inputs, self.output)
        self.assertIn("another submit", beside.end())
        self.assertEqual(beside.returncode, 1)
        first.terminate()
        first.end()
        self.pictures(4)
        again = self.submit(inputs, self.output)
        errors = again.end()
        self.assertEqual(again.returncode, 1)
        self.assertIn("belongs to other inputs", errors)

    def test_a_name_that_is_none_and_a_server_that_is_none(self):
        for arguments, words in ((["--stream", "a.b"], "letters, digits"), (["--nats", "nats://127.0.0.1:1"], "127.0.0.1:1")):
            process = Process(self.folder, [RESNET18, "worker", "--nats", self.nats.url, *arguments])
            errors = process.end()
            self.assertEqual(process.returncode, 1)
            self.assertIn(words, errors)


class Cluster(Base):
    servers = 3
    cables = LONG and os.geteuid() == 0

    def kill_leader(self):
        leader = None
        while leader is None:  # while there is none, one is being elected
            leader = self.nats.leader(CHANCE.choice(["resnet18", "resnet18_results"]))
        self.nats.kill(leader)
        time.sleep(2)
        self.nats.start(leader)
        self.nats.await_answer(leader)

    def cut_off(self):
        """Longer than it takes to elect another leader."""
        self.nats.cables.cut(CHANCE.randrange(self.servers), 12)

    def kill_worker(self):
        at = CHANCE.randrange(len(self.workers))
        self.workers[at].kill()
        self.workers[at].end()
        self.workers[at] = self.worker()

    def test_killed_workers_and_leaders(self):
        count, worker_kills, leader_kills, cuts = (20000, 20, 10, 5 if self.cables else 0) if LONG else (400, 3, 2, 0)
        inputs = self.pictures(count)
        self.workers = [self.worker() for _ in range(2)]
        process = self.submit(inputs, self.output)
        start = time.monotonic()
        deeds = [self.kill_worker] * worker_kills + [self.kill_leader] * leader_kills + [self.cut_off] * cuts
        CHANCE.shuffle(deeds)
        most = 0
        for i, deed in enumerate(deeds):
            # Spread over the run.
            while process.poll() is None:
                if lines_of_part(self.output) >= count * (i + 1) // (len(deeds) + 2):
                    break
                most = max(most, rss(process.pid))
                time.sleep(0.1)
            self.assertIsNone(process.poll(), "it ended before everything was done to it")
            deed()
        self.finish(process, 3000 if LONG else 200)
        seconds = time.monotonic() - start
        for w in self.workers:
            stop(w)
        self.check_lines(count)
        print("%d pictures, %d workers and %d leaders killed, %d servers cut off: %d lines in %.0f s, submitter's largest memory "
              "%.0f MB" % (count, worker_kills, leader_kills, cuts, count, seconds, most / 1e6), file=sys.stderr)


if __name__ == "__main__":
    if not shutil.which("nats-server"):
        print("nats-server is not installed")
        sys.exit(77)
    clock = threading.Timer(SECONDS, give_up)
    clock.daemon = True
    clock.start()
    unittest.main(verbosity=2)
