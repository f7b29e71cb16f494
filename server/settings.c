/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading and checking what can be set. */
#include "settings.h"

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

/* ---- Ranges -------------------------------------------------------------------------------------------- */

typedef struct {
  const char *name;
  const int *value;
  int least, most;
} range;

static bool in_ranges(const settings *s) {
  const range ranges[] = {
      {"--port", &s->port, 0, 65535},
      {"--threads", &s->threads, 0, 64},
      {"--decoders", &s->decoders, 0, 64},
      {"--batch", &s->batch, 1, RESNET18_MAX_BATCH},
      {"--queue", &s->queue, 1, 4096},
      {"--max-body", &s->max_body, 1024, 256 << 20},
      {"--max-body-total", &s->max_body_total, 1024, 1 << 30},
      {"--max-header", &s->max_header, 512, 64 << 10},
      {"--connections", &s->connections, 1, 16384},
      {"--per-address", &s->per_address, 1, 16384},
      {"--streams", &s->streams, 0, 16384},
      {"--idle-time", &s->idle_time, 100, 3600000},
      {"--header-time", &s->header_time, 100, 600000},
      {"--body-time", &s->body_time, 100, 600000},
      {"--send-time", &s->send_time, 100, 600000},
      {"--decode-time", &s->decode_time, 100, 600000},
      {"--drain-time", &s->drain_time, 0, 600000},
      {"--body-rate", &s->body_rate, 1, G_MAXINT},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(ranges); i++)
    if (*ranges[i].value < ranges[i].least || *ranges[i].value > ranges[i].most)
      return misuse("%s must be %d to %d, not %d", ranges[i].name, ranges[i].least, ranges[i].most, *ranges[i].value);
  if (!(s->max_megapixels >= 0.01 && s->max_megapixels <= 256))
    return misuse("--max-megapixels must be 0.01 to 256, not %g", s->max_megapixels);
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

static bool read_token(settings *s, const char *path) {
  const char *text = g_getenv("RESNET18_SERVER_TOKEN");
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

static bool check(settings *s, const char *token_file) {
  static const char *const precisions[] = {"auto", "fp32", "int8", NULL};
  if (s->precision && !g_strv_contains(precisions, s->precision))
    return misuse("--precision must be auto, fp32 or int8, not '%s'", s->precision);
  if (!in_ranges(s) || !read_token(s, token_file))
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

bool settings_parse(settings *s, int argc, char **argv, int *status) {
  char *token_file = NULL;
  gboolean version = FALSE;
  GError *error = NULL;
  *s = defaults;
  const GOptionEntry entries[] = {
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
      {"token-file", 0, 0, G_OPTION_ARG_FILENAME, &token_file, "Ask clients for the bearer token in this file", "FILE"},
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
  } else {
    ok = check(s, token_file);
  }
  g_clear_error(&error);
  g_free(rest);
  g_strfreev(words);
  g_free(token_file);
  g_option_context_free(context);
  if (s->bind == NULL)
    s->bind = g_strdup("127.0.0.1");
  return ok;
}

void settings_clear(settings *s) {
  g_free(s->bind);
  g_free(s->weights);
  g_free(s->labels);
  g_free(s->precision);
  g_free(s->token);
  g_free(s->tls_cert);
  g_free(s->tls_key);
  g_strfreev(s->uris);
}
