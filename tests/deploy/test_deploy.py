# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files of examples/deploy: by their schemas, and against each other and the image.

    test_deploy.py"""
import glob
import os
import re
import shutil
import subprocess
import tempfile
import traceback

import compose_spec
import kubernetes_validate
import yaml

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
DEPLOY = os.path.join(ROOT, "examples", "deploy")
# The oldest release that has everything the manifests use, and the newest one that the validator knows.
RELEASES = ("1.30", "1.37")


class Skip(Exception):
    pass


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def read(*path):
    with open(os.path.join(DEPLOY, *path), encoding="utf-8") as file:
        return file.read()


def refused(function, *arguments):
    try:
        function(*arguments)
    except Exception:  # pylint: disable=broad-except  # whatever the validator throws
        return True
    return False


# ---- Kubernetes ---------------------------------------------------------------------------------------------

def manifests():
    found = {}
    for path in sorted(glob.glob(os.path.join(DEPLOY, "kubernetes", "*.yaml"))):
        with open(path, encoding="utf-8") as file:
            for document in yaml.safe_load_all(file):
                found[document["kind"]] = document
    return found


def kubernetes_manifests_are_valid():
    check(sorted(manifests()) == ["Deployment", "HorizontalPodAutoscaler", "Service"], f"kinds: {sorted(manifests())}")
    for kind, document in manifests().items():
        for release in RELEASES:
            kubernetes_validate.validate(document, release, strict=True)
        document["spec"]["unheard-of"] = 1
        check(refused(kubernetes_validate.validate, document, RELEASES[0], True), f"a wrong {kind} is taken")


def kubernetes_manifests_fit_together():
    found = manifests()
    deployment, service, scaler = (found[kind] for kind in ("Deployment", "Service", "HorizontalPodAutoscaler"))
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"]
    for selector in (deployment["spec"]["selector"]["matchLabels"], service["spec"]["selector"]):
        check(selector.items() <= labels.items(), f"{selector} selects no pod with {labels}")
    target = scaler["spec"]["scaleTargetRef"]
    check((target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"]), f"scales {target}")
    container = pod["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    check(service["spec"]["ports"][0]["targetPort"] in ports, "the service's port")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        check(container[probe]["httpGet"]["port"] in ports, f"port of {probe}")
        check(container[probe]["httpGet"]["path"] in served_paths(), f"path of {probe}")
    check(container["resources"]["limits"].keys() >= {"cpu", "memory"}, "limits")
    check(str(ports["http"]) in re.findall(r"^EXPOSE (\d+)$", dockerfile(), re.M), "the image's port")
    check(f"USER {pod['spec']['securityContext']['runAsUser']}:" in dockerfile(), "the image's user")


def dockerfile():
    with open(os.path.join(ROOT, "Dockerfile"), encoding="utf-8") as file:
        return file.read()


def served_paths():
    with open(os.path.join(ROOT, "server", "openapi.json"), encoding="utf-8") as file:
        return set(re.findall(r'"(/[^"]*)"\s*:\s*\{', file.read()))


# ---- Compose ------------------------------------------------------------------------------------------------

def compose_file_is_valid():
    text = read("compose.yaml")
    compose_spec.PyCompose.from_yaml(text).validate()
    for right, wrong in (("read_only:", "readonly:"), ("mem_limit: 256m", "mem_limit: some"), ("- camera", "- webcam")):
        check(right in text, f"there is no {right}")
        broken = text.replace(right, wrong)
        check(refused(lambda: depends(compose_spec.PyCompose.from_yaml(broken))), f"{wrong} is taken")
    depends(compose_spec.PyCompose.from_yaml(text))


def depends(compose):
    """Each service is built from a stage that the Dockerfile has, and waits for services that there are."""
    services = yaml.safe_load(compose.to_yaml())["services"]
    for name, service in services.items():
        wanted = service.get("depends_on", [])
        check(set(wanted) <= services.keys(), f"{name} depends on {wanted}")
        check(re.search(rf"^FROM \S+ AS {service['build']['target']}$", dockerfile(), re.M), f"{name} is built from no stage")


# ---- systemd ------------------------------------------------------------------------------------------------

def unit(folder):
    """The unit with a program that is there."""
    path = os.path.join(folder, "resnet18-server.service")
    text = read("resnet18-server.service")
    check("/usr/local/bin/resnet18-server" in text, "the program")
    # The manual is not installed while testing, either.
    text = text.replace("/usr/local/bin/resnet18-server", "/bin/true")
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(line for line in text.splitlines(True) if not line.startswith("Documentation=")))
    return path


def analyze(*arguments):
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not installed")
    done = subprocess.run(["systemd-analyze", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if "D-Bus" in done.stdout or "system bus" in done.stdout:
        raise Skip(f"systemd-analyze does not work here: {done.stdout.strip()}")
    return done


def unit_is_valid():
    with tempfile.TemporaryDirectory() as folder:
        path = unit(folder)
        done = analyze("verify", path)
        check(done.returncode == 0 and "resnet18" not in done.stdout, done.stdout)
        with open(path, "a", encoding="utf-8") as file:
            file.write("[Service]\nProtectHom=yes\n")
        check("ProtectHom" in analyze("verify", path).stdout, "a wrong word is taken")


def unit_fits_the_example_of_the_page():
    """It is read again by SIGHUP, and may write where docs/fleet.md's configuration file does."""
    text = read("resnet18-server.service")
    check(re.search(r"^ExecReload=/bin/kill -HUP \$MAINPID$", text, re.M), "no reload")
    places = [f"/var/{folder}/{name}/" for kind, folder in (("State", "lib"), ("Logs", "log"))
              for name in re.findall(rf"^{kind}Directory=(\S+)$", text, re.M)]
    with open(os.path.join(ROOT, "docs", "fleet.md"), encoding="utf-8") as file:
        written = re.findall(r'^(?:spool|location) = "(/[^"]*)"', file.read(), re.M)
    check(len(written) == 2 and all(any(path.startswith(place) for place in places) for path in written), f"{written}, {places}")


def unit_is_hardened():
    with tempfile.TemporaryDirectory() as folder:
        done = analyze("security", "--offline=true", "--threshold=20", unit(folder))
        check(done.returncode == 0, done.stdout[-1000:])


TESTS = [kubernetes_manifests_are_valid, kubernetes_manifests_fit_together, compose_file_is_valid, unit_is_valid,
         unit_fits_the_example_of_the_page, unit_is_hardened]
print(f"1..{len(TESTS)}", flush=True)
for number, test in enumerate(TESTS, 1):
    name = f"{number} - {test.__name__.replace('_', ' ')}"
    try:
        test()
        print(f"ok {name}", flush=True)
    except Skip as reason:
        print(f"ok {name} # SKIP {reason}", flush=True)
    except Exception:  # pylint: disable=broad-except
        print("# " + traceback.format_exc().replace("\n", "\n# "))
        print(f"not ok {name}", flush=True)
