/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a NATS object store.
 *
 * A bucket is a stream OBJ_bucket. The last message on $O.bucket.M.<name in base64url> describes the object in JSON;
 * its bytes are the messages on $O.bucket.C.<nuid>, in order. libnats 3.4 has no call for it. */
#include "object.h"

#include "picture.h"

#include <jansson.h>
#include <string.h>

typedef struct {
  char *nuid, *digest;
  gint64 size, chunks;
} description;

static GBytes *fail(GError **error, const char *what) {
  g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_OPEN, "the object %s", what);
  return NULL;
}

/* base64 with - and _, padded. */
static char *encode_name(const char *name) {
  char *text = g_base64_encode((const guchar *)name, strlen(name));
  return g_strdelimit(g_strdelimit(text, "+", '-'), "/", '_');
}

static bool parse(const char *data, size_t size, description *d) {
  json_t *root = json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL);
  const char *nuid = json_string_value(json_object_get(root, "nuid"));
  const char *digest = json_string_value(json_object_get(root, "digest"));
  const bool gone = json_is_true(json_object_get(root, "deleted"));
  d->size = json_integer_value(json_object_get(root, "size"));
  d->chunks = json_integer_value(json_object_get(root, "chunks"));
  d->nuid = g_strdup(nuid);
  d->digest = g_strdup(digest);
  json_decref(root);
  /* The id becomes part of a subject, where these would be wildcards. */
  return !gone && d->nuid && *d->nuid && strpbrk(d->nuid, "*> .") == NULL && d->size >= 0 &&
         d->size <= OBJECT_MAX_BYTES && d->chunks >= 0 && d->chunks <= d->size;
}

static bool describe(queue *q, const char *bucket, const char *name, description *d) {
  char *stream = g_strconcat("OBJ_", bucket, NULL), *encoded = encode_name(name);
  char *subject = g_strconcat("$O.", bucket, ".M.", encoded, NULL);
  natsMsg *message = NULL;
  const bool ok = js_GetLastMsg(&message, q->js, stream, subject, NULL, NULL) == NATS_OK &&
                  parse(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message), d);
  natsMsg_Destroy(message);
  g_free(subject);
  g_free(encoded);
  g_free(stream);
  return ok;
}

static bool check_digest(const description *d, const GByteArray *bytes) {
  guint8 sum[32];
  gsize length = sizeof sum;
  GChecksum *sha = g_checksum_new(G_CHECKSUM_SHA256);
  g_checksum_update(sha, bytes->data, bytes->len);
  g_checksum_get_digest(sha, sum, &length);
  g_checksum_free(sha);
  char *text = g_base64_encode(sum, length);
  char *ours = g_strconcat("SHA-256=", g_strdelimit(g_strdelimit(text, "+", '-'), "/", '_'), NULL);
  const bool ok = d->digest && strcmp(d->digest, ours) == 0;
  g_free(ours);
  g_free(text);
  return ok;
}

/* The chunks in order, until there are `size` bytes. */
static bool read_chunks(queue *q, const char *bucket, const description *d, GByteArray *bytes) {
  enum { WAIT_MS = 5000 };
  natsSubscription *subscription = NULL;
  jsSubOptions options;
  char *stream = g_strconcat("OBJ_", bucket, NULL), *subject = g_strconcat("$O.", bucket, ".C.", d->nuid, NULL);
  jsSubOptions_Init(&options);
  options.Stream = stream;
  options.Ordered = true;
  bool ok = js_SubscribeSync(&subscription, q->js, subject, NULL, &options, NULL) == NATS_OK;
  for (gint64 i = 0; ok && i < d->chunks; i++) {
    natsMsg *message = NULL;
    ok = natsSubscription_NextMsg(&message, subscription, WAIT_MS) == NATS_OK &&
         bytes->len + (gint64)natsMsg_GetDataLength(message) <= d->size;
    if (ok)
      g_byte_array_append(bytes, (const guint8 *)natsMsg_GetData(message), (guint)natsMsg_GetDataLength(message));
    natsMsg_Destroy(message);
  }
  natsSubscription_Unsubscribe(subscription);
  natsSubscription_Destroy(subscription);
  g_free(subject);
  g_free(stream);
  return ok && bytes->len == d->size;
}

GBytes *object_read(queue *q, const char *key, GError **error) {
  const char *slash = strchr(key, '/');
  description d = {0};
  GBytes *result = NULL;
  char *bucket = slash ? g_strndup(key, (gsize)(slash - key)) : NULL;
  GByteArray *bytes = g_byte_array_new();
  if (slash == NULL || slash == key || slash[1] == '\0' || strpbrk(bucket, "*> ."))
    fail(error, "has no name of the form bucket/name");
  else if (!describe(q, bucket, slash + 1, &d))
    fail(error, "is not in the store, or too large");
  else if (!read_chunks(q, bucket, &d, bytes))
    fail(error, "is not complete");
  else if (!check_digest(&d, bytes))
    fail(error, "does not have the digest that the store names");
  else
    result = g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
  if (bytes)
    g_byte_array_unref(bytes);
  g_free(d.nuid);
  g_free(d.digest);
  g_free(bucket);
  return result;
}
