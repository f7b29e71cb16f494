#!/usr/bin/env bash
# Watches an RTSP camera for good: when the camera is switched off, freezes or the network fails, it is tried again until
# it answers.
#
#   examples/pipelines/rtsp-reconnect.sh rtsp://user:password@camera/stream
#
# What one sees: a line of JSON for each result, at most two a second, and on standard error a line when the camera has
# gone. Ctrl-C ends it.
# A camera that says goodbye ends the pipeline at once; one that falls silent does so after three seconds, through
# tcp-timeout (in us) and watchdog (in ms). A second later it is tried again.
# A program that does more than print keeps the classifier running meanwhile: see examples/apps/reconnect.c. It also goes on
# where gst-launch-1.0 would not: now and then, rtspsrc of GStreamer 1.22 never ends once the connection is lost.
set -euo pipefail
. "$(dirname "$0")/plugin.sh"
[ $# = 1 ] || { echo "usage: $0 RTSP-URL" >&2; exit 2; }
trap 'exit 0' INT TERM
name=$(public_url "$1")

while :; do
  gst-launch-1.0 -q rtspsrc location="$1" protocols=tcp tcp-timeout=3000000 latency=200 ! \
    application/x-rtp,media=video ! decodebin ! watchdog timeout=3000 ! videoconvert ! \
    resnet18classify max-rate=2/1 ! resnet18publish stream-name="$name" ! fakesink sync=true || true
  echo "$0: $name has gone; trying again" >&2
  sleep 1
done
