/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds and loads the module for a kind of broker. */
#ifndef GST_RESNET18_MODULE_H
#define GST_RESNET18_MODULE_H

#include "broker.h"

G_BEGIN_DECLS

/* `kind`: "mqtt", "nats", "kafka". It stays loaded. NULL and `error` filled if it is not there or of another version.
 */
const GstResnet18BrokerClass *gst_resnet18_module_load(const gchar *kind, GError **error);

G_END_DECLS

#endif
