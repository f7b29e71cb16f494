/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CRC-32C, a byte at a time from a table that is made at first use: lines are short, and come some hundred times a
 * second. */
#include "crc32c.h"

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41, lowest bit first */

static gpointer make_table(gpointer unused) {
  guint32 *table = g_new(guint32, 256);
  for (guint32 byte = 0; byte < 256; byte++) {
    guint32 crc = byte;
    for (gint bit = 0; bit < 8; bit++)
      crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    table[byte] = crc;
  }
  return table;
}

guint32 gst_resnet18_crc32c(guint32 before, gconstpointer data, gsize length) {
  static GOnce once = G_ONCE_INIT;
  const guint32 *table = g_once(&once, make_table, NULL);
  const guint8 *byte = data;
  guint32 crc = ~before;
  for (gsize i = 0; i < length; i++)
    crc = (crc >> 8) ^ table[(crc ^ byte[i]) & 0xff];
  return ~crc;
}
