# Sourced by the scripts beside it: where resnet18classify is not installed, takes it from the source tree's build.
if ! gst-inspect-1.0 --exists resnet18classify; then
  plugins=$(cd "$(dirname "$0")/../../build/gst" 2>/dev/null && pwd) || {
    echo "$0: resnet18classify is neither installed nor built; run script/setup" >&2
    exit 1
  }
  export GST_PLUGIN_PATH="$plugins${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
fi
