#!/usr/bin/env bash
# Shows a webcam with what it sees written on the picture.
#
#   examples/pipelines/webcam.sh                 first camera
#   examples/pipelines/webcam.sh /dev/video2     another one
#
# What one sees: a window with the live picture and the best classes with their scores; in the terminal, a line each
# time the best class changes. The picture never waits for the network: it carries the newest result there is.
#
# CAMERA and SINK replace the source and the window, to try it without either:
#   CAMERA="videotestsrc is-live=true" SINK=fakesink examples/pipelines/webcam.sh
set -euo pipefail
. "$(dirname "$0")/plugin.sh"
camera=${CAMERA:-v4l2src device=${1:-/dev/video0}}

# The words of $camera and $SINK are elements and their properties.
# shellcheck disable=SC2086
gst-launch-1.0 -m $camera ! decodebin ! videoconvert ! \
  resnet18classify overlay=true post-messages=changes ! videoconvert ! ${SINK:-autovideosink} | results
