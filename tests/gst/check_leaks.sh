#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs a test program under GStreamer's leaks tracer and fails if an object outlives it.
#   check_leaks.sh PROGRAM
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT
GST_TRACERS=leaks GST_DEBUG=GST_TRACER:7 GST_DEBUG_NO_COLOR=1 "$1" >"$log" 2>&1 || { cat "$log"; exit 1; }
grep -q 'tracer.*leaks\|GST_TRACER' "$log" || { echo "the leaks tracer said nothing"; exit 1; }
if grep -a 'object-alive, type-name=(string)[A-Za-z]' "$log"; then
  exit 1
fi
