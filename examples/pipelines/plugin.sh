# Sourced by the scripts beside it.

# Where resnet18classify is not installed, take it from the source tree's build.
if ! gst-inspect-1.0 --exists resnet18classify; then
  plugins=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../build/gst" 2>/dev/null && pwd) || {
    echo "$0: resnet18classify is neither installed nor built; run script/setup" >&2
    exit 1
  }
  export GST_PLUGIN_PATH="$plugins${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
fi

# A URL without the user name and password in it, for what others may read.
public_url() { sed -E 's|//[^/]*@|//|' <<<"$1"; }

# Reads what gst-launch-1.0 -m prints and turns each result into a line: when in the stream, the best class's
# score, the time of the forward pass, and the class.
# gst-launch-1.0 writes a structure inside a structure with quotes and backslashes; those go first.
results() {
  sed -un 's/[\\"]//g
    s/.*GstResnet18Result.* stream-time=([a-z0-9]*)\([0-9]*\).* inference-time=([a-z0-9]*)\([0-9]*\).*'\
' classes=([A-Za-z]*)<[^a-z]*class, index=([a-z]*)[0-9]*, wnid=(string)[^,]*, label=(string)\([^,]*\), score=(double)\([0-9.e-]*\).*/\1 \2 \4 \3/p' |
    while read -r time inference score label; do
      LC_ALL=C printf '%7.2f s  %.3f %6.1f ms  %s\n' "${time}e-9" "$score" "${inference}e-6" "$label"
    done
}
