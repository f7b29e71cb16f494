#!/usr/bin/env bash
# Makes a camera's picture, with what is on it written on it, a live stream for browsers (HLS).
#
#   examples/pipelines/hls.sh rtsp://camera/stream /var/www/html/door
#
# What one sees: in the folder, live.m3u8 and parts of two seconds, of which the newest ten are kept; any web server that
# serves the folder makes it a live picture, and a player such as VLC opens live.m3u8 too.
# A key frame every two seconds lets the parts begin where they shall; the picture is scaled down before it is drawn on,
# so that the text stays sharp.
set -euo pipefail
. "$(dirname "$0")/plugin.sh"
[ $# = 2 ] || { echo "usage: $0 URI FOLDER" >&2; exit 2; }
mkdir -p "$2"

exec gst-launch-1.0 -e uridecodebin uri="$1" caps="video/x-raw(ANY)" expose-all-streams=false ! \
  videoconvert ! videoscale ! videorate ! video/x-raw,width=640,height=360,framerate=25/1,pixel-aspect-ratio=1/1 ! \
  resnet18classify overlay=true max-rate=5/1 ! videoconvert ! \
  x264enc tune=zerolatency speed-preset=veryfast bitrate=800 key-int-max=50 ! h264parse ! \
  hlssink2 target-duration=2 playlist-length=5 max-files=10 playlist-location="$2/live.m3u8" location="$2/part%05d.ts"
