#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Watches a camera for good and prints a line when something comes, goes or changes. When the camera fails, falls silent
or ends, only the source is made anew; the classifier keeps running. The same as reconnect.c.

    reconnect.py rtsp://camera/stream
    reconnect.py v4l2:///dev/video0

Needs PyGObject with GStreamer: on Debian, the packages python3-gi and gir1.2-gstreamer-1.0."""
import sys
import warnings

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

# Reading an array out of a structure is called deprecated, and there is no other way without more packages.
warnings.simplefilter("ignore", DeprecationWarning)

# Seconds without a frame after which the camera counts as gone. Each step of connecting to an RTSP camera may take STEP,
# and the first frame after that, or of any other source, FIRST_FRAME: a camera may wait for its next key frame.
SILENCE, STEP, FIRST_FRAME = 3, 3, 10


def on_event(classify, result):
    """From the streaming thread: must not take long."""
    _, classes = result.get_array("classes")
    label, score = "nothing", 0.0
    if classes.n_values:
        best = classes.get_nth(0)
        label, (_, score) = best.get_string("label"), best.get_double("score")
    print(f"{result.get_string('event')}  {label}  {score:.3f}", flush=True)


class Camera:
    def __init__(self, uri):
        self.uri = uri
        self.status = 0
        self.loop = GLib.MainLoop()
        # fakesink waits for nothing: a camera that is away must not hold up the pipeline's state.
        self.pipeline = Gst.parse_launch("videoconvert name=entry ! resnet18classify name=classify mode=async "
                                         "max-rate=2/1 threshold=0.2 hysteresis=0.1 ! fakesink async=false")
        self.pipeline.get_by_name("classify").connect("event", on_event)
        self.entry = self.pipeline.get_by_name("entry").get_static_pad("sink")
        self.entry.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.EVENT_DOWNSTREAM, self.on_data)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)
        bus.connect("message::progress", self.on_progress)

    def run(self):
        self.add_source()
        GLib.timeout_add_seconds(1, self.on_second)
        try:
            self.loop.run()
        finally:
            self.pipeline.set_state(Gst.State.NULL)
        return self.status

    def add_source(self):
        """Only decoded video, in whatever memory."""
        self.source = Gst.ElementFactory.make("uridecodebin")
        self.source.set_property("uri", self.uri)
        self.source.set_property("caps", Gst.Caps.from_string("video/x-raw(ANY)"))
        self.source.set_property("expose-all-streams", False)
        self.source.connect("pad-added", self.on_pad_added)
        self.source.connect("source-setup", self.on_source_setup)
        self.allow(FIRST_FRAME)
        self.pipeline.add(self.source)
        # uridecodebin stays in PAUSED when it is asked for PLAYING at once and its source is live.
        self.source.set_state(Gst.State.PAUSED)
        self.pipeline.set_state(Gst.State.PLAYING)

    def remove_source(self):
        """The next one does not wait for its end: when the connection breaks at the wrong moment, rtspsrc locks itself up."""
        self.source.disconnect_by_func(self.on_pad_added)
        self.pipeline.remove(self.source)
        self.source.call_async(lambda source: source.set_state(Gst.State.NULL))

    def allow(self, seconds):
        """How long the source may take from now on."""
        self.silent = SILENCE - seconds

    def on_source_setup(self, bin, source):
        """RTSP by TCP, unless the URI begins with rtspu: over UDP, rtspsrc notices only after five seconds that nothing
        comes. A camera that does not answer must not hold up the next attempt either."""
        if source.find_property("tcp-timeout"):
            source.set_property("tcp-timeout", STEP * 1000000)
            if not self.uri.startswith("rtspu"):
                Gst.util_set_object_arg(source, "protocols", "tcp")

    def on_progress(self, bus, message):
        """rtspsrc tells each step. The camera has promised to send when the last one, the request to play, is
        complete."""
        kind, code, _ = message.parse_progress()
        if message.src.has_as_ancestor(self.pipeline) and self.silent < SILENCE:
            self.allow(FIRST_FRAME if kind == Gst.ProgressType.COMPLETE and code == "request" else STEP)

    def on_pad_added(self, source, pad):
        if not self.entry.is_linked():
            pad.link(self.entry)

    def on_data(self, pad, info):
        """The end of the source is not the end of the pipeline."""
        if info.type & Gst.PadProbeType.BUFFER:
            self.silent = 0
        elif info.get_event().type == Gst.EventType.EOS:
            self.silent = SILENCE
            return Gst.PadProbeReturn.DROP
        return Gst.PadProbeReturn.OK

    def on_second(self):
        self.silent += 1
        if self.silent >= SILENCE:
            print("the camera has gone; trying again", flush=True)  # its URI may have a password in it
            self.remove_source()
            self.add_source()
        return GLib.SOURCE_CONTINUE

    def on_error(self, bus, message):
        """An error of the source is a reason to try again; one of a source that was removed is old; any other ends
        it."""
        if not message.src.has_as_ancestor(self.pipeline):
            return
        print(message.parse_error()[0].message, file=sys.stderr, flush=True)
        if message.src.has_as_ancestor(self.source):
            self.silent = SILENCE
        else:
            self.status = 1
            self.loop.quit()


def main():
    Gst.init(None)
    if len(sys.argv) != 2 or not Gst.uri_is_valid(sys.argv[1]):
        print(f"usage: {sys.argv[0]} URI", file=sys.stderr)
        return 2
    try:
        return Camera(sys.argv[1]).run()
    except GLib.Error as error:
        print(error.message, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


sys.exit(main())
