#!/usr/bin/env bash
# Several cameras in one process.
#
#   examples/pipelines/several.sh door=rtsp://camera1/stream yard=rtsp://camera2/stream film=file:///home/me/film.mp4
#
# What one sees: a line of JSON for each result, whose "stream" says which camera it is of; at most two a second of each.
# All classifiers share one copy of the weights and one team of threads, and take turns. With gst-launch-1.0 the first
# camera that fails ends them all; a service runs one of these for the cameras that belong together.
set -euo pipefail
. "$(dirname "$0")/plugin.sh"
[ $# -ge 1 ] || { echo "usage: $0 NAME=URI..." >&2; exit 2; }

pipeline=()
for camera; do
  pipeline+=(uridecodebin uri="${camera#*=}" caps="video/x-raw(ANY)" expose-all-streams=false ! videoconvert !
    resnet18classify max-rate=2/1 ! resnet18publish stream-name="${camera%%=*}" ! fakesink sync=true)
done
exec gst-launch-1.0 -q "${pipeline[@]}"
