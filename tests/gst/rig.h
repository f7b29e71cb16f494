/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of the element share: pictures as buffers, and the element in a harness. */
#ifndef RIG_H
#define RIG_H

#include "resnet18meta.h"

#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Time between two frames of rig_frame. */
#define RIG_FRAME (40 * GST_MSECOND)

/* ImageNet's numbers of what is on the pictures. */
enum { TABBY = 281, TIGER_CAT = 282, EGYPTIAN_CAT = 285, ESPRESSO = 967 };

/* A picture of tests/media as raw video of the given caps ("video/x-raw,format=RGB,width=320,height=240"). */
GstSample *rig_picture(const char *file, const char *caps);

typedef struct {
  GstHarness *harness;
  GstElement *element;
  GstSample *picture;
  guint frames;        /* pushed */
  guint results;       /* of the signal "classified" */
  GstStructure *last;  /* the newest of them */
  GPtrArray *messages; /* GstMessage of the element that are no state changes */
  GstBus *bus;
} Rig;

/* An element with properties as in gst-launch ("mode=sync top-k=3"; mode=sync if none is given). */
Rig *rig_new(const char *properties, const char *file, const char *caps);
/* The picture is a cat on the left and a cup of coffee on the right, 800x400. */
Rig *rig_new_with_both(const char *properties);
void rig_free(Rig *rig);
/* Another picture from now on, with caps of its own. */
void rig_show(Rig *rig, const char *file, const char *caps);
/* Pushes the picture as the next frame and pulls it from the other side. */
GstBuffer *rig_frame(Rig *rig);
/* The same; returns a copy of the result attached to it, NULL = none. */
GstStructure *rig_result(Rig *rig);
/* Best class of the next frame. */
guint rig_best(Rig *rig);
/* Pushes frames until one carries a result. */
GstStructure *rig_await_result(Rig *rig);
/* What has come on the bus, in rig->messages. */
void rig_read_bus(Rig *rig);
guint rig_count_results_on_bus(Rig *rig);
guint64 rig_stat(Rig *rig, const char *name);

guint64 rig_time(const GstStructure *result, const char *field);
guint rig_class(const GstStructure *result, guint nth);

/* A pipeline as in gst-launch; the test fails where it cannot be made. */
GstElement *rig_launch(const char *text);

/* How often the storms repeat what they do: `brief`, or `full` where RESNET18_LONG_TESTS is set. */
guint rig_rounds(guint brief, guint full);

/* The element's own threads, which have its name; those of decoders come and go. */
guint rig_count_threads(void);
/* Waits until there are n. A thread gets its name when it first runs, and stays in /proc for a moment after it was
 * joined. */
void rig_await_threads(guint n);

#endif
