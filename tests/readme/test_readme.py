# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs every command of the README, block by block, in the source tree, and checks that its C is that of the examples.

    test_readme.py BUILD-FOLDER [RTSP-SERVER]

What cannot be had in a test is replaced, and nothing else: SUBSTITUTES lists it."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pipelines"))
import camera
import launch

BUILD = os.path.abspath(sys.argv[1])
SERVER = [os.path.abspath(path) for path in sys.argv[2:]]
CAMERA = "rtsp://camera.local/stream"  # as the README says; a server on this machine stands in for it
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def substitutes(folder):
    """(what the README says, what the test runs). A text that no block has any more is an error."""
    return (
        ("script/test", "script/test --help"),  # which runs this test
        ("v4l2src !", camera.WEBCAM + " !"),
        ("autovideosink", "fakesink"),
        ("labelled.", folder + "/labelled."),
        ("sudo meson install -C build", f"DESTDIR={folder}/root meson install -C build --no-rebuild"),
        ("grep ", "grep --line-buffered "),  # as grep does on a terminal
        ("build", os.path.relpath(BUILD, launch.ROOT)),
    )


def block_runs(setting, text, wanted):
    """Runs a block after the README's line that sets the environment. `wanted` must be in what it prints, if given."""
    launch.comment(text)
    run = launch.run(["bash", "-e", "-o", "pipefail", "-c", setting + "\n" + text])
    if wanted:
        launch.check(wanted in run.output, f"'{wanted}' is not in the output")


def camera_block_runs(setting, text, wanted):
    """The same for a block with a network camera, whose stream does not end."""
    with camera.rtsp(SERVER[0]) as url:
        launch.run_until(["bash", "-c", setting + "\n" + text.replace(CAMERA, url)], wanted)


# The beginning of a block, and what must be among what it prints.
PRINTS = {
    "script/demo": "out/demo.png",
    "gst-inspect-1.0": "post-messages",
    "resnet18 classify": "espresso",
    "gst-launch-1.0 -m rtspsrc": "king penguin",
    "examples/pipelines": "king penguin",
    "sudo meson install": "libgstresnet18.so",
}


def cases(readme, replaced):
    setting = next((line for line in readme.splitlines() if line.startswith("export ")), "")
    rows = [("environment", lambda: launch.check("GST_PLUGIN_PATH" in setting, "the README sets no GST_PLUGIN_PATH"))]
    for kind, text in BLOCK.findall(readme):
        name = text.splitlines()[0][:60]
        if kind == "c":
            rows.append((f"C: {name}", lambda text=text: snippet(text)))
        if kind != "sh":
            continue
        wanted = next((PRINTS[start] for start in PRINTS if text.startswith(start)), None)
        run = camera_block_runs if CAMERA in text else block_runs
        rows.append((f"sh: {name}", lambda run=run, text=text, wanted=wanted: run(replaced(setting), replaced(text), wanted)))
    return rows


def snippet(text):
    sources = "".join(open(os.path.join(launch.ROOT, "examples", "apps", name), encoding="utf-8").read()
                      for name in ("watch.c", "picture.c"))
    launch.check(text in sources, "the README's C is not in examples/apps any more")


def example_builds(name, folder):
    """An example program, built by the line in its first comment from what `meson install` installed."""
    root = os.path.join(folder, "root")
    launch.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], DESTDIR=root)
    packages = [os.path.join(where, file) for where, _, files in os.walk(root) for file in files if file.endswith(".pc")]
    for path in packages:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        prefix = re.search(r"^prefix=(.*)$", text, re.M).group(1)
        if not prefix.startswith(root):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace("prefix=" + prefix, f"prefix={root}{prefix}"))
    launch.check(packages, "no pkg-config file was installed")
    path = os.path.join(launch.ROOT, "examples", "apps", name)
    with open(path, encoding="utf-8") as file:
        line = re.search(r"with: (cc .*\))", file.read()).group(1)
    launch.run(f"cd {folder} && {line.replace(name, path)} -Wall -Werror -o example", C_INCLUDE_PATH="",
               PKG_CONFIG_PATH=os.path.dirname(packages[0]))


def links(readme):
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in target]
    launch.check(targets, "no links")
    missing = [target for target in targets if not os.path.exists(os.path.join(launch.ROOT, target))]
    launch.equal(missing, [], "files that the README links to and that are not there")


def main():
    with open(os.path.join(launch.ROOT, "README.md"), encoding="utf-8") as file:
        readme = file.read()
    with tempfile.TemporaryDirectory() as folder:
        table = substitutes(folder)

        def replaced(text):
            for said, run in table:
                text = text.replace(said, run)
            return text

        def all_used():
            stale = [said for said in [CAMERA] + [said for said, _ in table] if said not in readme]
            launch.equal(stale, [], "substitutes for what the README does not say any more")

        examples = [(f"{name} builds from an installation", lambda name=name: example_builds(name, folder))
                    for name in ("watch.c", "picture.c")]
        launch.main(examples + [("links", lambda: links(readme)), ("substitutes", all_used)] + cases(readme, replaced))


if SERVER:
    main()
else:
    print("1..0 # SKIP there is no gst-rtsp-server to stand in for the camera")
