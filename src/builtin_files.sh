#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Prints the header that tells builtin.S which files to embed. The checksums make its text change with the files'
# content, so that the object is assembled again.
set -eu
for pair in "$@"; do
  name=${pair%%=*} file=${pair#*=}
  printf '#define %s "%s" /* %s */\n' "$name" "$file" "$(cksum <"$file")"
done
