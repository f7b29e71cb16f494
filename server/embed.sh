#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Prints the C source that holds whole files and their table, embedded_files (embedded.h). The entity tag is a part of the
# content's SHA-256.
set -eu
echo '#include "embedded.h"'
i=0
for file in "$@"; do
  printf 'static const uint8_t file%d[] = {' $i
  od -An -v -tu1 "$file" | tr -s ' ' ',' | sed 's/^,//; s/$/,/'
  echo '};'
  i=$((i + 1))
done
echo 'const embedded_file embedded_files[] = {'
i=0
for file in "$@"; do
  printf '  {"%s", "\\"%s\\"", file%d, sizeof file%d},\n' "${file##*/}" "$(sha256sum <"$file" | cut -c 1-20)" $i $i
  i=$((i + 1))
done
echo '  {0}};'
