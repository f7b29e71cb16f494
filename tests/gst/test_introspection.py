# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results in Python: from the custom meta with nothing but GStreamer, and with the introspected reader.

Skipped where PyGObject or the introspection of GStreamer is not installed."""
import json
import os
import sys

try:
    import gi
    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
except (ImportError, ValueError) as error:
    print(f"no PyGObject with GStreamer: {error}")
    sys.exit(77)

MEDIA = os.environ["RESNET18_MEDIA"]


def check(condition, what):
    if not condition:
        sys.exit(f"not so: {what}")


def main():
    Gst.init(None)
    pipeline = Gst.parse_launch(f"filesrc location={MEDIA}/coffee.png ! pngdec ! videoconvert ! resnet18classify "
                                "mode=sync precision=fp32 post-messages=all ! fakesink name=out signal-handoffs=true")
    buffers = []
    pipeline.get_by_name("out").connect("handoff", lambda sink, buffer, pad: buffers.append(buffer.copy_deep()))
    pipeline.set_state(Gst.State.PLAYING)
    messages = []
    while True:
        message = pipeline.get_bus().timed_pop(Gst.CLOCK_TIME_NONE)
        messages.append(message)
        check(message.type != Gst.MessageType.ERROR, "no error")
        if message.type == Gst.MessageType.EOS:
            break
    pipeline.set_state(Gst.State.NULL)

    structure = buffers[0].get_custom_meta("GstResnet18Result").get_structure()
    check(structure.get_string("model"), "the meta's structure is readable")
    check(structure.get_uint64("age") == (True, 0), "its numbers too")

    if len(sys.argv) > 1:
        gi.require_version("GstResnet18", "1.0")
        from gi.repository import GstResnet18
        result = GstResnet18.buffer_get_result(buffers[0], 0)
        check(GstResnet18.result_get_label(result) == "espresso", "the label")
        check(abs(GstResnet18.result_get_score(result) - 0.906) < 0.01, "the score")
        found, best = GstResnet18.result_get_class(result, 0)
        check(found and best.index == 967 and best.wnid == "n07920052", "the class")
        check(json.loads(GstResnet18.result_to_json(result))["classes"][0]["label"] == "espresso", "the JSON")
        said = [GstResnet18.message_get_result(m) for m in messages]
        check([GstResnet18.result_get_label(r) for r in said if r] == ["espresso"], "the message")
    print("read", structure.to_string())


main()
