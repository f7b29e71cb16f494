# SPDX-License-Identifier: LGPL-2.1-or-later
"""The other subcommands, and how mistakes on the command line are answered."""
import os
import shutil
import tempfile

import tool
from tool import check, classify, equal, media, refused, scores, works

WEIGHTS = os.path.join(tool.ROOT, "weights", "resnet18.safetensors")
COMMANDS = ("classify", "eval", "bench", "import", "calibrate", "selftest")


def help_and_version():
    listed = works("--help").out
    for name in COMMANDS:
        check(f"\n  {name} " in listed, f"{name} is not listed")
        text = works(name, "--help").out
        check(f"Usage:\n  resnet18 {name} [OPTION...]" in text, f"usage of {name}")
        check("Examples:\n  " in text and f"resnet18 {name}" in text.split("Examples:")[1], f"examples of {name}")
    version = works("--version").out
    for word in ("resnet18 ", "processor: ", "instruction sets: ", "weights: built-in", "fp32: kernels for ", "int8: "):
        check(word in version, f"'{word}' is not in --version")
    check("instruction sets: c\n" in works("--version", RESNET18_CPU="c").out, "RESNET18_CPU")


def misuse():
    def usage(arguments, sentence):
        hint = f"Try 'resnet18 {arguments[0]} --help'."
        refused(arguments, 2, f"resnet18 {arguments[0]}: {sentence}", hint)
    refused([], 2, "resnet18: which command?", "Try 'resnet18 --help'.")
    refused(["clasify"], 2, "resnet18: unknown command 'clasify'", "Try 'resnet18 --help'.")
    refused(["--version", "x"], 2, "resnet18: --version takes no arguments, but got 'x'", "Try 'resnet18 --help'.")
    refused(["--frobnicate"], 2, "resnet18: unknown option '--frobnicate'", "Try 'resnet18 --help'.")
    usage(["classify"], "which picture, video or stream?")
    usage(["classify", "--frobnicate", "x"], "Unknown option --frobnicate")
    usage(["classify", "--top-k", "0", "x"], "--top-k must be between 1 and 1000, not 0")
    usage(["classify", "--threshold", "1.5", "x"], "--threshold must be between 0 and 1, not 1.5")
    usage(["classify", "--interval", "0", "x"], "--interval must be between 1 and 2147483647, not 0")
    usage(["classify", "--crop", "middle", "x"], "--crop must be one of center, squash, letterbox, not 'middle'")
    usage(["classify", "--precision", "fp16", "x"], "--precision must be one of auto, fp32, int8, not 'fp16'")
    usage(["classify", "--resize-short", "200", "x"], "--resize-short must be between 224 and 1024, not 200")
    usage(["classify", "--threads", "-1", "x"], "--threads must be between 0 and 64, not -1")
    usage(["classify", "--json=1", "x"], "--json takes no value")
    usage(["classify", "-k0", "x"], "--top-k must be between 1 and 1000, not 0")
    usage(["classify", "-kx", "x"], "Cannot parse integer value “x” for -k")
    usage(["eval"], "--labels FILE is missing: the list of pictures and their classes")
    usage(["eval", "x.jpg"], "the list of pictures goes after --labels; 'x.jpg' is left over")
    usage(["eval", "--labels", "x", "--first", "5", "--last", "4"], "--last must not be less than --first")
    usage(["bench", "--batch", "17"], "--batch must be between 1 and 16, not 17")
    usage(["bench", "--runs", "0"], "--runs must be between 1 and 1000000, not 0")
    usage(["bench", "--json", "--plan"], "--json goes without --plan and --steps")
    usage(["bench", "x"], "it takes no arguments, but got 'x'")
    usage(["import"], "which file?")
    usage(["import", "x"], "-o FILE is missing: where to write the weights")
    usage(["import", "x", "y", "-o", "z"], "one file at a time")
    usage(["calibrate"], "--images is missing: a directory of pictures, or a list of them")
    usage(["calibrate", "--images", "x"], "-o FILE is missing: where to write the calibration")
    usage(["selftest", "x"], "it takes no arguments, but got 'x'")


def attached():
    """A short option's value may be attached to it, behind flags too."""
    picture = media("coffee.png")
    want = works("classify", "--top-k", "2", picture).out
    equal(works("classify", "-k2", picture).out, want, "-k2")
    equal(works("classify", picture, "-k2").out, want, "-k2 behind the picture")
    equal(len(works("classify", "-jk2", picture).json()[0]["classes"]), 2, "-jk2")
    for words in (["--weights", "-k2", picture], ["-w", "-k2", picture], ["-w-k2", picture], ["--", "-k2"]):
        result = tool.run("classify", *words)
        check(result.status == 1 and result.err.startswith("resnet18: -k2: "), f"{words}: -k2 is a file's name")


def bench():
    result, = works("bench", "--precision", "fp32", "--threads", "1", "--runs", "5", "--json").json()
    equal((result["runs"], result["batch"], result["threads"], result["precision"]), (5, 1, 1, "fp32"), "what was run")
    check(0 < result["min_ms"] <= result["median_ms"] <= result["p99_ms"], "min <= median <= p99")
    check(result["min_ms"] <= result["mean_ms"] <= result["p99_ms"], "min <= mean <= p99")
    batch, = works("bench", "--batch", "2", "--runs", "3", "--json").json()
    equal(batch["batch"], 2, "batch")
    text = works("bench", "--runs", "3").out
    check(text.startswith("fp32, ") and "median " in text and "(3 runs)" in text, "text")


def plan():
    rows = works("bench", "--plan").out.splitlines()
    names = {row.split()[0] for row in rows[1:]}
    for name in ("layer1.0.conv1", "layer2.0.downsample.0", "layer4.1.conv2", "fc"):
        check(name in names, f"{name} is not in the plan")
    plain = works("bench", "--plan", RESNET18_CPU="c").out
    check(plain != "\n".join(rows) and "avx" not in plain, "the plan of RESNET18_CPU=c")


def steps():
    lines = works("bench", "--steps", "--runs", "3").out.splitlines()
    check(lines[0].split()[:4] == ["step", "kernel", "output", "MFLOP"] and "GFLOP/s" in lines[0], "heading")
    times = [float(line.split()[6]) for line in lines[1:-3]]
    check(times and all(t >= 0 for t in times) and sum(times) > 0, "microseconds of the steps")
    check(lines[-3].startswith("all: "), "the sum")


def same_weights():
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.safetensors")
        equal(works("import", WEIGHTS, "-o", out).out, f"wrote {out}\n", "standard output")
        got, = classify("--weights", out, media("coffee.png"))
        equal(got["model"], out, "model")
        equal(scores(got), scores(classify(media("coffee.png"))[0]), "scores")


def import_through_a_link():
    with tempfile.TemporaryDirectory() as folder:
        real, alias, broken = (os.path.join(folder, name) for name in ("real", "alias", "broken"))
        with open(real, "wb"):
            pass
        os.symlink("real", alias)
        os.symlink("nowhere", broken)
        works("import", WEIGHTS, "-o", alias)
        check(os.path.islink(alias) and os.path.getsize(real) > 1000000, "the file behind the link is replaced")
        refused(["import", WEIGHTS, "-o", broken], 1, f"resnet18: {broken}: is a symbolic link to nothing")


def bad_import():
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.safetensors")
        for int8, wrong in ([], media("china.jpg")), ([], os.path.join(folder, "missing.pth")), (["--int8"], folder):
            result = tool.run("import", *int8, wrong, "-o", out)
            equal((result.status, result.out, os.listdir(folder)), (1, "", []), "status, output, files")
            check(result.err.startswith("resnet18: " + wrong) and result.err.count("\n") == 1, "the sentence")


def calibration():
    """Weights of one's own get int8 by a calibration beside them."""
    with tempfile.TemporaryDirectory() as folder:
        weights = os.path.join(folder, "own.safetensors")
        shutil.copy(WEIGHTS, weights)
        without = tool.run("classify", "--weights", weights, "--precision", "int8", media("coffee.png"))
        equal((without.status, without.out), (1, ""), "status and output without a calibration")
        check("resnet18 calibrate" in without.err, "the sentence says how to get one")
        auto, = classify("--weights", weights, "--precision", "auto", media("coffee.png"))
        equal(auto["precision"], "fp32", "auto without a calibration")
        pictures = os.path.join(folder, "pictures")
        os.mkdir(pictures)
        for name in tool.BEST:
            shutil.copy(media(name), pictures)
        out = weights + ".calibration"
        equal(works("calibrate", "--weights", weights, "--images", pictures, "-o", out).out,
              f"wrote {out}, from 5 pictures\n", "standard output")
        int8, = classify("--weights", weights, "--precision", "int8", media("coffee.png"))
        equal((int8["precision"], int8["classes"][0]["label"]), ("int8", "espresso"), "int8")
        small = os.path.join(folder, "small.safetensors")
        equal(works("import", "--int8", weights, "-o", small).out, f"wrote {small}\n", "standard output")
        check(os.path.getsize(small) < 0.65 * os.path.getsize(weights), "the file is smaller than one of 16 bits a weight")
        got, = classify("--weights", small, media("coffee.png"))
        equal((got["precision"], scores(got)), ("int8", scores(int8)), "int8 by default, and the same scores")
        refused(["classify", "--weights", small, "--precision", "fp32", media("coffee.png")], 1,
                f"resnet18: {small}: the weights are int8 only; fp32 needs those that they were made of")
        names = os.path.join(folder, "names.txt")
        with open(names, "w", encoding="utf-8") as file:
            file.write("\n".join("pictures/" + name for name in sorted(tool.BEST)) + "\n")
        again = os.path.join(folder, "again")
        works("calibrate", "--weights", weights, "--images", names, "-o", again)
        with open(out, "rb") as one, open(again, "rb") as two:
            check(one.read() == two.read(), "a list of the same pictures makes the same file")


def bad_calibration():
    with tempfile.TemporaryDirectory() as folder:
        out, names = os.path.join(folder, "out"), os.path.join(folder, "names.txt")
        with open(names, "w", encoding="utf-8") as file:
            file.write(f"missing.jpg\n{media('coffee.png')}\n")
        refused(["calibrate", "--images", names, "-o", out], 1,
                f"resnet18: {folder}/missing.jpg: No such file or directory")
        check(not os.path.exists(out), "nothing is written")
        empty = os.path.join(folder, "empty")
        os.mkdir(empty)
        refused(["calibrate", "--images", empty, "-o", out], 1, f"resnet18: {empty}: it names no pictures")


def selftest():
    lines = works("selftest").out.splitlines()
    check(lines[0].startswith("instruction sets: "), "instruction sets")
    check(len(lines) > 3 and all(line.startswith("PASS  ") for line in lines[1:-1]), "a line a check")
    equal(lines[-1], f"PASS: {len(lines) - 2} checks", "last line")


tool.main([("--help and --version", help_and_version), ("mistakes", misuse), ("attached values", attached), ("bench", bench), ("bench --plan", plan),
           ("bench --steps", steps), ("import", same_weights), ("import through a link", import_through_a_link), ("bad files to import", bad_import),
           ("calibrate", calibration), ("bad pictures to calibrate with", bad_calibration), ("selftest", selftest)])
