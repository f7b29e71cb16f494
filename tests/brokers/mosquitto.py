# SPDX-License-Identifier: LGPL-2.1-or-later
"""mosquitto with everything of its own in a temporary folder: a port for everybody, one for TLS, one with a password."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pipelines"))
import launch

NAME, WORD = "door", "a word = \"with\" #signs"


def program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")


def missing():
    """Why mosquitto cannot be had here, or None."""
    absent = [name for name in ("mosquitto", "mosquitto_sub", "mosquitto_passwd", "openssl") if not program(name)]
    if absent:
        return f"{', '.join(absent)} not installed"
    if not os.path.exists(os.path.join(os.environ["RESNET18_BUILD"], "brokers", "resnet18-mqtt.so")):
        return "built without MQTT"
    return None


def quiet(command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def certify(folder, name, host):
    """A certificate for `host` from the authority ca.pem, both made here."""
    ca, key, request, certificate = (os.path.join(folder, part) for part in ("ca", name + ".key", name + ".csr", name + ".pem"))
    openssl = program("openssl")
    if not os.path.exists(ca + ".pem"):
        quiet([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
               "-subj", "/CN=Test authority", "-keyout", ca + ".key", "-out", ca + ".pem"])
    name = f"subjectAltName={'IP' if host[0].isdigit() else 'DNS'}:{host}"
    quiet([openssl, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={host}",
           "-addext", name, "-keyout", key, "-out", request])
    extension = os.path.join(folder, "extension")
    with open(extension, "w", encoding="ascii") as file:
        file.write(name + "\n")
    quiet([openssl, "x509", "-req", "-in", request, "-CA", ca + ".pem", "-CAkey", ca + ".key", "-CAcreateserial",
           "-days", "2", "-extfile", extension, "-out", certificate])
    return certificate, key


class Broker:
    def __init__(self, folder):
        self.folder = folder
        self.port, self.tls_port, self.other_port = free_port(), free_port(), free_port()
        self.ca = os.path.join(folder, "ca.pem")
        self.credentials = os.path.join(folder, "credentials")
        self.process = None
        certificate, key = certify(folder, "localhost", "localhost")
        wrong, wrong_key = certify(folder, "elsewhere", "elsewhere.invalid")
        passwords = os.path.join(folder, "passwords")
        quiet([program("mosquitto_passwd"), "-b", "-c", passwords, NAME, WORD])
        with open(self.credentials, "w", encoding="utf-8") as file:
            file.write(f"# for the broker\nusername={NAME}\npassword={WORD}\n")
        self.config = os.path.join(folder, "mosquitto.conf")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"per_listener_settings true\nuser root\nmax_queued_messages 0\n"
                       f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
                       f"listener {self.tls_port} 127.0.0.1\npassword_file {passwords}\nallow_anonymous false\n"
                       f"certfile {certificate}\nkeyfile {key}\n"
                       f"listener {self.other_port} 127.0.0.1\nallow_anonymous true\n"
                       f"certfile {wrong}\nkeyfile {wrong_key}\n")

    def start(self):
        self.process = subprocess.Popen([program("mosquitto"), "-c", self.config], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        launch.wait_for(self.listens)

    def listens(self):
        launch.check(self.process.poll() is None, "mosquitto has ended")
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, number=signal.SIGTERM):
        if self.process:
            self.process.send_signal(number)
            self.process.wait()
        self.process = None

    def listen_late(self, *topics):
        """mosquitto_sub as a launch.Program: a line "topic message" for each message, those kept for late comers first."""
        command = [program("mosquitto_sub"), "-h", "127.0.0.1", "-p", str(self.port), "-q", "1", "-F", "%t %p"]
        for topic in topics:
            command += ["-t", topic]
        return launch.Program(command)

    def listen(self, *topics):
        """The same, subscribed for certain; what was kept may be behind it."""
        ready = "ready/" + str(free_port())
        listener = self.listen_late(ready, *topics)
        quiet([program("mosquitto_pub"), "-h", "127.0.0.1", "-p", str(self.port), "-q", "1", "-r", "-t", ready, "-m", "now"])
        listener.await_line(ready + " now")
        return listener


@contextlib.contextmanager
def running():
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(folder)
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()
