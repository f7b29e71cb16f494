# SPDX-License-Identifier: LGPL-2.1-or-later
"""resnet18-server with a configuration file whose targets are real brokers, both with TLS and a password: each camera's results
arrive, those from the time without a broker too, and the metrics say so.

    test_targets.py SERVER"""
import contextlib
import json
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[1:1] = [os.path.join(HERE, "..", "server"), os.path.join(HERE, "..", "pipelines"), HERE]
import launch
import mosquitto
import service
import test_nats
from service import check, equal, until

CAMERAS = ("door", "yard")
CLIP = os.path.join(service.MEDIA, "bigbuckbunny.mp4")


def write(path, folder, broker, nats):
    word = os.path.join(folder, "nats-credentials")
    with open(word, "w", encoding="utf-8") as file:
        file.write(f"username={test_nats.NAME}\npassword={test_nats.WORD}\n")
    text = f"""
[target.home]
location = 'mqtts://localhost:{broker.tls_port}/cameras/{{camera}}'
credentials = '{broker.credentials}'
tls-ca = '{broker.ca}'
client-id = 'cam-{{camera}}'
spool = 'spool'
[target.log]
location = 'natss://localhost:{nats.port}/cameras.{{camera}}'
credentials = '{word}'
tls-ca = '{nats.ca}'
spool = 'spool'
[defaults]
targets = ['home', 'log']
max-rate = 5
loop = true
""" + "".join(f"[camera.{name}]\nuri = '{CLIP}'\n" for name in CAMERAS)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def metric(server, name, camera, target):
    return server.metric(f'resnet18_camera_{name}{{camera="{camera}",target="{target}"}}')


def everywhere(server, name):
    return [metric(server, name, camera, target) for camera in CAMERAS for target in ("home", "log")]


def results_arrive(server, listener, nats):
    # Before its camera has played, nothing is said of a target.
    until(lambda: server.ask("GET", "/metrics").body.count(b"resnet18_camera_target_open{") == 2 * len(CAMERAS), "all have played")
    until(lambda: all(everywhere(server, "target_open")), "every target is open")
    for name in CAMERAS:
        found = json.loads(listener.await_line(f"cameras/{name} {{").split(" ", 1)[1])
        equal(found["stream"], name, "the stream of a result")
        check(found["classes"] and found["id"], f"a result without classes or id: {found}")
    until(lambda: min(everywhere(server, "results_delivered_total")) >= 3, "results are delivered")
    check(nats.count() >= 3, "there are no messages in the stream")


def told(server, camera, target):
    """What the server said of it."""
    start = f"resnet18-server: camera {camera}: target {target}: "
    return [line.removeprefix(start) for line in server.lines if line.startswith(start)]


def a_broker_is_away(server, broker):
    broker.stop()
    until(lambda: metric(server, "target_open", "door", "home") == 0, "it is seen that the broker is away")
    until(lambda: metric(server, "results_waiting", "door", "home") >= 3, "results wait")
    before = metric(server, "results_delivered_total", "door", "log")
    until(lambda: metric(server, "results_delivered_total", "door", "log") > before, "the other broker gets results meanwhile")
    waited = metric(server, "results_delivered_total", "door", "home")
    broker.start()
    until(lambda: metric(server, "target_open", "door", "home") == 1, "the broker is found again")
    until(lambda: metric(server, "results_delivered_total", "door", "home") >= waited + 3, "what waited is delivered")
    equal(everywhere(server, "results_dropped_total"), [0] * 4, "results that were dropped")
    for name in CAMERAS:  # each reason and the return once, however often it was tried and the clip began anew meanwhile
        until(lambda: "is open again" in told(server, name, "home"), f"the return for {name} is told: {server.lines}")
        *lost, back = told(server, name, "home")
        check(lost and all("localhost" in text and text.endswith("; it is tried again until it works") for text in lost),
              f"the loss: {lost}")
        equal((back, len(set(lost)), told(server, name, "log")), ("is open again", len(lost), []), f"what was said of {name}")


def targets_of_a_configuration_file():
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        broker, nats = stack.enter_context(mosquitto.running()), stack.enter_context(test_nats.running("localhost"))
        nats.add_stream()
        path = os.path.join(folder, "fleet.toml")
        write(path, folder, broker, nats)
        with service.Server("--config", path) as server:
            with broker.listen("cameras/+") as listener:
                results_arrive(server, listener, nats)
                listener.stop()
            a_broker_is_away(server, broker)
            said = "\n".join(server.lines)
            page = json.dumps(server.ask("GET", "/live").json) + server.ask("GET", "/metrics").body.decode()
            check(test_nats.WORD not in said + page and mosquitto.WORD not in said + page, "a password is told")
        kept = os.listdir(os.path.join(folder, "spool"))
        equal(sorted(kept), sorted(f"{target}.{name}" for target in ("home", "log") for name in CAMERAS), "spools")


def case():
    reason = mosquitto.missing() or test_nats.missing()
    if os.environ.get("RESNET18_PRELOAD"):
        reason = "libnats reads all certificates of the system for each connection, which takes a sanitizer too long"
    try:
        return reason if reason else targets_of_a_configuration_file()
    except service.Failure as failure:
        raise launch.Failure(str(failure)) from failure


launch.main([("targets of a configuration file", case)])
