/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "public.h"

#include <glib.h>
#include <string.h>

/* "user:password@" and where it is; 0 if there is none. The last @ counts: some write one in a password. */
static gsize find_secret(const char *uri, const char **secret) {
  const char *scheme = strstr(uri, "://");
  const char *host = scheme ? scheme + 3 : "", *at = memrchr(host, '@', strcspn(host, "/?#"));
  *secret = host;
  return at ? (gsize)(at + 1 - host) : 0;
}

char *public_uri(const char *uri) {
  return public_text(uri, uri);
}

char *public_text(const char *text, const char *uri) {
  const char *at;
  const gsize size = find_secret(uri, &at);
  if (size == 0)
    return g_strdup(text);
  char *secret = g_strndup(at, size), **parts = g_strsplit(text, secret, -1);
  char *clean = g_strjoinv(NULL, parts);
  g_strfreev(parts);
  g_free(secret);
  return clean;
}
