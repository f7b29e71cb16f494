#!/usr/bin/env bash
# Watches an RTSP camera and says what is on it.
#
#   examples/pipelines/rtsp.sh rtsp://user:password@camera/stream
#
# What one sees: in the terminal, a line each time the best class changes. There is no window, so it runs on a box
# without a screen; SINK="videoconvert ! autovideosink" shows the picture.
# max-rate=2/1 classifies at most two frames a second, which is plenty to notice what comes and goes.
set -euo pipefail
. "$(dirname "$0")/plugin.sh"
[ $# = 1 ] || { echo "usage: $0 RTSP-URL" >&2; exit 2; }

# TCP crosses firewalls; a latency of 200 ms evens out what the network does. The filter takes the video of a camera
# that sends sound too.
# shellcheck disable=SC2086
gst-launch-1.0 -m rtspsrc location="$1" protocols=tcp latency=200 ! application/x-rtp,media=video ! decodebin ! \
  videoconvert ! resnet18classify max-rate=2/1 post-messages=changes ! ${SINK:-fakesink sync=true} | results
