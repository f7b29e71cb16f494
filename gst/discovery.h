/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MQTT discovery of Home Assistant: messages from which it makes a device with its sensors by itself. */
#ifndef GST_RESNET18_DISCOVERY_H
#define GST_RESNET18_DISCOVERY_H

#include "address.h"

G_BEGIN_DECLS

/* Where an MQTT client says whether it is there: "online" or, by its last will too, "offline". */
gchar *gst_resnet18_discovery_status_topic(const GstResnet18Address *address);
/* Adds a notice for each sensor of the device. */
void gst_resnet18_discovery_announce(GstResnet18Address *address, const gchar *device_name);

G_END_DECLS

#endif
