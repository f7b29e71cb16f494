#!/bin/sh
# Makes the GStreamer registry that the tests use: this build's plugin and the system's.
#   registry.sh PLUGIN-FOLDER REGISTRY [SANITIZER-LIBRARY]
set -eu
rm -f "$2"
[ -z "${3-}" ] || export LD_PRELOAD="$3" ASAN_OPTIONS=detect_leaks=0
export GST_PLUGIN_PATH_1_0="$1" GST_REGISTRY_1_0="$2"
exec gst-inspect-1.0 --exists --atleast-version=0.1 resnet18classify
