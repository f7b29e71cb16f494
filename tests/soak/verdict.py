# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the samples of soak.py say, and their picture.

    verdict.py SOAK.tsv [PICTURE.png]     the picture needs matplotlib

After half of the time, which is the warm-up: the slope (least squares) of the greatest resident memory of each two minutes in MB an
hour, and the most frequent and the least numbers of descriptors and threads in the third and in the last quarter: what is not given
back raises both. The greatest, because the weights of an element come and go within seconds, which makes single samples differ by
80 MB; what is not given back raises the greatest as well. The server's heap takes some 50 minutes to reach its size, so memory is
judged after 90 minutes or more. Exit status 0 only if it grows by 1 MB an hour at most, not both numbers have grown, and every request
that was sent is answered."""
import csv
import statistics
import sys

SLOPE = 1.0  # MB an hour
WINDOW = 120  # seconds of which the greatest memory counts
JUDGED = 90 * 60  # seconds that memory takes to be judged


def read(path):
    with open(path, encoding="ascii", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file, delimiter="\t")]


def slope(rows, name):
    """MB an hour"""
    greatest = {}
    for r in rows:
        window = (r["seconds"] - rows[0]["seconds"]) // WINDOW
        greatest[window] = max(greatest.get(window, 0), r[name])
    del greatest[max(greatest)]  # a part of two minutes
    return 3600 / 1024 / WINDOW * statistics.linear_regression(list(greatest), list(greatest.values())).slope


def judge(rows):
    """[(what, whether it held)]"""
    half, quarter = len(rows) // 2, len(rows) // 4
    middle, last = rows[half:half + quarter], rows[half + quarter:]
    short = rows[-1]["seconds"] < JUDGED
    for process in ("server", "swap"):
        mb = slope(middle + last, process + "_rss")
        peak = max(r[process + "_rss"] for r in rows) / 1024
        yield (f"{process}: memory {mb:+.2f} MB an hour after the warm-up, at most {peak:.1f} MB"
               + (", which is not judged" if short else ""), short or mb <= SLOPE)
        for kind in ("fds", "threads"):
            numbers = [[r[f"{process}_{kind}"] for r in part] for part in (middle, last)]
            (before, after), (least, later) = map(statistics.mode, numbers), map(min, numbers)
            yield (f"{process}: {kind} {before:g}, at least {least:g}, then {after:g}, at least {later:g}",
                   after <= before or later <= least)
    # Each client waits for one answer at most when a sample is taken.
    waiting = max(r["sent"] - r["answered"] for r in rows)
    yield f"{rows[-1]['sent']:.0f} requests, at most {waiting:.0f} of them waiting at a time", waiting <= 3
    end = rows[-1]
    yield (f"{end['seconds'] / 60:.0f} minutes, {end['losses']:.0f} cameras lost, {end['restarts']:.0f} sources begun anew, "
           f"{end['swap_changes']:.0f} changes of weights, {end['swap_results']:.0f} results in that process", end["losses"] > 0)


def draw(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    minutes = [r["seconds"] / 60 for r in rows]
    panels = (("resident memory, MB", [(n, n.replace("_rss", ""), 1024) for n in ("server_rss", "decoders_rss", "swap_rss")]),
              ("descriptors, threads", [(n, n.replace("_", " "), 1) for n in ("server_fds", "server_threads", "swap_fds",
                                                                             "swap_threads")]),
              ("counts", [("answered", "requests answered", 1), ("swap_results", "results while weights change", 1),
                          ("losses", "cameras lost, x100", 0.01), ("restarts", "sources begun anew, x100", 0.01)]))
    figure, axes = plt.subplots(len(panels), 1, sharex=True, figsize=(9, 9))
    for axis, (title, lines) in zip(axes, panels):
        for name, label, divisor in lines:
            axis.plot(minutes, [r[name] / divisor for r in rows], label=label, linewidth=1)
        axis.set_ylabel(title)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, loc="center right")
    axes[-1].set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main():
    rows = read(sys.argv[1])
    if not rows or rows[-1]["seconds"] < 5 * WINDOW:
        sys.exit("10 minutes are the least that say something")
    held = True
    for text, good in judge(rows):
        print(("holds: " if good else "FALLS SHORT: ") + text)
        held = held and good
    if len(sys.argv) > 2:
        draw(rows, sys.argv[2])
    return 0 if held else 1


sys.exit(main())
