# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files of examples/deploy/fleet: by their schemas, and against the server's metrics and the queue's names.

    test_fleet.py RESNET18-SERVER"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
import urllib.request

import compose_spec
import kubernetes_validate
import yaml

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
FLEET = os.path.join(ROOT, "examples", "deploy", "fleet")
# What prometheus-nats-exporter calls what it reads of JetStream.
EXPORTER = {"jetstream_consumer_num_pending", "jetstream_consumer_num_ack_pending", "jetstream_consumer_num_redelivered",
            "jetstream_consumer_delivered_consumer_seq", "jetstream_stream_total_messages"}


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def documents(name):
    return list(yaml.safe_load_all(read(FLEET, name)))


def manifests_are_valid():
    for document in documents("nats.yaml") + documents("worker.yaml"):
        if document["kind"] != "ScaledObject":  # KEDA's own kind
            kubernetes_validate.validate(document, "1.37", strict=True)
    compose_spec.PyCompose.from_yaml(read(FLEET, "compose.yaml")).validate()
    compose, = documents("compose.yaml")
    for name in ("nats-0", "nats-1", "nats-2"):  # the queue outlives its server
        command = compose["services"][name]["command"]
        check(compose["services"][name]["volumes"] == [f"{name}:{command[command.index('--store_dir') + 1]}"] and
              name in compose["volumes"], f"the volume of {name}")


def the_scaler_watches_the_queue():
    worker, scaled = documents("worker.yaml")
    trigger = scaled["spec"]["triggers"][0]
    arguments = worker["spec"]["template"]["spec"]["containers"][0]["args"]
    check(scaled["spec"]["scaleTargetRef"]["name"] == worker["metadata"]["name"], "another deployment")
    check(trigger["metadata"]["stream"] == arguments[arguments.index("--stream") + 1], "another stream")
    check(f'QUEUE_CONSUMER "{trigger["metadata"]["consumer"]}"' in read("tools", "queue.h"), "another consumer")


def served_metrics(server):
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "cameras.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("[camera.door]\nuri = 'rtsp://127.0.0.1:1/'\n")
        with subprocess.Popen([server, "--port", "0", "--config", config], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True) as process:
            limit = threading.Timer(60, process.kill)
            limit.start()
            try:
                place = next(re.search(r"http://\S+/", line)[0] for line in process.stderr if "ready at" in line)
                with urllib.request.urlopen(place + "metrics", timeout=30) as answer:
                    text = answer.read().decode()
            finally:
                limit.cancel()
                process.kill()
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
        names |= {name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return names


def metrics_exist():
    known = served_metrics(sys.argv[1]) | EXPORTER
    groups = yaml.safe_load(read(FLEET, "rules.yaml"))["groups"]
    panels = json.loads(read(FLEET, "dashboard.json"))["panels"]
    check(len({panel["id"] for panel in panels}) == len(panels), "panels with the same id")
    expressions = [rule["expr"] for group in groups for rule in group["rules"]]
    expressions += [target["expr"] for panel in panels for target in panel["targets"]]
    for expression in expressions:
        used = set(re.findall(r"\b(?:resnet18|jetstream)_\w+(?=[{\[)\s]|$)", re.sub(r'"[^"]*"', '""', expression)))
        check(used and used <= known, f"{expression}: unknown {used - known}")


def prometheus_takes_the_rules_and_alerts():
    promtool = shutil.which("promtool")
    if not promtool:
        return "promtool (package prometheus) is not installed"
    here = os.path.dirname(os.path.abspath(__file__))
    for kind, path in (("check", os.path.join(FLEET, "rules.yaml")), ("test", os.path.join(here, "rules_test.yaml"))):
        done = subprocess.run([promtool, kind, "rules", path], timeout=60, check=False, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        check(done.returncode == 0, done.stdout)
    return None


TESTS = [manifests_are_valid, the_scaler_watches_the_queue, metrics_exist, prometheus_takes_the_rules_and_alerts]
print(f"1..{len(TESTS)}", flush=True)
for number, test in enumerate(TESTS, 1):
    name = f"{number} - {test.__name__.replace('_', ' ')}"
    try:
        reason = test()
        print(f"ok {name}" + (f" # SKIP {reason}" if reason else ""), flush=True)
    except Exception:  # pylint: disable=broad-except
        print("# " + traceback.format_exc().replace("\n", "\n# "))
        print(f"not ok {name}", flush=True)
