# SPDX-License-Identifier: LGPL-2.1-or-later
"""resnet18publish and a real nats-server with TLS and a password, and without a stream.

    test_nats.py"""
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pipelines"))
import launch
import mosquitto

NAME, WORD = "door", "secret-word"
CLIP = f"filesrc location={launch.MEDIA}/coffee.png ! pngdec ! videoconvert ! resnet18classify ! resnet18publish "


class Server:
    def __init__(self, folder, host):
        self.folder, self.port, self.ca = folder, mosquitto.free_port(), os.path.join(folder, "ca.pem")
        certificate, key = mosquitto.certify(folder, "server", host)
        self.config = os.path.join(folder, "nats.conf")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'host: 127.0.0.1\nport: {self.port}\njetstream {{ store_dir: "{folder}/jetstream" }}\n'
                       f'authorization {{ user: {NAME}, password: "{WORD}" }}\n'
                       f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}\n')
        self.process = subprocess.Popen([mosquitto.program("nats-server"), "-c", self.config], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        launch.wait_for(self.listens)

    def listens(self):
        launch.check(self.process.poll() is None, "nats-server has ended")
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def ask(self, subject, question):
        """One request, in NATS's own protocol; returns the answer."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # whether it is checked is for others to test
        with socket.create_connection(("127.0.0.1", self.port)) as plain:
            while not plain.recv(1) == b"\n":
                pass  # the server's INFO, in the clear
            with context.wrap_socket(plain) as client, client.makefile("rwb") as stream:
                login = json.dumps({"user": NAME, "pass": WORD, "verbose": False, "tls_required": True})
                data = json.dumps(question).encode() if question else b""
                stream.write(f"CONNECT {login}\r\nSUB answer 1\r\nPUB {subject} answer {len(data)}\r\n".encode() + data + b"\r\n")
                stream.flush()
                for line in stream:
                    if line.startswith(b"MSG"):
                        return json.loads(stream.read(int(line.split()[-1])))
                    if line.startswith(b"PING"):
                        stream.write(b"PONG\r\n")
                        stream.flush()
        raise launch.Failure("nats-server has closed the connection")

    def add_stream(self):
        def added():
            answer = self.ask("$JS.API.STREAM.CREATE.CAMERAS", {"name": "CAMERAS", "subjects": ["cameras.*"]})
            return "config" in answer
        launch.wait_for(added)

    def count(self):
        return self.ask("$JS.API.STREAM.INFO.CAMERAS", None)["state"]["messages"]


def publish(server, more, host="localhost"):
    return f"location=natss://{host}:{server.port}/cameras.door spool={server.folder}/spool tls-ca={server.ca} {more}"


def kept(server):
    """How many starts have left a line in the spool: each begins a file."""
    with os.scandir(os.path.join(server.folder, "spool")) as files:
        return sum(file.name.endswith(".lines") and file.stat().st_size > 100 for file in files)


def is_told(server, text, wanted, starts=1, **env):
    """A warning with `wanted`; then the process is killed, once its line is in the spool."""
    command = (CLIP + text).split() + ["drain-timeout=18446744073709551615", "!", "fakesink"]
    with launch.Program(["gst-launch-1.0"] + command, **env) as program:
        line = program.await_line("WARNING")
        launch.check(wanted in line, f"no warning with '{wanted}'")
        launch.check(WORD not in line, "the password is printed")
        launch.wait_for(lambda: kept(server) == starts)


def is_sent(server, text, lines, **env):
    """And what was kept by then is sent too."""
    run = launch.run(["gst-launch-1.0", "-m"] + (CLIP + text).split() + ["drain-timeout=600000000000", "!", "fakesink"], **env)
    launch.check(f"sent=(guint64){lines}" in run.output and "spooled=(guint64)0" in run.output, "not all was sent")
    launch.check(WORD not in run.output, "the password is printed")
    launch.equal(server.count(), lines, "messages in the stream")


RIGHT = {"RESNET18_USERNAME": NAME, "RESNET18_PASSWORD": WORD}


def tls_password_and_stream():
    with running("localhost") as server:
        is_told(server, publish(server, ""), "the NATS broker", RESNET18_USERNAME=NAME, RESNET18_PASSWORD="wrong")
        is_told(server, publish(server, ""), "'nats stream add NAME --subjects cameras.door --defaults'", 2, **RIGHT)
        server.add_stream()
        is_sent(server, publish(server, ""), 3, **RIGHT)


def certificate_of_another_host():
    with running("elsewhere.invalid") as server:
        server.add_stream()
        is_told(server, publish(server, ""), "cannot be reached", **RIGHT)
        launch.equal(server.count(), 0, "messages in the stream")


def unknown_authority():
    with running("localhost") as server, tempfile.TemporaryDirectory() as other:
        mosquitto.certify(other, "server", "localhost")
        is_told(server, publish(server, "").replace(server.ca, os.path.join(other, "ca.pem")), "cannot be reached", **RIGHT)


@contextlib.contextmanager
def running(host):
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, host)
        try:
            yield server
        finally:
            server.process.terminate()
            server.process.wait()


def missing():
    """Why nats-server cannot be had here, or None."""
    absent = [name for name in ("nats-server", "openssl") if not mosquitto.program(name)]
    if absent:
        return f"{', '.join(absent)} not installed"
    if not os.path.exists(os.path.join(os.environ["RESNET18_BUILD"], "brokers", "resnet18-nats.so")):
        return "built without NATS"
    return None


def where_there_is_nats(case):
    return lambda: missing() or case()


if __name__ == "__main__":
    launch.main([(case.__name__.replace("_", " "), where_there_is_nats(case)) for case in
                 (tls_password_and_stream, certificate_of_another_host, unknown_authority)])
