# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/element.md and the man page list each property as gst-inspect-1.0 does; the former uses each in an example; every
command of it and of docs/migration.md runs, with a broker of the test's where it names one. The man pages are sound and installed.

    test_pages.py"""
import os
import re
import shutil
import sys
import tempfile

for area in ("pipelines", "brokers"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", area))
import camera
import launch
import mosquitto

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
ROW = re.compile(r"^\| `([a-z-]+)` \| (\w+)[^|]*\|([^|]*)\|([^|]*)\| (.*) \|$", re.M)
# gst-inspect's names of the types.
TYPES = {"Boolean": "boolean", "Enum": "enum", "Float": "float", "Unsigned Integer": "uint", "String": "string",
         "Unsigned Integer64": "uint64", "Fraction": "fraction", "Boxed pointer of type": "structure"}
INHERITED = {"name", "parent", "qos"}


def page(name):
    with open(os.path.join(launch.ROOT, "docs", name), encoding="utf-8") as file:
        return file.read()


ELEMENT = page("element.md")
CLASSIFY, PUBLISH = ELEMENT.split("## resnet18publish")
MANUAL = page("resnet18classify.7")
MANUAL_CLASSIFY, MANUAL_PUBLISH = MANUAL.split(".Ss Properties of resnet18publish")
MANUAL_ROW = re.compile(r"^\.It Cm ([a-z-]+) Pq (\w+)[^,]*? , (?:read only|default (\S+) , until (\w+))$", re.M)


def default_of(kind, text):
    if kind == "enum":
        return re.search(r'"([^"]*)"', text).group(1)
    if kind == "structure":
        return ""
    return {"null": "NULL"}.get(text, text.strip('"'))


def inspected(element):
    """{property: (type, default, state until which it can be changed, {values of an enum})}"""
    output = launch.run(["gst-inspect-1.0", "--no-colors", element]).output
    properties = output.split("Element Properties:")[1].split("Element Signals:")[0]
    found = {}
    for name, text in re.findall(r"^  (\S+) +: (.*?)(?=^  \S|\Z)", properties, re.M | re.S):
        if name in INHERITED:
            continue
        kind, default = re.search(r"^ +(%s)\b(?:.*Default: *(.*?) *$)?" % "|".join(sorted(TYPES, key=len, reverse=True)),
                                  text, re.M).groups()
        until = "PLAYING" if "or PLAYING" in text else "READY" if "READY state" in text else ""
        values = set(re.findall(r"^ +\(\d+\): (\S+)", text, re.M))
        found[name] = (TYPES[kind], default_of(TYPES[kind], default or ""), until, values)
    return found


def table(element, section):
    real = inspected(element)
    said = {name: (kind, default.strip(), until.strip()) for name, kind, default, until, _ in ROW.findall(section)}
    launch.equal(said, {name: row[:3] for name, row in real.items()}, "the page's properties")
    for name, *_, meaning in ROW.findall(section):
        missing = {value for value in real[name][3] if f"`{value}`" not in meaning}
        launch.equal(missing, set(), f"values of {name} that the page does not name")


def used(element, section):
    commands = " ".join(text for kind, text in BLOCK.findall(section) if kind == "sh")
    unused = {name for name, row in inspected(element).items() if row[2] and not re.search(rf"\b{name}=", commands)}
    launch.equal(unused - {"location"}, set(), "properties that no example uses")


def header_fields():
    with open(os.path.join(launch.ROOT, "gst", "resnet18meta.h"), encoding="utf-8") as file:
        return set(re.findall(r"^ \*   ([a-z-]+)  ", file.read(), re.M))


def fields():
    """What the page says of the result is what its header says."""
    rows = re.findall(r"^\| (`[a-z`, -]+`) \|", CLASSIFY.split("## The result")[1].split("## Signals")[0], re.M)
    launch.equal({name for row in rows for name in re.findall(r"`([a-z-]+)`", row)}, header_fields(),
                 "fields of the result")


def manual(element, section):
    """The man page's list of properties."""
    real = inspected(element)
    said = {name: (kind, default or "", until or "") for name, kind, default, until in MANUAL_ROW.findall(section)}
    launch.equal(said, {name: row[:3] for name, row in real.items()}, "the man page's properties")
    for name, row in real.items():
        meaning = section.split(f".It Cm {name} Pq ")[1].split("\n.It ")[0]
        missing = {value for value in row[3] if not re.search(rf"^\.Cm {value}\b", meaning, re.M)}
        launch.equal(missing, set(), f"values of {name} that the man page does not name")


def manual_fields():
    said = re.findall(r"^\.It Va (.*) Pq", MANUAL.split(".Ss The result")[1].split(".Ss ")[0], re.M)
    launch.equal({name for row in said for name in row.split(" , ")}, header_fields(), "fields of the result")


def manuals_are_sound():
    linters = [command for command in (["mandoc", "-T", "lint", "-W", "warning"], ["groff", "-mandoc", "-ww", "-Tutf8", "-z"])
               if shutil.which(command[0])]
    if not linters:
        return "there is neither mandoc nor groff"
    for name in ("resnet18.1", "resnet18classify.7", "resnet18-server.1"):
        for linter in linters:
            run = launch.run(linter + [os.path.join(launch.ROOT, "docs", name)], LD_PRELOAD="")
            launch.equal(run.output, "", f"what {linter[0]} says of {name}")


def manuals_are_installed():
    if not shutil.which("meson"):
        return "there is no meson to ask"
    plan = launch.run(["meson", "introspect", "--installed", os.environ["RESNET18_BUILD"]], LD_PRELOAD="").output
    for name in ("man1/resnet18.1", "man7/resnet18classify.7"):
        launch.check(f"/{name}\"" in plan, f"{name} is installed")


def runs_with_broker(text, folder):
    """A command that names a broker: all its results arrive there."""
    reason = mosquitto.missing()
    if reason:
        return reason
    with mosquitto.running() as broker:
        for said, real in (("mqtt://broker.local/", f"mqtt://127.0.0.1:{broker.port}/"), ("broker-ca.pem", broker.ca),
                           ("mqtts://broker.local/", f"mqtts://localhost:{broker.tls_port}/"),
                           ("broker-credentials", broker.credentials), ("/var/spool/", broker.folder + "/")):
            text = text.replace(said, real)
        with broker.listen("cameras/door") as listener:
            run = launch.run(["bash", "-e", "-c", text], XDG_STATE_HOME=broker.folder + "/state")
            launch.check("WARNING" not in run.output, "there is a warning")
            for _ in range(14):
                listener.await_line('model:built-in,')
            listener.stop()
    return None


def runs(text, folder):
    if "broker.local" in text:
        return runs_with_broker(text, folder)
    for said, real in (("v4l2src", camera.WEBCAM), ("labelled.", folder + "/labelled."), ("results.", folder + "/results.")):
        text = text.replace(said, real)
    run = launch.run(["bash", "-e", "-c", text])
    launch.check("WARNING" not in run.output, "there is a warning")
    # What the command is to show: messages, lines, a file.
    if "post-messages" in text:
        launch.check(run.results and all(result.classes for result in run.results), "a message without a class, or none")
    made = [name for name in os.listdir(folder) if os.path.getsize(os.path.join(folder, name))]
    launch.equal(len(made), len(re.findall(r"location=\S*/(?:labelled|results)\.", text)), "files")
    if text.rstrip().endswith("resnet18publish ! fakesink"):
        launch.equal(run.output.count('{"model":"built-in",'), 14, "lines")
    for name in made:
        os.unlink(os.path.join(folder, name))
    return None


def main():
    cases = [("resnet18classify's properties", lambda: table("resnet18classify", CLASSIFY.split("## Examples")[0])),
             ("resnet18publish's properties", lambda: table("resnet18publish", PUBLISH)),
             ("each of resnet18classify's is used", lambda: used("resnet18classify", CLASSIFY)),
             ("each of resnet18publish's is used", lambda: used("resnet18publish", PUBLISH)),
             ("the result's fields", fields),
             ("resnet18classify's properties in the man page", lambda: manual("resnet18classify", MANUAL_CLASSIFY)),
             ("resnet18publish's properties in the man page", lambda: manual("resnet18publish", MANUAL_PUBLISH)),
             ("the result's fields in the man page", manual_fields),
             ("the man pages are sound", manuals_are_sound), ("the man pages are installed", manuals_are_installed)]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("element.md", "migration.md"):
            commands = [text for kind, text in BLOCK.findall(page(name)) if kind == "sh"]
            launch.check(commands, f"docs/{name} has no commands")
            cases += [(f"docs/{name}, command {number}", lambda text=text: runs(text, folder))
                      for number, text in enumerate(commands, 1)]
        launch.main(cases)


main()
