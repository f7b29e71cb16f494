#!/usr/bin/env bash
# Every frame of an H.264 film decoded and classified in sync: resnet18classify against GStreamer 1.28's own onnxinference,
# in one Debian sid, with the same GStreamer, decoder and weights, taking turns.
#
#   tests/bench/peer_onnxinference.sh PICTURES [ROUNDS]
#
# PICTURES is a folder of photographs to calibrate the peer's int8 on. Prints frames a second of each round, whole processes
# with their start, and the peak memory; at the end medians and ratios. Needs root, for the chroot, which debootstrap makes
# in /var/cache/resnet18classify/sid (RESNET18_CI_CACHE names another place) and which is used again by the next run.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 1 ] && [ -d "$1" ] || { echo "usage: $0 PICTURES [ROUNDS]" >&2; exit 2; }

pictures=$(realpath "$1")
rounds=${2:-5}
loops=10
root=${RESNET18_CI_CACHE:-/var/cache/resnet18classify}/sid
packages=(gcc libc6-dev meson ninja-build pkg-config git time libopenblas-serial-dev libgstreamer1.0-dev
  libgstreamer-plugins-base1.0-dev libgstreamer-plugins-bad1.0-dev libpango1.0-dev gstreamer1.0-tools
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
  gstreamer1.0-libav fonts-dejavu-core python3 python3-onnx python3-onnxruntime python3-numpy python3-pil)

# The address that this machine's apt fetches Debian from.
mirror() {
  { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
      sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p'
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -nE 's/^URIs: *([^ ]+).*/\1/p'
  } | grep -E '/debian/?$' | head -n 1
}

make_root() {
  local making=$root.making
  if [ -e "$root/etc/resnet18-ci" ]; then return; fi
  rm -rf --one-file-system "$root" "$making"
  debootstrap --variant=minbase --include=ca-certificates sid "$making" "$(mirror)" >/dev/null
  touch "$making/etc/resnet18-ci"
  mv "$making" "$root"
}

# What follows is run in the chroot, with the pictures in /src/pictures; what is mounted is gone when it ends.
in_sid() {
  local enter='
    set -e
    mount --make-rprivate /
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    mkdir -p "$1/src/pictures"
    mount --bind -o ro "$2" "$1/src/pictures"
    shift 2
    exec chroot "$root" /usr/bin/env HOME=/root DEBIAN_FRONTEND=noninteractive bash -euc "$@"'
  root=$root unshare --mount --pid --fork --kill-child bash -c "$enter" bash "$root" "$pictures" "$@"
}

prepare() {
  local clip=$root/src/clip.h264 i
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  in_sid "dpkg-query -W ${packages[*]} >/dev/null 2>&1 ||
    apt-get -q -y install --no-install-recommends ${packages[*]} >/dev/null"
  [ -d "$root/src/resnet18classify/.git" ] || git init -q "$root/src/resnet18classify"
  git -C "$root/src/resnet18classify" fetch -q --depth 1 "file://$PWD" HEAD
  git -C "$root/src/resnet18classify" checkout -q --force --detach FETCH_HEAD
  in_sid 'cd /src/resnet18classify; [ -f build/build.ninja ] || meson setup build -Dtests=false >/dev/null
    ninja -C build gst/libgstresnet18.so >/dev/null'
  in_sid 'cd /src/resnet18classify; mkdir -p /src/models; [ -f /src/models/labels.txt ] ||
    python3 tests/bench/peer_onnxinference.py /src/models /src/pictures'
  in_sid 'gst-launch-1.0 -q filesrc location=/src/resnet18classify/tests/media/bigbuckbunny.mp4 ! qtdemux ! \
    h264parse ! video/x-h264,stream-format=byte-stream,alignment=au ! filesink location=/src/clip.h264'
  for ((i = 0; i < loops; i++)); do cat "$clip"; done >"$root/src/film.h264"
}

# classify WHO PRECISION: prints seconds and KiB. onnxruntime in sid says much on standard error that concerns nobody.
classify() {
  local elements
  case $1 in
    ours) elements="resnet18classify mode=sync precision=$2" ;;
    peer) elements="videoconvertscale ! video/x-raw,format=RGB,width=224,height=224 !
      onnxinference model-file=/src/models/$2.onnx optimization-level=enable-all !
      classifiertensordecoder labels-file=/src/models/labels.txt class-confidence-threshold=0.1" ;;
    nobody) elements=identity ;;
  esac
  in_sid 'GST_PLUGIN_PATH_1_0=/src/resnet18classify/build/gst /usr/bin/time -o /tmp/time -f "%e %M" gst-launch-1.0 -q \
    filesrc location=/src/film.h264 ! h264parse ! avdec_h264 ! '"${elements//$'\n'/ }"' ! fakesink sync=false \
    2>/tmp/said || { tail -n 5 /tmp/said >&2; exit 1; }
    cat /tmp/time'
}

make_root
prepare
frames=$((132 * loops))
results=$(mktemp)
trap 'rm -f "$results"' EXIT
grep -m1 'model name' /proc/cpuinfo
in_sid 'gst-launch-1.0 --version | tail -n 2 | head -n 1'
classify nobody - >/dev/null # the registry is made, the file read
echo "$frames frames, $(nproc) CPUs; who, precision, frames a second, MB, load"
for ((round = 0; round < rounds; round++)); do
  for run in "ours int8" "peer int8" "ours fp32" "peer fp32" "nobody -"; do
    # shellcheck disable=SC2086  # two words
    read -r seconds kib <<<"$(classify $run)"
    read -r load _ </proc/loadavg
    awk -v run="$run" -v f=$frames -v s="$seconds" -v k="$kib" -v l="$load" \
      'BEGIN { printf "%s %.1f %.1f %s\n", run, f / s, k * 1024 / 1e6, l }' | tee -a "$results"
  done
done
python3 - "$results" <<'PYTHON'
import statistics
import sys
rows = [line.split() for line in open(sys.argv[1], encoding="utf-8")]
def median(who, precision, column):
    return statistics.median(float(row[column]) for row in rows if row[:2] == [who, precision])
for precision in ("int8", "fp32"):
    ours, peer = ([median(who, precision, column) for column in (2, 3)] for who in ("ours", "peer"))
    print(f"{precision}: ours {ours[0]:.1f} frames a second, {ours[1]:.0f} MB; peer {peer[0]:.1f}, {peer[1]:.0f} MB; "
          f"{ours[0] / peer[0]:.2f} x the frames, {ours[1] / peer[1]:.2f} x the memory")
PYTHON
