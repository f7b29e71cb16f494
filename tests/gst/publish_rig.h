/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18publish in a harness, fed with frames that carry results, for the tests of its targets. */
#ifndef PUBLISH_RIG_H
#define PUBLISH_RIG_H

#include "rig.h"

typedef struct {
  gchar *folder, *path; /* path: of a file in the folder that is not there yet */
  GstHarness *harness;
  GstElement *element;
  GstBus *bus;
  GString *wanted; /* lines that have been attached once */
  guint frames;
} Publish;

/* `properties` with %s for the path. */
Publish *publish_new(const char *properties);
void play(Publish *p);
void publish_free(Publish *p);
/* What resnet18classify would say of frame number `number`, region `roi` (0 = none). */
GstStructure *make_result(guint number, gint roi);
void attach(GstBuffer *buffer, GstStructure *result);
void want(Publish *p, const GstStructure *result);
void push(Publish *p, GstBuffer *buffer);
/* The next frame, with a result of its own. */
void push_result(Publish *p);
guint64 stat_of(Publish *p, const char *name);
/* Every result is somewhere. */
void counts_add_up(Publish *p, guint64 results);
/* Waits until the count is what it shall be; a count that does not become it in a minute is a failure. */
void await_stat(Publish *p, const char *name, guint64 wanted);
void end(Publish *p);
/* The next message of the type, NULL if there is none. */
GstMessage *message_of(Publish *p, GstMessageType type);
/* Waits for it, a minute at most. */
void assert_message(Publish *p, GstMessageType type, gint code, const char *says, const char *says_too);

#endif
