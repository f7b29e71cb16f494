/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changing weights or labels while frames flow: a thread that opens the new engine, which the streaming thread takes
 * between two frames, and that closes the old one. The thread is there only after the first change. */
#ifndef GST_RESNET18_LOADER_H
#define GST_RESNET18_LOADER_H

#include "engine.h"

G_BEGIN_DECLS

typedef struct _GstResnet18Loader GstResnet18Loader;

/* Called when `settings` cannot be had, from the loader's thread or, where there can be none, from
 * gst_resnet18_loader_take; no lock is held. */
typedef void (*GstResnet18LoaderRefused)(gpointer user, const GstResnet18Settings *settings, const gchar *property,
                                         const resnet18_error *error);

GstResnet18Loader *gst_resnet18_loader_new(GstResnet18LoaderRefused refused, gpointer user);
/* Waits for what is being opened. NULL is allowed. */
void gst_resnet18_loader_free(GstResnet18Loader *loader);

/* Replaces an earlier request that has not been begun. */
void gst_resnet18_loader_request(GstResnet18Loader *loader, const GstResnet18Settings *settings);
/* The newest engine that was opened, NULL = none. Takes no lock when there is none. */
GstResnet18Engine *gst_resnet18_loader_take(GstResnet18Loader *loader);
/* Closes an engine off the calling thread. */
void gst_resnet18_loader_retire(GstResnet18Loader *loader, GstResnet18Engine *engine);

G_END_DECLS

#endif
