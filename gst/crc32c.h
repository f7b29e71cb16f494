/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CRC-32C (Castagnoli; RFC 3720, appendix B.4), the check sum of the spool's records. */
#ifndef GST_RESNET18_CRC32C_H
#define GST_RESNET18_CRC32C_H

#include <glib.h>

G_BEGIN_DECLS

/* `before`: what the bytes before gave, 0 for the first ones. */
guint32 gst_resnet18_crc32c(guint32 before, gconstpointer data, gsize length);

G_END_DECLS

#endif
