# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which part of the tree may include which: src/ stands alone and knows neither GLib nor GStreamer, everything else
uses src/resnet18.h, tools/ and server/ read pictures with media/, and gst/ knows neither of them."""
import os
import re

import tree

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
FOREIGN = re.compile(r"^(glib|gio|gst|gobject|gmodule|pango|cairo|json-glib)\b")
# Parts whose files the part on the left may include with quotes.
ALLOWED = {"src": {"src"}, "gst": {"gst", "src"}, "media": {"media", "src"}, "tools": {"tools", "media", "src", "gst"},
           "server": {"server", "media", "src", "gst"}, "brokers": {"brokers", "gst"}}
# All that a part above src/ may include from it. gst/resnet18meta.h is gst's own public header.
PUBLIC = {"src/resnet18.h", "gst/resnet18meta.h"}
# The results of the element, the command and the server are made by the same code; where they
# go to is checked by the server as the element does.
RESULTS = {"gst/result.h", "gst/result_json.h", "gst/groups.h", "gst/cam_map.h"}
SHARED = {"tools": RESULTS, "server": RESULTS | {"gst/address.h"}, "brokers": {"gst/broker.h"}}


def resolve(name, included):
    """The tree's file that `included` means in file `name`, or None."""
    for folder in (os.path.dirname(name), "src", "media", "gst"):
        path = os.path.normpath(os.path.join(folder, included))
        if os.path.isfile(os.path.join(tree.ROOT, path)):
            return path
    return None


problems = []
names = [name for name in tree.files(".c", ".h") if name.split("/")[0] in ALLOWED]
for name in names:
    part = name.split("/")[0]
    for kind, included in INCLUDE.findall(tree.read(name)):
        if part == "src" and FOREIGN.match(included):
            problems.append(f"{name}: src/ includes {included}")
        path = resolve(name, included)
        if path is None:
            continue
        target = path.split("/")[0]
        if target not in ALLOWED[part]:
            problems.append(f"{name}: {part}/ includes {path}")
        elif target != part and target != "media" and path not in PUBLIC | SHARED.get(part, set()):
            problems.append(f"{name}: includes {path}, which is private to {target}/")
tree.finish(len(names), problems)
