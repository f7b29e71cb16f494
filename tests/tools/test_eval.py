# SPDX-License-Identifier: LGPL-2.1-or-later
"""resnet18 eval: its arithmetic on a list of our own, and its agreement with torchvision on ImageNet pictures."""
import math
import os
import stat
import subprocess
import tempfile

import tool
from tool import EVAL, check, classify, equal, media, near, works

GOLDEN = os.path.join(tool.ROOT, "tests", "golden")
CLASSES = {"chelsea.png": 282, "coffee.png": 967, "rocket.jpg": 812, "china.jpg": 698}


def table(folder, rows, header="file\tclass"):
    path = os.path.join(folder, "list.tsv")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([header] + [f"{name}\t{number}" for name, number in rows]) + "\n")
    return path


def link(folder):
    """The pictures beside the list."""
    os.symlink(tool.MEDIA, os.path.join(folder, "media"))
    return [(os.path.join("media", name), number) for name, number in CLASSES.items()]


def evaluate(*arguments):
    result, = works("eval", "--json", *arguments).json()
    return result


def arithmetic():
    with tempfile.TemporaryDirectory() as folder:
        rows = link(folder)
        rows[1] = (rows[1][0], 3)  # wrong on purpose
        got = evaluate("--labels", table(folder, rows))
        equal(list(got), ["top1", "top5", "nll", "n", "failed", "seconds", "precision", "threads", "kernels"], "keys")
        equal((got["top1"], got["top5"], got["n"], got["failed"]), (75.0, 75.0, 4, 0), "top1, top5, n, failed")
        want = 0.0
        for name, number in rows:
            result, = classify("--top-k", "1000", media(os.path.basename(name)))
            want -= math.log(next(c["score"] for c in result["classes"] if c["index"] == number)) / 4
        near(got["nll"], want, 1e-4, "nll")  # scores have six digits
        second = evaluate("--labels", table(folder, rows[:1] + [(rows[2][0], 682)]), "--first", "2")
        equal((second["top1"], second["top5"], second["n"]), (0.0, 100.0, 1), "obelisk is second on rocket.jpg")


def predictions():
    with tempfile.TemporaryDirectory() as folder:
        path, out = table(folder, link(folder)), os.path.join(folder, "out.tsv")
        evaluate("--labels", path, "--first", "2", "--last", "3", "--predictions", out)
        with open(out, encoding="utf-8") as file:
            rows = [line.split("\t") for line in file.read().splitlines()]
        equal(rows[0], ["file", "class", "index", "score", "nll"], "header")
        equal([row[:3] for row in rows[1:]], [[f"media/{n}", str(CLASSES[n]), str(CLASSES[n])]
                                              for n in ("coffee.png", "rocket.jpg")], "rows")
        near(float(rows[1][3]), 0.906, 0.001, "score")
        near(float(rows[1][4]), -math.log(float(rows[1][3])), 1e-5, "nll")


def where_predictions_go():
    """A file is replaced behind a link, devices and FIFOs are written to, the list is kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = table(folder, link(folder)[:1])
        real, alias, fifo = (os.path.join(folder, name) for name in ("real.tsv", "alias.tsv", "fifo"))
        with open(real, "w", encoding="utf-8") as file:
            file.write("old\n")
        os.chmod(real, 0o640)
        os.symlink("real.tsv", alias)
        evaluate("--labels", path, "--predictions", alias)
        check(os.path.islink(alias), "the link is still one")
        equal(os.stat(real).st_mode & 0o777, 0o640, "rights")
        with open(real, encoding="utf-8") as file:
            want = file.read()
        check(want.startswith("file\tclass"), "the file behind the link")
        os.mkfifo(fifo)
        with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE, text=True) as reader:
            evaluate("--labels", path, "--predictions", fifo)
            equal(reader.communicate(timeout=600)[0], want, "what came out of the FIFO")
        check(stat.S_ISFIFO(os.stat(fifo).st_mode), "the FIFO is still one")
        evaluate("--labels", path, "--predictions", "/dev/null")
        os.symlink("nowhere", os.path.join(folder, "broken"))
        os.symlink(path, os.path.join(folder, "same"))
        before = sorted(os.listdir(folder))
        for name, sentence in (("broken", "No such file or directory"), ("none/x", "No such file or directory"),
                               ("", "it is a directory"),
                               ("list.tsv", "it is the list itself and would be overwritten"),
                               ("same", "it is the list itself and would be overwritten")):
            out = os.path.join(folder, name)
            tool.refused(["eval", "--labels", path, "--predictions", out], 1, f"resnet18: {out}: {sentence}")
        equal(sorted(os.listdir(folder)), before, "files")


def unreadable_pictures():
    with tempfile.TemporaryDirectory() as folder:
        path = table(folder, link(folder)[:1] + [("none.jpg", 1)])
        result = tool.run("eval", "--json", "--labels", path)
        equal((result.status, result.json()[0]["n"], result.json()[0]["failed"]), (1, 1, 1), "status, n, failed")
        equal(result.err, f"resnet18: {folder}/none.jpg: No such file or directory\n", "standard error")
        path = table(folder, [("none.jpg", 1)])
        got, = tool.run("eval", "--json", "--labels", path).json()
        equal((got["top1"], got["top5"], got["nll"], got["n"], got["failed"]), (None, None, None, 0, 1), "no picture")
        result = tool.run("eval", "--labels", path)
        equal((result.status, result.out), (1, "no picture could be read: 1 failed\n"), "status and text")


def byte_order_mark():
    with tempfile.TemporaryDirectory() as folder:
        path = table(folder, link(folder)[:1], "\ufefffile\tclass")
        equal(evaluate("--labels", path)["n"], 1, "pictures")


def bad_lists():
    with tempfile.TemporaryDirectory() as folder:
        missing = os.path.join(folder, "missing.tsv")
        tool.refused(["eval", "--labels", missing], 1, f"resnet18: {missing}: No such file or directory")
        tool.refused(["eval", "--labels", folder], 1, f"resnet18: {folder}: Is a directory")
        for rows, header, sentence in (
                ([("a.jpg", 1)], "name\tclass", 'line 1: it should be "file", a tab and "class"'),
                ([("a.jpg", 1), ("b.jpg", 1000)], "file\tclass", "line 3: the model has no such class"),
                ([("a.jpg", "cat")], "file\tclass", "line 2: the class is not a number"),
                ([("a.jpg", -1)], "file\tclass", "line 2: the class is not a number"),
                ([], "file\tclass\nno tab", "line 2: it should be a file name, a tab and a class"),
                ([], "file\tclass", "it names no pictures")):
            path = table(folder, rows, header)
            separator = ": "
            tool.refused(["eval", "--labels", path], 1, f"resnet18: {path}{separator}{sentence}")
        path = table(folder, [("a.jpg", 1)])
        tool.refused(["eval", "--labels", path, "--first", "2"], 1,
                     f"resnet18: {path}: there are no rows 2 to 1; the list has 1")


def against_torchvision(name, short, last):
    path = os.path.join(EVAL, name + ".tsv")
    if not os.path.exists(path):
        return "../shared/eval is not there"
    with open(os.path.join(GOLDEN, f"eval_{name}.tsv"), encoding="utf-8") as file:
        golden = [line.rstrip("\n").split("\t") for line in file][1:]
    golden = golden[:last or None]
    with open(path, encoding="utf-8") as file:
        expected = [int(line.split("\t")[1]) for line in file.read().splitlines()[1:]][:len(golden)]
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.tsv")
        got = evaluate("--labels", path, "--resize-short", short, "--precision", "fp32", "--predictions", out, "--last",
                       str(len(golden)))
        with open(out, encoding="utf-8") as file:
            ours = [line.split("\t") for line in file.read().splitlines()][1:]
    equal([row[0] for row in ours], [row[0] for row in golden], "files")
    same = sum(row[2] == want[1] for row, want in zip(ours, golden))
    off = max(abs(float(row[3]) - float(want[2])) for row, want in zip(ours, golden))
    accuracy = 100 * sum(int(want[1]) == right for want, right in zip(golden, expected)) / len(golden)
    tool.comment(f"{same} of {len(golden)} agree, scores differ by {off:.6f} at most; "
                 f"top-1 {got['top1']:.2f} %, torchvision {accuracy:.2f} %")
    check(same >= 0.99 * len(golden), f"only {same} of {len(golden)} agree with torchvision")
    near(got["top1"], accuracy, 0.2, "top-1 accuracy")


def small():
    return against_torchvision("val", "227", 100 if tool.SANITIZED else 0)


def full_size():
    return against_torchvision("full", "256", 50 if tool.SANITIZED else 0)


tool.main([("top1, top5, nll", arithmetic), ("predictions and rows", predictions),
           ("where predictions go", where_predictions_go),
           ("pictures that cannot be read", unreadable_pictures), ("a byte order mark", byte_order_mark), ("bad lists", bad_lists),
           ("ImageNet, 227x227", small), ("ImageNet, full size", full_size)])
