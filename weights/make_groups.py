#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes gst/groups_table.c: the coarse group of each ImageNet class, from WordNet's hypernyms.

    python3 weights/make_groups.py > gst/groups_table.c

WordNet ids are offsets into WordNet 3.0's noun file, which Debian has in the package wordnet-base."""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LABELS = os.path.join(ROOT, "weights", "imagenet1k_labels.tsv")
NOUNS = "/usr/share/wordnet/data.noun"

# A class belongs to the first group that has one of its hypernyms, so the narrow ones come first.
GROUPS = (
    ("dog", ["n02084071"]),
    ("wolf or fox", ["n02083346"]),  # the other canines
    ("cat", ["n02120997"]),  # felines
    ("bear", ["n02131653", "n02508021"]),
    ("monkey", ["n02469914"]),  # primates
    ("bird", ["n01503061"]),
    ("fish", ["n02512053"]),
    ("reptile", ["n01661091"]),
    ("amphibian", ["n01627424"]),
    ("insect", ["n02159955"]),
    ("spider", ["n01769347"]),  # arachnids
    ("crustacean", ["n01974773"]),
    ("hoofed animal", ["n02370806"]),
    ("other animal", ["n00015388"]),
    ("person", ["n00007846"]),
    ("fungus", ["n12992868"]),
    ("drink", ["n07881800"]),
    ("food", ["n00021265", "n07555863", "n07705931", "n07707451", "n13134947", "n12651821"]),
    ("plant", ["n00017222", "n11669921"]),
    ("musical instrument", ["n03800933"]),
    ("weapon", ["n04565375", "n04566257"]),
    ("boat or ship", ["n04530566"]),
    ("aircraft", ["n02686568"]),
    ("train", ["n04468005", "n04166281", "n03684823"]),
    ("vehicle", ["n04524313", "n02924116"]),
    ("clothing", ["n03051540", "n02728440", "n03380867", "n03497657", "n03540267", "n02668393", "n03381126", "n02739668",
                  "n04385536", "n03863923", "n03045698"]),
    ("toiletry", ["n04447443"]),
    ("furniture", ["n03405725"]),
    ("game or sport", ["n04285146", "n04285008", "n02778669", "n03414162"]),
    ("computer", ["n03082979", "n03699396", "n03085219", "n03744276"]),
    ("electronics", ["n03278248", "n02942699", "n04044119", "n04401088", "n04404412", "n02757462"]),
    ("appliance", ["n02729837", "n03528263", "n03620052"]),
    ("tableware", ["n04381994", "n03621049", "n03101986", "n04500060", "n02946921", "n02876657",
                   "n03049924", "n04560804"]),
    ("building", ["n02913152", "n03544360", "n03953416", "n02956699", "n03748162", "n02980441", "n04005630"]),
    ("structure", ["n04341686"]),
    ("landscape", ["n09287968", "n09225146", "n09334396", "n00019128"]),
    ("tool", ["n04451818", "n03563967"]),
    ("machine or device", ["n03183080", "n03699975"]),
    ("container", ["n03094503"]),
    ("cloth", ["n03309808", "n03151500", "n02690081"]),
    ("object", ["n00001740"]),
)


def read_hypernyms(path):
    """wnid -> wnids of its hypernyms ('@', and '@i' for instances)."""
    hypernyms = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            if line.startswith("  "):
                continue
            field = line.split()
            words = int(field[3], 16)
            at = 4 + 2 * words
            pointers = int(field[at])
            hypernyms["n" + field[0]] = ["n" + field[at + 2 + 4 * i] for i in range(pointers)
                                         if field[at + 1 + 4 * i] in ("@", "@i") and field[at + 3 + 4 * i] == "n"]
    return hypernyms


def closure(wnid, hypernyms):
    seen, todo = set(), [wnid]
    while todo:
        wnid = todo.pop()
        if wnid not in seen:
            seen.add(wnid)
            todo.extend(hypernyms[wnid])
    return seen


def group_of(wnid, hypernyms):
    above = closure(wnid, hypernyms)
    return next(i for i, (_, roots) in enumerate(GROUPS) if above.intersection(roots))


def main():
    if not os.path.exists(NOUNS):
        print(f"{NOUNS} is missing: install wordnet-base", file=sys.stderr)
        sys.exit(77)
    hypernyms = read_hypernyms(NOUNS)
    with open(LABELS, encoding="utf-8") as file:
        wnids = sorted(line.split("\t")[1] for line in file.read().splitlines()[1:])
    for _, roots in GROUPS:
        for root in roots:
            if root not in hypernyms:
                sys.exit(f"{root} is not in WordNet 3.0")
    print("/* SPDX-License-Identifier: LGPL-2.1-or-later */")
    print("/* The coarse group of each ImageNet class. Made by weights/make_groups.py from WordNet 3.0; do not edit. */")
    print('#include "groups.h"\n\n/* clang-format off */\n')
    print("const char *const gst_resnet18_group_names[] = {")
    print("".join(f'  "{name}",\n' for name, _ in GROUPS) + "};\n")
    print(f"const unsigned gst_resnet18_group_count = {len(GROUPS)};\n")
    print('/* By WordNet id without its "n". */')
    print("const GstResnet18GroupEntry gst_resnet18_group_table[] = {")
    entries = [f"{{{int(wnid[1:])}, {group_of(wnid, hypernyms)}}}" for wnid in wnids]
    for start in range(0, len(entries), 8):
        print("  " + ", ".join(entries[start:start + 8]) + ",")
    print("};\n")
    print(f"const unsigned gst_resnet18_group_table_size = {len(wnids)};")


if __name__ == "__main__":
    main()
