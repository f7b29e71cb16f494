# SPDX-License-Identifier: LGPL-2.1-or-later
"""resnet18publish and Kafka with TLS. The mock cluster of librdkafka speaks none, so there is something in front of it that does.
Clients go where the cluster says that it is, 127.0.0.1 and its port: they are in a network of their own, in which TLS is spoken
at that place. Needs root; skipped without. The mock cluster has no passwords, so SASL is not tried.

    test_kafka.py KAFKA_MOCK"""
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[1:1] = [os.path.join(HERE, "..", "network"), os.path.join(HERE, "..", "pipelines"), HERE]
import cable
import launch
import mosquitto

CLIP = f"filesrc location={launch.MEDIA}/coffee.png ! pngdec ! videoconvert ! resnet18classify ! resnet18publish "


def carry(source, to):
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := source.recv(65536):
            to.sendall(data)
    for end in (source, to):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Terminator(threading.Thread):
    """TLS at 127.0.0.1:port of the network in which it was made, for what is at this place of the network in which it runs."""

    def __init__(self, port, context):
        super().__init__(daemon=True)
        self.port, self.context, self.refused = port, context, 0
        self.listener = socket.create_server(("127.0.0.1", port))

    def serve(self, client):
        try:
            client.settimeout(60)
            inside = self.context.wrap_socket(client, server_side=True)
        except OSError:
            self.refused += 1
            client.close()
            return
        with socket.create_connection(("127.0.0.1", self.port), 60) as outside, inside:
            back = threading.Thread(target=carry, args=(outside, inside), daemon=True)
            back.start()
            carry(inside, outside)
            back.join()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()


class Cluster:
    """The mock, and TLS with a certificate for `host` before it."""

    def __init__(self, folder, host):
        self.folder, self.ca, self.home = folder, os.path.join(folder, "ca.pem"), cable.here()
        certificate, key = mosquitto.certify(folder, "broker", host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.mock = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.place = self.mock.stdout.readline().strip().removeprefix("kafka://")
        cable.leave_the_machine()
        self.elsewhere = cable.here()
        try:
            self.terminator = Terminator(int(self.place.split("/")[0].rsplit(":", 1)[1]), context)
        finally:
            cable.call("setns", self.home, cable.CLONE_NEWNET)
        self.terminator.start()

    def there(self, what):
        cable.call("setns", self.elsewhere, cable.CLONE_NEWNET)
        try:
            return what()
        finally:
            cable.call("setns", self.home, cable.CLONE_NEWNET)

    def messages(self):
        """All of them; it is at its end then."""
        return [json.loads(line) for line in self.mock.communicate("\n", 120)[0].splitlines()]

    def close(self):
        if self.mock.poll() is None:
            self.mock.kill()
            self.mock.wait()
        self.terminator.listener.close()
        for place in (self.home, self.elsewhere):
            os.close(place)

    def publish(self, ca, more=""):
        return (CLIP + f"location=kafkas://{self.place} spool={self.folder}/spool tls-ca={ca} {more} ! fakesink").split()


@contextlib.contextmanager
def running(host):
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(folder, host)
        try:
            yield cluster
        finally:
            cluster.close()


def is_sent():
    with running("127.0.0.1") as cluster:
        run = cluster.there(lambda: launch.run(["gst-launch-1.0", "-m"] + cluster.publish(cluster.ca), timeout=120))
        launch.check("sent=(guint64)1" in run.output and "WARNING" not in run.output, "it was not sent, or there is a warning")
        found = cluster.messages()
        launch.equal([one["classes"][0]["label"] for one in found], ["espresso"], "messages")


def is_refused(cluster, ca):
    """A warning, and nothing goes through."""
    command = ["gst-launch-1.0"] + cluster.publish(ca, "drain-timeout=18446744073709551615")
    with cluster.there(lambda: launch.Program(command, timeout=120)) as program:
        line = program.await_line("WARNING")
        launch.check("cannot be reached" in line, f"another warning: {line}")
    launch.check(cluster.terminator.refused > 0, "no handshake has failed")
    launch.equal(cluster.messages(), [], "messages")


def certificate_of_another_host():
    with running("elsewhere.invalid") as cluster:
        is_refused(cluster, cluster.ca)


def unknown_authority():
    with running("127.0.0.1") as cluster, tempfile.TemporaryDirectory() as other:
        mosquitto.certify(other, "broker", "127.0.0.1")
        is_refused(cluster, os.path.join(other, "ca.pem"))


def where_it_can_be(case):
    def run():
        if not mosquitto.program("openssl"):
            return "openssl is not installed"
        if os.environ.get("RESNET18_PRELOAD"):
            return "the network's threads and a preloaded sanitizer do not go together"
        return cable.reason_not_to() or case()
    return run


launch.main([(case.__name__.replace("_", " "), where_it_can_be(case)) for case in
             (is_sent, certificate_of_another_host, unknown_authority)])
