#!/usr/bin/env bash
# Classifies every frame of a video file and writes its pictures, without the sound, as a video with the
# labels drawn on it.
#
#   examples/pipelines/file.sh holiday.mp4 labelled.mp4
#
# What one sees: a progress line each second, and labelled.mp4, in which every frame shows its own five best classes.
# mode=sync makes each frame wait for its own result, so nothing is skipped, however slow the machine is.
set -euo pipefail
. "$(dirname "$0")/plugin.sh"
[ $# = 2 ] || { echo "usage: $0 VIDEO OUT.mp4" >&2; exit 2; }

[ -r "$1" ] || { echo "$0: $1: there is no such file, or it may not be read" >&2; exit 1; }
[ ! "$1" -ef "$2" ] || { echo "$0: $2: the result would overwrite the video it is made from" >&2; exit 1; }

exec gst-launch-1.0 -e filesrc location="$1" ! decodebin ! videoconvert ! \
  resnet18classify mode=sync overlay=true ! progressreport update-freq=1 ! \
  videoconvert ! x264enc speed-preset=veryfast ! h264parse ! mp4mux ! filesink location="$2"
