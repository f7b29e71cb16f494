#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""resnet18 worker and submit against real NATS servers that this test starts: one of them, and a cluster of three whose
workers and leaders are killed. RESNET18_LONG_TESTS=1: 20,000 pictures, 20 workers and 10 leaders killed; that run prints what
it measured."""
import base64, csv, hashlib, json, os, random, shutil, signal, socket, stat, subprocess, sys, tempfile, time, unittest, urllib.request

RESNET18, MEDIA = sys.argv[1:3]
del sys.argv[1:3]
LONG = bool(os.environ.get("RESNET18_LONG_TESTS"))
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


class Servers:
    """`count` nats-servers with JetStream; a cluster if there are several."""

    def __init__(self, folder, count):
        self.folder, self.count = folder, count
        ports = free_ports(3 * count)
        self.client, self.route, self.monitor = ports[:count], ports[count:2 * count], ports[2 * count:]
        self.process = [None] * count
        for i in range(count):
            self.start(i)
        for i in range(count):
            self.await_answer(i)
        self.url = ",".join("nats://127.0.0.1:%d" % p for p in self.client)

    def start(self, i):
        arguments = ["nats-server", "-js", "-sd", os.path.join(self.folder, "js%d" % i), "-a", "127.0.0.1", "-p",
                     str(self.client[i]), "-m", str(self.monitor[i]), "-n", "n%d" % i]
        if self.count > 1:
            arguments += ["--cluster_name", "test", "--cluster", "nats://127.0.0.1:%d" % self.route[i], "--routes",
                          ",".join("nats://127.0.0.1:%d" % p for p in self.route)]
        self.process[i] = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def await_answer(self, i):
        for _ in range(600):
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/varz" % self.monitor[i], timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("nats-server %d does not answer" % i)

    def leader(self, stream):
        for port in self.monitor:
            try:
                with urllib.request.urlopen("http://127.0.0.1:%d/jsz?streams=1" % port, timeout=2) as answer:
                    accounts = json.load(answer).get("account_details") or []
            except OSError:
                continue
            for one in (s for a in accounts for s in a.get("stream_detail") or []):
                if one["name"] == stream and one.get("cluster", {}).get("leader"):
                    return int(one["cluster"]["leader"][1:])
        return None

    def kill(self, i):
        self.process[i].kill()
        self.process[i].wait()

    def stop(self):
        for p in self.process:
            p.kill()
            p.wait()


STARTED = []


def end_all():
    """What a failed test has left."""
    while STARTED:
        p = STARTED.pop()
        if p.poll() is None:
            p.kill()
        if p.stderr and not p.stderr.closed:
            p.communicate()


def worker(url, *options):
    # int8 because it is quicker; the classes of these pictures are the same.
    p = subprocess.Popen([RESNET18, "worker", "--nats", url, "--precision", "auto", *options], stderr=subprocess.PIPE,
                         text=True)
    STARTED.append(p)
    for line in p.stderr:
        if "ready" in line:
            return p
    raise AssertionError("the worker ended with status %s" % p.wait())


def stop(p):
    p.send_signal(signal.SIGTERM)
    output = p.communicate(timeout=60)[1]
    assert p.returncode == 0, output
    return output


def submit(url, inputs, output, *options, **keywords):
    p = subprocess.Popen([RESNET18, "submit", "--nats", url, inputs, "-o", output, *options], stderr=subprocess.PIPE,
                         text=True, **keywords)
    STARTED.append(p)
    return p


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

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="resnet18-queue-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.nats = Servers(self.folder, self.servers)
        self.addCleanup(self.nats.stop)
        self.addCleanup(end_all)
        self.output = os.path.join(self.folder, "out.jsonl")

    def list_of(self, lines):
        path = os.path.join(self.folder, "list.txt")
        with open(path, "w") as f:
            f.write("".join(line + "\n" for line in lines))
        return path

    def pictures(self, count):
        names = list(PICTURES)
        return self.list_of(os.path.join(MEDIA, names[i % len(names)]) for i in range(count))

    def finish(self, process, seconds=300):
        try:
            _, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        self.assertEqual(process.returncode, 0, errors)

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
        w = worker(self.nats.url, "--tries", "2")
        self.finish(submit(self.nats.url, inputs, self.output))
        log = stop(w)
        with open(self.output) as f:
            video, broken, coffee = [json.loads(line) for line in f]
        self.assertEqual(video["frames"], 6)
        self.assertIn("cut short", broken["error"])
        self.assertEqual(coffee["classes"][0]["label"], "espresso")
        self.assertIn("cut short", log)
        # What failed is kept as it was.
        with urllib.request.urlopen("http://127.0.0.1:%d/jsz?streams=1" % self.nats.monitor[0]) as answer:
            streams = {s["name"]: s["state"] for a in json.load(answer)["account_details"] for s in a["stream_detail"]}
        self.assertEqual(streams["resnet18_dead"]["messages"], 1)
        self.assertEqual(streams["resnet18"]["messages"], 0)
        self.assertEqual(streams["resnet18_results"]["messages"], 0)

    def test_a_table(self):
        w = worker(self.nats.url)
        self.output = os.path.join(self.folder, "out.csv")
        self.finish(submit(self.nats.url, self.list_of([os.path.join(MEDIA, "coffee.png"), "/nowhere/a, \"b\".png"]),
                           self.output, "--paths"))
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
        w = worker(self.nats.url, "--tries", "1")
        names = ["object:photos/a cup/of coffee.png", "object:photos/changed.png", "object:photos/missing.png",
                 "object:photos", "object:a.b*/c"]
        self.finish(submit(self.nats.url, self.list_of(names), self.output))
        stop(w)
        with open(self.output) as f:
            good, *bad = [json.loads(line) for line in f]
        self.assertEqual(good["input"], names[0])
        self.assertEqual(good["classes"][0]["label"], "espresso")
        for line, words in zip(bad, ("does not have the digest", "is not in the store", "no name of the form",
                                     "no name of the form")):
            self.assertIn(words, line["error"])

    def test_the_output_is_a_file_or_nothing(self):
        inputs = self.pictures(1)
        for output, words in (("/dev/null", "it is not a regular file"), (self.folder, "it is a directory"),
                              (inputs, "it is the list itself"), ("/nowhere/out.jsonl", "No such file")):
            process = submit(self.nats.url, inputs, output)
            _, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 1, output)
            self.assertIn(words, errors)
        self.assertFalse(os.path.exists("/dev/null.part"))
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        # A symbolic link stays one.
        real, self.output = os.path.join(self.folder, "real.jsonl"), os.path.join(self.folder, "link.jsonl")
        open(real, "w").close()
        os.symlink(real, self.output)
        w = worker(self.nats.url)
        self.finish(submit(self.nats.url, inputs, self.output))
        stop(w)
        self.assertTrue(os.path.islink(self.output))
        self.check_lines(1)

    def test_interrupted_it_goes_on(self):
        count = 60
        inputs = self.pictures(count)
        w = worker(self.nats.url)
        for signal_number in (signal.SIGKILL, signal.SIGTERM):
            first = submit(self.nats.url, inputs, self.output, "--window", "8")
            for _ in range(600):
                time.sleep(0.05)
                if lines_of_part(self.output) > 5:
                    break
            first.send_signal(signal_number)
            first.communicate(timeout=60)
            self.assertNotEqual(first.returncode, 0)
        self.assertFalse(os.path.exists(self.output))
        # The last line of a crash may be cut short.
        with open(self.output + ".part", "a") as f:
            f.write("7\t{\"input\":")
        self.finish(submit(self.nats.url, inputs, self.output))
        stop(w)
        self.check_lines(count)

    def test_other_inputs_are_refused(self):
        inputs = self.pictures(3)
        first = submit(self.nats.url, inputs, self.output)
        for _ in range(600):
            time.sleep(0.05)
            if os.path.exists(self.output + ".part") and os.path.getsize(self.output + ".part"):
                break
        first.terminate()
        first.communicate(timeout=60)
        self.pictures(4)
        again = submit(self.nats.url, inputs, self.output)
        _, errors = again.communicate(timeout=60)
        self.assertEqual(again.returncode, 1)
        self.assertIn("belongs to other inputs", errors)

    def test_a_name_that_is_none_and_a_server_that_is_none(self):
        for arguments, words in ((["--stream", "a.b"], "letters, digits"), (["--nats", "nats://127.0.0.1:1"], "127.0.0.1:1")):
            r = subprocess.run([RESNET18, "worker", "--nats", self.nats.url, *arguments], stderr=subprocess.PIPE, text=True,
                               timeout=60)
            self.assertEqual(r.returncode, 1)
            self.assertIn(words, r.stderr)


class Cluster(Base):
    servers = 3

    def test_killed_workers_and_leaders(self):
        count, worker_kills, leader_kills = (20000, 20, 10) if LONG else (400, 3, 2)
        chance = random.Random(18)
        inputs = self.pictures(count)
        workers = [worker(self.nats.url) for _ in range(2)]
        process = submit(self.nats.url, inputs, self.output)
        start = time.monotonic()
        deeds = ["worker"] * worker_kills + ["leader"] * leader_kills
        chance.shuffle(deeds)
        most = 0
        for i, deed in enumerate(deeds):
            # Spread over the run.
            while process.poll() is None:
                if lines_of_part(self.output) >= count * (i + 1) // (len(deeds) + 2):
                    break
                most = max(most, rss(process.pid))
                time.sleep(0.1)
            self.assertIsNone(process.poll(), "it ended before everything was killed")
            if deed == "worker":
                at = chance.randrange(len(workers))
                workers[at].kill()
                workers[at].communicate()
                workers[at] = worker(self.nats.url)
            else:
                stream = chance.choice(["resnet18", "resnet18_results"])
                leader = self.nats.leader(stream)
                if leader is not None:
                    self.nats.kill(leader)
                    time.sleep(2)
                    self.nats.start(leader)
                    self.nats.await_answer(leader)
        self.finish(process, 3600 if LONG else 300)
        seconds = time.monotonic() - start
        for w in workers:
            stop(w)
        self.check_lines(count)
        print("%d pictures, %d workers and %d leaders killed: %d lines in %.0f s, submitter's largest memory %.0f MB" %
              (count, worker_kills, leader_kills, count, seconds, most / 1e6), file=sys.stderr)


if __name__ == "__main__":
    if not shutil.which("nats-server"):
        print("nats-server is not installed")
        sys.exit(77)
    unittest.main(verbosity=2)
