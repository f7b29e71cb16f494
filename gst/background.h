/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads that compute for long let those go first that pass frames on and are done in a moment. */
#ifndef GST_RESNET18_BACKGROUND_H
#define GST_RESNET18_BACKGROUND_H

#include <glib.h>

G_BEGIN_DECLS

/* From now on the calling thread, and threads that it makes, do not push another off its CPU when they wake up. Their
 * share of the CPU stays the same. FALSE if the thread is so already, or has a policy that somebody chose for it, which
 * is kept. */
gboolean gst_resnet18_background_enter(void);
/* An ordinary thread again; threads made meanwhile stay as they are. */
void gst_resnet18_background_leave(void);

G_END_DECLS

#endif
