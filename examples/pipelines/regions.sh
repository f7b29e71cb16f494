#!/usr/bin/env bash
# Says what is in each part of the picture that a detector has marked.
#
#   examples/pipelines/regions.sh rtsp://camera/stream "gvadetect model=person-vehicle-bike.xml ! gvatrack"
#
# What one sees: a line of JSON for each object, at most two a second for each; its "roi" says where the object is, and
# which one, if a tracker gives out ids.
# The second argument is the detector: elements that mark objects with GstVideoRegionOfInterestMeta (DL Streamer's, among
# others) or, from GStreamer 1.24 on, with GstAnalyticsODMtd (onnxinference with a decoder). It gets frames in the format
# that it asks for.
set -euo pipefail
. "$(dirname "$0")/plugin.sh"
[ $# = 2 ] || { echo "usage: $0 URI DETECTOR" >&2; exit 2; }

# The words of the detector are elements and their properties.
# shellcheck disable=SC2086
exec gst-launch-1.0 -q uridecodebin uri="$1" caps="video/x-raw(ANY)" expose-all-streams=false ! videoconvert ! $2 ! \
  resnet18classify roi-source=meta max-rate=2/1 ! resnet18publish ! fakesink sync=true
