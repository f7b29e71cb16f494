# SPDX-License-Identifier: LGPL-2.1-or-later
"""resnet18publish and a real MQTT broker, as a user and as Home Assistant see it.

    test_mqtt.py"""
import json
import os
import re
import signal
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pipelines"))
import launch
import mosquitto

# 25 frames a second of a camera that does not end; each frame has a result of its own.
CAMERA = ("filesrc location={media}/coffee.png ! pngdec ! videoconvert ! imagefreeze is-live=true ! videoscale ! "
          "video/x-raw,width=64,height=64,framerate=25/1 ! resnet18classify mode=sync max-rate=10/1 ! "
          "resnet18publish name=out ").format(media=launch.MEDIA)
CLIP = "filesrc location={media}/coffee.png ! pngdec ! videoconvert ! resnet18classify ! resnet18publish "


def publish(broker, more="", topic="cameras/door"):
    return f"location=mqtt://127.0.0.1:{broker.port}/{topic} spool={broker.folder}/spool {more}"


def program(text):
    return launch.Program(["gst-launch-1.0", "-q"] + text.split() + ["!", "fakesink"])


def sensor(topic, payload):
    """What Home Assistant demands of a discovery message; returns it."""
    launch.check(re.fullmatch(r"homeassistant/sensor/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config", topic), f"topic {topic}")
    config = json.loads(payload)
    for key in ("name", "unique_id", "state_topic", "value_template", "availability_topic"):
        launch.check(isinstance(config.get(key), str) and config[key], f"no {key}")
    launch.equal(config["qos"], 1, "qos")
    launch.equal(config["device"]["name"], 'The "back" door', "name of the device")
    launch.check(config["device"]["identifiers"] == ["backdoor"], "identifiers")
    launch.check(config["origin"]["name"], "no origin")
    launch.equal(config["value_template"].count("{{"), config["value_template"].count("}}"), "braces of the template")
    return config


def discovery(broker):
    """Whoever comes late gets it too; the state is on the topic that it names, and has what the templates ask for."""
    launch.run(["gst-launch-1.0", "-q"] + CLIP.format(media=launch.MEDIA).split() +
               publish(broker, "client-id=backdoor").split() + ['device-name=The "back" door', "!", "fakesink"])
    with broker.listen_late("homeassistant/#") as listener:
        lines = [listener.await_line("homeassistant/sensor/backdoor/") for _ in range(2)]
        configs = [sensor(*line.rstrip("\n").split(" ", 1)) for line in lines]
        listener.stop()
    launch.equal(len({config["unique_id"] for config in configs}), 2, "sensors")
    launch.equal({config["state_topic"] for config in configs}, {"cameras/door"}, "topics")
    with broker.listen(configs[0]["state_topic"], configs[0]["availability_topic"]) as listener:
        launch.run(["gst-launch-1.0", "-q"] + CLIP.format(media=launch.MEDIA).split() +
                   publish(broker, "client-id=backdoor").split() + ["!", "fakesink"])
        listener.await_line("cameras/door/status online")
        state = json.loads(listener.await_line("cameras/door {").split(" ", 1)[1])
        listener.await_line("cameras/door/status offline")
        listener.stop()
    launch.equal(state["classes"][0]["label"], "espresso", "class")
    launch.check(0 < state["classes"][0]["score"] <= 1 and state["id"], "no score, or no id")


def last_will(broker):
    """SIGKILL: the broker says that the camera has gone, also to those who come later."""
    with broker.listen("cameras/door/status", "cameras/door") as listener:
        with program(CAMERA + publish(broker)) as camera:
            listener.await_line("cameras/door/status online")
            listener.await_line("cameras/door {")
            os.killpg(camera.process.pid, signal.SIGKILL)
            listener.await_line("cameras/door/status offline")
        listener.stop()
    with broker.listen_late("cameras/door/status") as late:
        late.await_line("cameras/door/status offline")
        late.stop()


def killed_while_the_broker_is_away(broker):
    """What the killed process had written is sent by the next one, in order, before its own."""
    broker.stop()
    with program(CAMERA + publish(broker, "client-id=survivor")) as camera:
        spool = os.path.join(broker.folder, "spool")
        launch.wait_for(lambda: os.path.isdir(spool) and any(
            name.endswith(".lines") and os.stat(os.path.join(spool, name)).st_size > 8000 for name in os.listdir(spool)))
        os.killpg(camera.process.pid, signal.SIGKILL)
    launch.equal(stat.S_IMODE(os.stat(spool).st_mode), 0o700, "rights of the spool")
    broker.start()
    with broker.listen("cameras/door") as listener, program(CAMERA + publish(broker, "client-id=survivor")) as camera:
        times, ids = [], []
        while len(times) < 2 or times[-1] > times[-2]:
            message = json.loads(listener.await_line("cameras/door {").split(" ", 1)[1])
            times.append(message["pts"])
            ids.append(message["id"])
        listener.stop()
        camera.stop()
    launch.check(len(times) > 6, "too few of the first process's results")
    # The number after the dash counts what was written.
    launch.equal([int(text.split("-")[1]) for text in ids], list(range(1, len(ids) + 1)), "numbers of the results")
    launch.equal(len({text.split("-")[0] for text in ids[:-1]}), 1, "processes before the last one")
    launch.equal(times[:-1], sorted(times[:-1]), "order")


def secured(broker, port, host="localhost", more=""):
    return f"location=mqtts://{host}:{port}/cameras/door spool={broker.folder}/spool {more}"


def ends_well(broker, text, **env):
    """The result arrives, and neither name nor word is in what is printed."""
    run = launch.run(["gst-launch-1.0", "-m"] + (CLIP.format(media=launch.MEDIA) + text).split() + ["!", "fakesink"], **env)
    launch.check("sent=(guint64)1" in run.output, "nothing was sent")
    launch.check("WARNING" not in run.output, "there is a warning")
    launch.check(mosquitto.WORD not in run.output, "the password is printed")


def is_told(broker, text, wanted, **env):
    """A warning with `wanted`; the result is kept. The end of the stream would wait for ever for such a broker."""
    command = (CLIP.format(media=launch.MEDIA) + text).split() + ["drain-timeout=18446744073709551615", "!", "fakesink"]
    spool = os.path.join(broker.folder, "spool")
    with launch.Program(["gst-launch-1.0"] + command, **env) as program:
        line = program.await_line("WARNING")
        launch.check(wanted in line, f"no warning with '{wanted}'")
        launch.wait_for(lambda: any(name.endswith(".lines") for name in os.listdir(spool)))
    for name in os.listdir(spool):
        os.unlink(os.path.join(spool, name))


def tls_and_password(broker):
    ends_well(broker, secured(broker, broker.tls_port, more=f"tls-ca={broker.ca} credentials={broker.credentials}"))
    ends_well(broker, secured(broker, broker.tls_port, more=f"tls-ca={broker.ca}"),
              RESNET18_USERNAME=mosquitto.NAME, RESNET18_PASSWORD=mosquitto.WORD)
    inspected = launch.run(["gst-inspect-1.0", "resnet18publish"], RESNET18_USERNAME=mosquitto.NAME,
                           RESNET18_PASSWORD=mosquitto.WORD)
    launch.check(mosquitto.WORD not in inspected.output, "gst-inspect-1.0 shows the password")


def strangers_are_refused(broker):
    is_told(broker, secured(broker, broker.tls_port, more=f"tls-ca={broker.ca}"), "refuses the connection",
            RESNET18_USERNAME=mosquitto.NAME, RESNET18_PASSWORD="wrong")
    # The authority is not among the system's; the certificate is another host's.
    for more in (f"credentials={broker.credentials}",), (f"tls-ca={broker.ca}",):
        port = broker.tls_port if "credentials" in more[0] else broker.other_port
        is_told(broker, secured(broker, port, more=more[0]), "cannot be reached")


def mistakes(broker):
    """One sentence each, at the start."""
    nonsense = os.path.join(broker.folder, "nonsense")
    with open(nonsense, "w", encoding="utf-8") as file:
        file.write("username=door\n\nhunter2\n")
    for text, wanted in (
            ("location=mqtt://door:word@host/topic", "must not hold a user name or password"),
            ("location=amqp://host/topic", '"amqp" is none of mqtt'),
            ("location=mqtt://host", "it has no topic"),
            ("location=mqtt:///topic", "it has no host"),
            ("location=mqtt://a_b?/topic", "is no host"),
            ("location=mqtt://host:99999/topic", "no port between 1 and 65535"),
            ("location=mqtt://a,b/topic", "one host, not 2"),
            ("location=mqtt://host/cameras/+", "no topic to write to"),
            ("location=nats://host/cameras..door", "no subject to write to"),
            ("location=kafka://host/cameras/door", "no topic of Kafka"),
            ("location=mqtt://host/topic client-id=../x", 'property "client-id"'),
            (publish(broker, "credentials=/nonexistent"), 'property "credentials"'),
            (publish(broker, f"credentials={nonsense}"), "line 3"),
            (f"location=mqtt://127.0.0.1:{broker.port}/a spool=/dev/null/spool", 'property "spool"')):
        run = launch.run(["gst-launch-1.0", "-m"] + (CLIP.format(media=launch.MEDIA) + text).split() + ["!", "fakesink"],
                         must_work=False)
        launch.check(run.status != 0 and wanted in run.output, f"no error with '{wanted}'")
        launch.check("hunter2" not in run.output, "a line of the credentials is printed")


def with_broker(case):
    def run():
        reason = mosquitto.missing()
        if reason:
            return reason
        with mosquitto.running() as broker:
            return case(broker)
    return run


launch.main([(case.__name__.replace("_", " "), with_broker(case)) for case in
             (discovery, last_will, killed_while_the_broker_is_away, tls_and_password, strangers_are_refused, mistakes)])
