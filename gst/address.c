/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads addresses of brokers. A user name or password in a URI is refused: it would be in the list of processes and in
 * logs. */
#include "address.h"

#include <string.h>
#include <unistd.h>

#define LONGEST_NAME 249    /* of a Kafka topic */
#define LONGEST_TOPIC 65000 /* of MQTT 65535, less what is appended to it */
#define LONGEST_CLIENT_ID 128
#define LARGEST_CREDENTIALS 65536

static const struct {
  const gchar *scheme, *kind, *title;
  gboolean tls;
  guint port;
} schemes[] = {
    {"mqtt", "mqtt", "MQTT", FALSE, 1883},    {"mqtts", "mqtt", "MQTT", TRUE, 8883},
    {"nats", "nats", "NATS", FALSE, 4222},    {"natss", "nats", "NATS", TRUE, 4222},
    {"kafka", "kafka", "Kafka", FALSE, 9092}, {"kafkas", "kafka", "Kafka", TRUE, 9093},
};

static gboolean fail(GError **error, const gchar *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean fail(GError **error, const gchar *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_propagate_error(error, g_error_new_valist(G_FILE_ERROR, G_FILE_ERROR_INVAL, format, arguments));
  va_end(arguments);
  return FALSE;
}

/* ---- The URI ------------------------------------------------------------------------------------------- */

gboolean gst_resnet18_address_is_uri(const gchar *location) {
  gsize n = 0;
  if (!location || !g_ascii_isalpha(*location))
    return FALSE;
  while (g_ascii_isalnum(location[n]) || (location[n] && strchr("+-.", location[n])))
    n++;
  return g_str_has_prefix(location + n, "://");
}

static gint find_scheme(const gchar *location) {
  const gsize length = strcspn(location, ":");
  for (guint i = 0; i < G_N_ELEMENTS(schemes); i++)
    if (strlen(schemes[i].scheme) == length && g_ascii_strncasecmp(location, schemes[i].scheme, length) == 0)
      return (gint)i;
  return -1;
}

static gboolean consists_of(const gchar *text, const gchar *more) {
  for (; *text; text++)
    if (!g_ascii_isalnum(*text) && !strchr(more, *text))
      return FALSE;
  return TRUE;
}

/* "host", "host:port", "[::1]" or "[::1]:port". */
static gboolean add_host(GstResnet18Address *a, const gchar *text, guint port, GError **error) {
  GstResnet18Host host = {.port = port};
  const gchar *end = *text == '[' ? strchr(text, ']') : NULL, *rest;
  guint64 number = port;
  if (end) {
    host.name = g_strndup(text + 1, (gsize)(end - text - 1));
    rest = end + 1;
  } else {
    rest = text + strcspn(text, ":");
    host.name = g_strndup(text, (gsize)(rest - text));
  }
  g_array_append_val(a->hosts, host);
  if (!*host.name || !consists_of(host.name, end ? ":.%-_" : ".-_"))
    return fail(error, "\"%s\" is no host; HOST or HOST:PORT is wanted", text);
  if (*rest && (*rest != ':' || !g_ascii_string_to_unsigned(rest + 1, 10, 1, 65535, &number, NULL)))
    return fail(error, "\"%s\" has no port between 1 and 65535 after its host", text);
  g_array_index(a->hosts, GstResnet18Host, a->hosts->len - 1).port = (guint)number;
  return TRUE;
}

static gboolean add_hosts(GstResnet18Address *a, const gchar *authority, guint port, GError **error) {
  gchar **hosts;
  gboolean good = TRUE;
  if (strchr(authority, '@'))
    return fail(error, "a location must not hold a user name or password, which everybody could read; "
                       "they belong in the file that \"credentials\" names, or in the environment");
  hosts = g_strsplit(authority, ",", -1);
  if (!*hosts)
    good = fail(error, "it has no host; \"%s://HOST/TOPIC\" is wanted", a->kind);
  for (guint i = 0; good && hosts[i]; i++)
    good = add_host(a, hosts[i], port, error);
  g_strfreev(hosts);
  return good;
}

static gboolean has_empty_token(const gchar *subject) {
  return *subject == '.' || strstr(subject, "..") || g_str_has_suffix(subject, ".");
}

static gboolean check_topic(const GstResnet18Address *a, GError **error) {
  const gchar *topic = a->topic;
  if (!*topic)
    return fail(error, "it has no topic; \"%s://HOST/TOPIC\" is wanted", a->kind);
  if (!g_utf8_validate(topic, -1, NULL) || strlen(topic) > LONGEST_TOPIC)
    return fail(error, "its topic is too long, or no UTF-8");
  if (strcmp(a->kind, "mqtt") == 0 && (strpbrk(topic, "+#") || *topic == '$'))
    return fail(error, "\"%s\" is no topic to write to: it has \"+\" or \"#\", or begins with \"$\"", topic);
  if (strcmp(a->kind, "nats") == 0 && (strpbrk(topic, " \t\r\n*>/") || has_empty_token(topic) || *topic == '$'))
    return fail(error, "\"%s\" is no subject to write to; words with dots between them are wanted", topic);
  if (strcmp(a->kind, "kafka") == 0 && (!consists_of(topic, "._-") || strlen(topic) > LONGEST_NAME))
    return fail(error, "\"%s\" is no topic of Kafka: letters, digits, \".\", \"_\" and \"-\", at most %d, are wanted",
                topic, LONGEST_NAME);
  return TRUE;
}

static gboolean parse(GstResnet18Address *a, const gchar *location, GError **error) {
  const gint i = find_scheme(location);
  const gchar *authority = strstr(location, "://") + 3;
  const gchar *slash = authority + strcspn(authority, "/");
  gchar *hosts;
  gboolean good;
  if (i < 0)
    return fail(error, "\"%.*s\" is none of mqtt, mqtts, nats, natss, kafka, kafkas", (gint)strcspn(location, ":"),
                location);
  a->kind = g_strdup(schemes[i].kind);
  a->tls = schemes[i].tls;
  a->topic = g_strdup(*slash ? slash + 1 : "");
  hosts = g_strndup(authority, (gsize)(slash - authority));
  a->name = g_strdup_printf("the %s broker \"%s\"", schemes[i].title, hosts);
  good = add_hosts(a, hosts, schemes[i].port, error) && check_topic(a, error);
  g_free(hosts);
  if (good && a->hosts->len > 1 && strcmp(a->kind, "mqtt") == 0)
    return fail(error, "an MQTT broker is one host, not %u", a->hosts->len);
  return good;
}

/* ---- Who one is ---------------------------------------------------------------------------------------- */

/* The same at each start, and another on each machine. MQTT 3.1.1 promises 23 characters. */
static gchar *make_client_id(const gchar *location, const gchar *stream_name) {
  GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
  gchar *machine = NULL, *id;
  if (!g_file_get_contents("/etc/machine-id", &machine, NULL, NULL) || !*g_strstrip(machine)) {
    g_free(machine);
    machine = g_strdup(g_get_host_name());
  }
  g_checksum_update(sum, (const guchar *)machine, (gssize)strlen(machine) + 1);
  g_checksum_update(sum, (const guchar *)location, (gssize)strlen(location) + 1);
  if (stream_name)
    g_checksum_update(sum, (const guchar *)stream_name, -1);
  id = g_strdup_printf("resnet18-%.12s", g_checksum_get_string(sum));
  g_checksum_free(sum);
  g_free(machine);
  return id;
}

static gboolean set_client_id(GstResnet18Address *a, const gchar *location, const gchar *client_id,
                              const gchar *stream_name, GError **error) {
  a->client_id = client_id ? g_strdup(client_id) : make_client_id(location, stream_name);
  /* It is also the name of a folder and part of topics. */
  if (!*a->client_id || strlen(a->client_id) > LONGEST_CLIENT_ID || !consists_of(a->client_id, "._-") ||
      *a->client_id == '.')
    return fail(error,
                "property \"client-id\": \"%s\" is not made of letters, digits, \".\", \"_\" and \"-\", at most %d",
                a->client_id, LONGEST_CLIENT_ID);
  return TRUE;
}

/* "username=..." or "password=..."; empty lines and such with "#" mean nothing. */
static gboolean take_line(GstResnet18Address *a, const gchar *path, guint number, gchar *line, GError **error) {
  gchar **to = NULL, *equals = strchr(line, '=');
  if (g_str_has_suffix(line, "\r"))
    line[strlen(line) - 1] = 0;
  if (!*line || *line == '#')
    return TRUE;
  if (equals && g_str_has_prefix(line, "username="))
    to = &a->username;
  else if (equals && g_str_has_prefix(line, "password="))
    to = &a->password;
  if (!to)
    return fail(error, "\"%s\", line %u: \"username=NAME\" or \"password=WORD\" is wanted", path, number);
  g_free(*to);
  *to = g_strdup(equals + 1);
  return TRUE;
}

static void forget(gchar *secret) {
  if (secret)
    explicit_bzero(secret, strlen(secret));
  g_free(secret);
}

static gboolean read_file(GstResnet18Address *a, const gchar *path, GError **error) {
  gchar *text = NULL, *line, *next;
  gsize length;
  gboolean good = g_file_get_contents(path, &text, &length, error);
  if (good && (length > LARGEST_CREDENTIALS || strlen(text) != length))
    good = fail(error, "\"%s\" is no file with a user name and a password", path);
  line = text;
  for (guint number = 1; good && line; number++, line = next) {
    next = strchr(line, '\n');
    if (next)
      *next++ = 0;
    good = take_line(a, path, number, line, error);
  }
  if (text)
    explicit_bzero(text, length);
  g_free(text);
  return good;
}

gboolean gst_resnet18_address_read_credentials(GstResnet18Address *a, const gchar *path, GError **error) {
  if (path && !read_file(a, path, error))
    return FALSE;
  if (!path) {
    a->username = g_strdup(g_getenv("RESNET18_USERNAME"));
    a->password = g_strdup(g_getenv("RESNET18_PASSWORD"));
  }
  if (a->password && !a->username)
    return fail(error, "there is a password, but no user name");
  return TRUE;
}

/* ---- Making -------------------------------------------------------------------------------------------- */

GstResnet18Address *gst_resnet18_address_new(const gchar *location, const gchar *client_id, const gchar *stream_name,
                                             GError **error) {
  GstResnet18Address *a = g_new0(GstResnet18Address, 1);
  a->hosts = g_array_new(FALSE, FALSE, sizeof(GstResnet18Host));
  a->notices = g_array_new(FALSE, FALSE, sizeof(GstResnet18Notice));
  if (parse(a, location, error) && set_client_id(a, location, client_id, stream_name, error))
    return a;
  gst_resnet18_address_free(a);
  return NULL;
}

void gst_resnet18_address_free(GstResnet18Address *a) {
  for (guint i = 0; i < a->hosts->len; i++)
    g_free(g_array_index(a->hosts, GstResnet18Host, i).name);
  for (guint i = 0; i < a->notices->len; i++) {
    g_free(g_array_index(a->notices, GstResnet18Notice, i).topic);
    g_free(g_array_index(a->notices, GstResnet18Notice, i).payload);
  }
  g_array_free(a->hosts, TRUE);
  g_array_free(a->notices, TRUE);
  g_free(a->kind);
  g_free(a->name);
  g_free(a->topic);
  g_free(a->client_id);
  g_free(a->username);
  forget(a->password);
  g_free(a->ca);
  g_free(a);
}
