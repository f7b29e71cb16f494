/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading and checking what can be set. */
#include "settings.h"

#include "config.h"
#include "resnet18.h"

#include <stdio.h>
#include <string.h>

enum { DONE = 0, USAGE = 2 };
enum { MAX_TOKEN = 4096 };

static const settings defaults = {
    .port = 8080,
    .queue = 32,
    .batch = 1,
    .max_body = 16 << 20,
    .max_body_total = 64 << 20,
    .max_header = 16 << 10,
    .max_megapixels = 25,
    .connections = 256,
    .per_address = 128,
    .streams = 64,
    .idle_time = 15000,
    .header_time = 10000,
    .body_time = 10000,
    .send_time = 10000,
    .decode_time = 5000,
    .drain_time = 8000,
    .body_rate = 32 << 10,
};

static bool misuse(const char *format, ...) G_GNUC_PRINTF(1, 2);
static bool misuse(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  fprintf(stderr, "resnet18-server: %s\nTry 'resnet18-server --help'.\n", text);
  g_free(text);
  return false;
}

/* ---- All of them --------------------------------------------------------------------------------------- */

static const char *const precisions[] = {"auto", "fp32", "int8", NULL};

#define AT(member) offsetof(settings, member)
const setting settings_table[] = {
    {.field = {.name = "bind", .kind = FIELD_STRING}, .offset = AT(bind)},
    {.field = {.name = "port", .kind = FIELD_INTEGER, .least = 0, .most = 65535}, .offset = AT(port)},
    {.field = {.name = "weights", .kind = FIELD_PATH}, .offset = AT(weights)},
    {.field = {.name = "labels", .kind = FIELD_PATH}, .offset = AT(labels)},
    {.field = {.name = "precision", .kind = FIELD_CHOICE, .choices = precisions}, .offset = AT(precision)},
    {.field = {.name = "threads", .kind = FIELD_INTEGER, .least = 0, .most = 64}, .offset = AT(threads)},
    {.field = {.name = "decoders", .kind = FIELD_INTEGER, .least = 0, .most = 64}, .offset = AT(decoders)},
    {.field = {.name = "batch", .kind = FIELD_INTEGER, .least = 1, .most = RESNET18_MAX_BATCH}, .offset = AT(batch)},
    {.field = {.name = "queue", .kind = FIELD_INTEGER, .least = 1, .most = 4096}, .offset = AT(queue)},
    {.field = {.name = "token-file", .kind = FIELD_PATH}, .offset = AT(token_file)},
    {.field = {.name = "tls-cert", .kind = FIELD_PATH}, .offset = AT(tls_cert)},
    {.field = {.name = "tls-key", .kind = FIELD_PATH}, .offset = AT(tls_key)},
    {.field = {.name = "loop", .kind = FIELD_BOOLEAN}, .offset = AT(loop)},
    {.field = {.name = "verbose", .kind = FIELD_BOOLEAN}, .offset = AT(verbose)},
    {.field = {.name = "max-body", .kind = FIELD_INTEGER, .least = 1024, .most = 256 << 20}, .offset = AT(max_body)},
    {.field = {.name = "max-body-total", .kind = FIELD_INTEGER, .least = 1024, .most = 1 << 30},
     .offset = AT(max_body_total)},
    {.field = {.name = "max-header", .kind = FIELD_INTEGER, .least = 512, .most = 64 << 10}, .offset = AT(max_header)},
    {.field = {.name = "max-megapixels", .kind = FIELD_NUMBER, .least = 0.01, .most = 256},
     .offset = AT(max_megapixels)},
    {.field = {.name = "connections", .kind = FIELD_INTEGER, .least = 1, .most = 16384}, .offset = AT(connections)},
    {.field = {.name = "per-address", .kind = FIELD_INTEGER, .least = 1, .most = 16384}, .offset = AT(per_address)},
    {.field = {.name = "streams", .kind = FIELD_INTEGER, .least = 0, .most = 16384}, .offset = AT(streams)},
    {.field = {.name = "idle-time", .kind = FIELD_INTEGER, .least = 100, .most = 3600000}, .offset = AT(idle_time)},
    {.field = {.name = "header-time", .kind = FIELD_INTEGER, .least = 100, .most = 600000}, .offset = AT(header_time)},
    {.field = {.name = "body-time", .kind = FIELD_INTEGER, .least = 100, .most = 600000}, .offset = AT(body_time)},
    {.field = {.name = "body-rate", .kind = FIELD_INTEGER, .least = 1, .most = G_MAXINT}, .offset = AT(body_rate)},
    {.field = {.name = "send-time", .kind = FIELD_INTEGER, .least = 100, .most = 600000}, .offset = AT(send_time)},
    {.field = {.name = "decode-time", .kind = FIELD_INTEGER, .least = 100, .most = 600000}, .offset = AT(decode_time)},
    {.field = {.name = "drain-time", .kind = FIELD_INTEGER, .least = 0, .most = 600000}, .offset = AT(drain_time)},
    {.field.name = NULL},
};

const setting *settings_find(const char *name) {
  for (const setting *row = settings_table; row->field.name; row++)
    if (strcmp(row->field.name, name) == 0)
      return row;
  return NULL;
}

static bool is_string(const setting *which) {
  const field_kind kind = which->field.kind;
  return kind == FIELD_STRING || kind == FIELD_PATH || kind == FIELD_CHOICE;
}

static void *place_of(settings *s, const setting *which) {
  return (char *)s + which->offset;
}

void settings_set(settings *s, const setting *which, const toml_value *value, const char *path) {
  void *place = place_of(s, which);
  if (is_string(which)) {
    g_free(*(char **)place);
    *(char **)place = g_strdup(path ? path : value->string);
  } else if (which->field.kind == FIELD_NUMBER) {
    *(double *)place = value->kind == TOML_INTEGER ? (double)value->integer : value->number;
  } else {
    *(int *)place = which->field.kind == FIELD_BOOLEAN ? value->boolean : (int)value->integer;
  }
}

bool settings_same(const settings *a, const settings *b, const setting *which) {
  const void *x = (const char *)a + which->offset, *y = (const char *)b + which->offset;
  if (is_string(which))
    return g_strcmp0(*(char *const *)x, *(char *const *)y) == 0;
  return memcmp(x, y, which->field.kind == FIELD_NUMBER ? sizeof(double) : sizeof(int)) == 0;
}

static bool in_ranges(settings *s) {
  for (const setting *row = settings_table; row->field.name; row++) {
    const field_rule *f = &row->field;
    if (f->kind != FIELD_INTEGER && f->kind != FIELD_NUMBER)
      continue;
    const void *place = place_of(s, row);
    const double value = f->kind == FIELD_NUMBER ? *(const double *)place : *(const int *)place;
    if (!(value >= f->least && value <= f->most))
      return misuse("--%s must be %.12g to %.12g, not %.12g", f->name, f->least, f->most, value);
  }
  return true;
}

/* ---- The token ----------------------------------------------------------------------------------------- */

/* What may stand in the header (RFC 6750, b64token and a little more). */
static bool take_token(settings *s, const char *text, const char *where) {
  char *token = g_strstrip(g_strdup(text));
  const size_t length = strlen(token);
  bool fits = length > 0 && length <= MAX_TOKEN;
  for (size_t i = 0; i < length; i++)
    fits &= token[i] > ' ' && token[i] < 0x7f;
  if (!fits) {
    g_free(token);
    return misuse("%s: a token is 1 to %d visible ASCII characters without a space", where, MAX_TOKEN);
  }
  s->token = token;
  return true;
}

static bool read_token(settings *s) {
  const char *path = s->token_file, *text = g_getenv("RESNET18_SERVER_TOKEN");
  GError *error = NULL;
  char *data = NULL;
  if (path == NULL)
    return text == NULL || *text == '\0' || take_token(s, text, "RESNET18_SERVER_TOKEN");
  if (!g_file_get_contents(path, &data, NULL, &error)) {
    misuse("--token-file: %s", error->message);
    g_error_free(error);
    return false;
  }
  const bool ok = take_token(s, data, path);
  g_free(data);
  return ok;
}

/* ---- The command line ---------------------------------------------------------------------------------- */

static bool check(settings *s) {
  if (s->precision && !g_strv_contains(precisions, s->precision))
    return misuse("--precision must be auto, fp32 or int8, not '%s'", s->precision);
  if (!in_ranges(s) || !read_token(s))
    return false;
  if (!s->tls_cert != !s->tls_key)
    return misuse("--tls-cert and --tls-key belong together");
  return true;
}

static const char description[] =
    "Sends nothing anywhere, and listens on this machine only unless told otherwise with --bind.\n"
    "URIs (rtsp://, file://, v4l2:// ...) and names of video files become live views.\n"
    "The environment variable RESNET18_SERVER_TOKEN holds the token where there is no --token-file.\n"
    "'resnet18-server health [OPTION...]' asks a running server with the same --bind and --port whether it is\n"
    "ready: exit status 0 if it is.\n\n"
    "Examples:\n"
    "  resnet18-server\n"
    "  resnet18-server --bind 0.0.0.0 --token-file /run/secrets/token\n"
    "  resnet18-server rtsp://camera.example/stream door.mp4\n"
    "  curl --data-binary @cat.jpg http://127.0.0.1:8080/classify\n";

/* Sets what the command line says, and nothing else. */
static bool parse_line(settings *s, int argc, char **argv, int *status) {
  gboolean version = FALSE;
  GError *error = NULL;
  const GOptionEntry entries[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &s->config,
       "Settings, models, targets and cameras: a TOML file, read again on SIGHUP", "FILE"},
      {"check-config", 0, 0, G_OPTION_ARG_NONE, &s->check_config, "Check that file, start nothing", NULL},
      {"bind", 'b', 0, G_OPTION_ARG_STRING, &s->bind, "Address to listen on (default: 127.0.0.1)", "ADDRESS"},
      {"port", 'p', 0, G_OPTION_ARG_INT, &s->port, "Port to listen on, 0 = any free one (default: 8080)", "N"},
      {"weights", 'w', 0, G_OPTION_ARG_FILENAME, &s->weights,
       "Weights: a .safetensors file or a PyTorch checkpoint (default: built in)", "FILE"},
      {"labels", 'l', 0, G_OPTION_ARG_FILENAME, &s->labels,
       "Class names: one a line, or index, wnid, name separated by tabs", "FILE"},
      {"precision", 0, 0, G_OPTION_ARG_STRING, &s->precision,
       "fp32, int8, or auto: int8 where it is fast and calibrated (default: auto)", "P"},
      {"threads", 't', 0, G_OPTION_ARG_INT, &s->threads,
       "Threads that classify (default: as many as this process may use)", "N"},
      {"decoders", 0, 0, G_OPTION_ARG_INT, &s->decoders, "Processes that decode (default: as many as threads)", "N"},
      {"batch", 0, 0, G_OPTION_ARG_INT, &s->batch, "Waiting pictures in one forward pass (default: 1)", "N"},
      {"queue", 0, 0, G_OPTION_ARG_INT, &s->queue, "Pictures that may wait or be worked on (default: 32)", "N"},
      {"token-file", 0, 0, G_OPTION_ARG_FILENAME, &s->token_file, "Ask clients for the bearer token in this file",
       "FILE"},
      {"tls-cert", 0, 0, G_OPTION_ARG_FILENAME, &s->tls_cert, "TLS certificate chain, PEM", "FILE"},
      {"tls-key", 0, 0, G_OPTION_ARG_FILENAME, &s->tls_key, "TLS key, PEM", "FILE"},
      {"loop", 0, 0, G_OPTION_ARG_NONE, &s->loop, "Play the files among the URIs over and over", NULL},
      {"verbose", 'v', 0, G_OPTION_ARG_NONE, &s->verbose, "Print a line for each request", NULL},
      {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Show the version", NULL},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &s->uris, NULL, "[URI...]"},
      {NULL},
  };
  const GOptionEntry limits[] = {
      {"max-body", 0, 0, G_OPTION_ARG_INT, &s->max_body, "Bytes of one request (default: 16777216)", "N"},
      {"max-body-total", 0, 0, G_OPTION_ARG_INT, &s->max_body_total,
       "Bytes of all requests at once (default: 67108864)", "N"},
      {"max-header", 0, 0, G_OPTION_ARG_INT, &s->max_header, "Bytes of a request's header (default: 16384)", "N"},
      {"max-megapixels", 0, 0, G_OPTION_ARG_DOUBLE, &s->max_megapixels, "Size of a picture (default: 25)", "X"},
      {"connections", 0, 0, G_OPTION_ARG_INT, &s->connections, "Connections (default: 256)", "N"},
      {"per-address", 0, 0, G_OPTION_ARG_INT, &s->per_address, "Connections from one address (default: 128)", "N"},
      {"streams", 0, 0, G_OPTION_ARG_INT, &s->streams, "Connections that stream events or video (default: 64)", "N"},
      {"idle-time", 0, 0, G_OPTION_ARG_INT, &s->idle_time, "Between two requests (default: 15000)", "MS"},
      {"header-time", 0, 0, G_OPTION_ARG_INT, &s->header_time, "For the first header (default: 10000)", "MS"},
      {"body-time", 0, 0, G_OPTION_ARG_INT, &s->body_time, "For the body (default: 10000)", "MS"},
      {"body-rate", 0, 0, G_OPTION_ARG_INT, &s->body_rate,
       "... and a second more for each so many bytes (default: 32768)", "N"},
      {"send-time", 0, 0, G_OPTION_ARG_INT, &s->send_time, "For the client to read (default: 10000)", "MS"},
      {"decode-time", 0, 0, G_OPTION_ARG_INT, &s->decode_time, "For decoding a picture (default: 5000)", "MS"},
      {"drain-time", 0, 0, G_OPTION_ARG_INT, &s->drain_time, "For what was accepted, after SIGTERM (default: 8000)",
       "MS"},
      {NULL},
  };
  GOptionContext *context = g_option_context_new(NULL);
  GOptionGroup *group = g_option_group_new("limits", "Limits:", "Show the limits", NULL, NULL);
  g_option_context_set_summary(context, "A web service that says what is on pictures and camera streams.");
  g_option_context_set_description(context, description);
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_group_add_entries(group, limits);
  g_option_context_add_group(context, group);
  char **words = g_strdupv(argv), **left = words; /* GOption moves the words about */
  char **rest = g_memdup2(words, sizeof *words * ((size_t)argc + 1));
  left = rest;
  bool ok = g_option_context_parse(context, &argc, &left, &error);
  *status = USAGE;
  if (!ok) {
    misuse("%s", error->message);
  } else if (version) {
    printf("resnet18-server %s\n", resnet18_version());
    *status = DONE;
    ok = false;
  }
  g_clear_error(&error);
  g_free(rest);
  g_strfreev(words);
  g_option_context_free(context);
  return ok;
}

/* What the command line says replaces what the file says. */
static bool parse_over(settings *s, int argc, char **argv, int *status) {
  settings line = settings_copy(s);
  for (const setting *row = settings_table; row->field.name; row++)
    if (is_string(row))
      g_clear_pointer((char **)place_of(&line, row), g_free);
  const bool ok = parse_line(&line, argc, argv, status);
  for (const setting *row = settings_table; row->field.name; row++) {
    char **given = place_of(&line, row), **there = place_of(s, row);
    if (is_string(row) && *given == NULL)
      *given = g_strdup(*there);
  }
  settings_clear(s);
  *s = line;
  return ok;
}

static bool read_config(settings *s, GPtrArray **cameras, int argc, char **argv, int *status) {
  settings made = settings_default();
  char *wrong = config_read(s->config, &made, cameras);
  if (wrong)
    fputs(wrong, stderr);
  g_free(wrong);
  settings_clear(s);
  *s = made;
  return *cameras && parse_over(s, argc, argv, status);
}

bool settings_parse(settings *s, GPtrArray **cameras, int argc, char **argv, int *status) {
  *s = settings_default();
  *cameras = NULL;
  if (!parse_line(s, argc, argv, status))
    return false;
  if (s->check_config && s->config == NULL)
    return misuse("--check-config needs --config FILE");
  if (s->config && !read_config(s, cameras, argc, argv, status))
    return false;
  if (!check(s))
    return false;
  if (s->bind == NULL)
    s->bind = g_strdup("127.0.0.1");
  return true;
}

/* ---- Making -------------------------------------------------------------------------------------------- */

settings settings_default(void) {
  return defaults;
}

settings settings_copy(const settings *s) {
  settings copy = *s;
  for (const setting *row = settings_table; row->field.name; row++) {
    char **string = place_of(&copy, row);
    if (is_string(row))
      *string = g_strdup(*string);
  }
  /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): whoever clears settings and goes on gives them new ones first */
  copy.config = g_strdup(s->config);
  copy.token = g_strdup(s->token);
  copy.uris = g_strdupv(s->uris);
  return copy;
}

void settings_clear(settings *s) {
  for (const setting *row = settings_table; row->field.name; row++)
    if (is_string(row))
      g_clear_pointer((char **)place_of(s, row), g_free);
  g_clear_pointer(&s->config, g_free); /* NOLINT(clang-analyzer-unix.Malloc): as in settings_copy */
  g_clear_pointer(&s->token, g_free);
  g_clear_pointer(&s->uris, g_strfreev);
}

void settings_describe_engine(const settings *s, GArray *properties) {
  if (s->weights)
    spec_set(properties, "weights", s->weights);
  if (s->labels)
    spec_set(properties, "labels", s->labels);
  if (s->precision)
    spec_set(properties, "precision", s->precision);
}
