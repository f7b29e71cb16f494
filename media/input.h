/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the user named: a picture's file, which is decoded at once, or something to be opened as a stream. */
#ifndef RESNET18_MEDIA_INPUT_H
#define RESNET18_MEDIA_INPUT_H

#include <gst/gst.h>
#include <stdbool.h>

/* A file's name, "-" for standard input, or a URI. True: either *picture is a decoded still picture, or *uri is for
 * stream_open (g_free). False: *error says why not, without the name. */
bool input_open(const char *name, bool upright, GstSample **picture, char **uri, GError **error);

/* Whether a regular file looks like a still picture by its first bytes. */
bool input_is_picture(const char *path);

/* Waits until standard input has something to read. False, with *error, if it is closed or ends before. */
bool input_wait_standard(GError **error);

#endif
