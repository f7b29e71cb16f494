/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses and sentences without the user name and password that a URI may have: scheme://user:password@host/path. */
#ifndef RESNET18_MEDIA_PUBLIC_H
#define RESNET18_MEDIA_PUBLIC_H

/* The URI without them; anything else as it is. Free with g_free. */
char *public_uri(const char *uri);
/* A sentence about `uri`, which may repeat it, without them. Free with g_free. */
char *public_text(const char *text, const char *uri);

#endif
