#!/usr/bin/env bash
# Sends what a camera shows to an MQTT broker.
#
#   examples/pipelines/mqtt.sh rtsp://camera/stream broker.local cameras/door
#
# What one sees: nothing here; the broker's subscribers get a message of JSON for each result, at most one a second:
#   mosquitto_sub -h broker.local -t cameras/door
# mosquitto_pub sends each line that it reads and keeps the connection. When it cannot keep up, lines are dropped and the
# camera's picture is not held up. PUBLISH replaces it: PUBLISH=cat prints the messages.
set -euo pipefail
. "$(dirname "$0")/plugin.sh"
[ $# = 3 ] || { echo "usage: $0 URI BROKER TOPIC" >&2; exit 2; }

# The words of $PUBLISH are a command and its arguments.
# shellcheck disable=SC2086
gst-launch-1.0 -q uridecodebin uri="$1" caps="video/x-raw(ANY)" expose-all-streams=false ! videoconvert ! \
  resnet18classify max-rate=1/1 threshold=0.1 ! resnet18publish stream-name="$3" ! fakesink sync=true |
  ${PUBLISH:-mosquitto_pub -h "$2" -t "$3" -l}
