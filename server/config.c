/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checking the configuration file, and making the cameras of it. */
#include "config.h"

#include "address.h"
#include "field.h"

#include <errno.h>
#include <gio/gio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* What stands for the camera's name in a target. */
static const char placeholder[] = "{camera}";
enum { LONGEST_NAME = 64, MOST_CAMERAS = 1024 };

static const char *const precisions[] = {"auto", "fp32", "int8", NULL};
static const char *const crops[] = {"center", "squash", "letterbox", NULL};
static const char *const transports[] = {"auto", "tcp", "udp", NULL};

/* How a value becomes that of an element's property. */
typedef enum { PLAIN, NANOSECONDS, FRACTION } conversion;

typedef struct {
  field_rule field;
  const char *property; /* NULL: not one */
  conversion conversion;
} row;

static const row model_rows[] = {
    {.field = {.name = "weights", .kind = FIELD_PATH}, .property = "weights"},
    {.field = {.name = "labels", .kind = FIELD_PATH}, .property = "labels"},
    {.field = {.name = "precision", .kind = FIELD_CHOICE, .choices = precisions}, .property = "precision"},
    {.field.name = NULL},
};

static const row target_rows[] = {
    {.field = {.name = "location", .kind = FIELD_STRING}, .property = "location"},
    {.field = {.name = "credentials", .kind = FIELD_PATH}, .property = "credentials"},
    {.field = {.name = "tls-ca", .kind = FIELD_PATH}, .property = "tls-ca"},
    {.field = {.name = "device-name", .kind = FIELD_STRING}, .property = "device-name"},
    {.field = {.name = "client-id", .kind = FIELD_STRING}, .property = "client-id"},
    {.field = {.name = "spool", .kind = FIELD_PATH}},
    {.field = {.name = "spool-size", .kind = FIELD_INTEGER, .least = 1 << 20, .most = 1e15}, .property = "spool-size"},
    {.field = {.name = "queue-size", .kind = FIELD_INTEGER, .least = 1, .most = 1e6}, .property = "queue-size"},
    {.field = {.name = "drain-timeout", .kind = FIELD_NUMBER, .least = 0, .most = 5},
     .property = "drain-timeout",
     .conversion = NANOSECONDS},
    {.field = {.name = "every-frame", .kind = FIELD_BOOLEAN}, .property = "every-frame"},
    {.field.name = NULL},
};

static const row camera_rows[] = {
    {.field = {.name = "uri", .kind = FIELD_STRING}},
    {.field = {.name = "enabled", .kind = FIELD_BOOLEAN}},
    {.field = {.name = "model", .kind = FIELD_STRING}},
    {.field = {.name = "targets", .kind = FIELD_LIST}},
    {.field = {.name = "transport", .kind = FIELD_CHOICE, .choices = transports}},
    {.field = {.name = "latency", .kind = FIELD_INTEGER, .least = 0, .most = 60000}},
    {.field = {.name = "loop", .kind = FIELD_BOOLEAN}},
    {.field = {.name = "no-frame-timeout",
               .kind = FIELD_NUMBER,
               .least = LEAST_NO_FRAME_TIMEOUT,
               .most = MOST_NO_FRAME_TIMEOUT}},
    {.field = {.name = "retry", .kind = FIELD_CHOICE, .choices = retry_manners}},
    {.field = {.name = "max-rate", .kind = FIELD_NUMBER, .least = 0, .most = 1000},
     .property = "max-rate",
     .conversion = FRACTION},
    {.field = {.name = "interval", .kind = FIELD_INTEGER, .least = 1, .most = 1e9}, .property = "interval"},
    {.field = {.name = "max-age", .kind = FIELD_NUMBER, .least = 0, .most = 3600},
     .property = "max-age",
     .conversion = NANOSECONDS},
    {.field = {.name = "roi", .kind = FIELD_STRING}, .property = "roi"},
    {.field = {.name = "crop", .kind = FIELD_CHOICE, .choices = crops}, .property = "crop"},
    {.field = {.name = "static-threshold", .kind = FIELD_NUMBER, .least = 0, .most = 255},
     .property = "static-threshold"},
    {.field = {.name = "top-k", .kind = FIELD_INTEGER, .least = 1, .most = 20}, .property = "top-k"},
    {.field = {.name = "threshold", .kind = FIELD_NUMBER, .least = 0, .most = 1}, .property = "threshold"},
    {.field = {.name = "smoothing", .kind = FIELD_NUMBER, .least = 0, .most = 3600},
     .property = "smoothing",
     .conversion = NANOSECONDS},
    {.field = {.name = "hysteresis", .kind = FIELD_NUMBER, .least = 0, .most = 1}, .property = "hysteresis"},
    {.field = {.name = "groups", .kind = FIELD_BOOLEAN}, .property = "groups"},
    {.field = {.name = "overlay", .kind = FIELD_BOOLEAN}, .property = "overlay"},
    {.field = {.name = "cam", .kind = FIELD_BOOLEAN}, .property = "cam"},
    {.field.name = NULL},
};

typedef struct {
  problems *problems;
  char *folder; /* of the file */
  settings *settings;
  bool looks; /* whether the files that it names are there */
  const toml_value *root;
  const toml_value *models, *targets, *defaults; /* tables; NULL = none */
  GHashTable *bad;                               /* values that were refused */
} config;

static void refuse(config *c, const toml_value *value, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void refuse(config *c, const toml_value *value, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  field_refuse(value, c->problems, "%s", text);
  g_hash_table_add(c->bad, (gpointer)value);
  g_free(text);
}

/* ---- Keys ---------------------------------------------------------------------------------------------- */

static void refuse_unknown(config *c, const toml_value *value, GPtrArray *names) {
  char *hint = field_similar(value->name, names);
  refuse(c, value, "there is no such key%s", hint);
  g_free(hint);
}

static const row *find_row(const row *rows, const char *name) {
  for (; rows->field.name; rows++)
    if (strcmp(rows->field.name, name) == 0)
      return rows;
  return NULL;
}

/* Relative to the file's folder. */
static char *path_of(const config *c, const char *path) {
  return g_canonicalize_filename(path, c->folder);
}

/* One that is read at the start, or by an element later. */
static void check_file(config *c, const toml_value *value) {
  if (!c->looks)
    return;
  char *path = path_of(c, value->string);
  if (g_file_test(path, G_FILE_TEST_IS_DIR))
    refuse(c, value, "'%s' is a folder", path);
  else if (access(path, R_OK) != 0)
    refuse(c, value, "'%s' cannot be read: %s", path, g_strerror(errno));
  g_free(path);
}

/* Each key of a table by itself. */
static void check_keys(config *c, const toml_value *table, const row *rows) {
  GPtrArray *names = g_ptr_array_new();
  for (const row *r = rows; r->field.name; r++)
    g_ptr_array_add(names, (gpointer)r->field.name);
  for (guint i = 0; i < table->items->len; i++) {
    const toml_value *value = table->items->pdata[i];
    const row *known = find_row(rows, value->name);
    if (known == NULL)
      refuse_unknown(c, value, names);
    else if (!field_check(&known->field, value, c->problems))
      g_hash_table_add(c->bad, (gpointer)value);
    else if (known->field.kind == FIELD_PATH && known->property) /* a spool is made where it is missing */
      check_file(c, value);
  }
  g_ptr_array_free(names, TRUE);
}

/* A value that is there and was not refused. */
static const toml_value *good(const config *c, const toml_value *table, const char *name) {
  const toml_value *value = table ? toml_get(table, name) : NULL;
  return value && !g_hash_table_contains(c->bad, value) ? value : NULL;
}

/* A camera's own value, or the default of all. */
static const toml_value *look_up(const config *c, const toml_value *camera, const char *name) {
  if (toml_get(camera, name))
    return good(c, camera, name);
  return good(c, c->defaults, name);
}

/* ---- Checks of single values --------------------------------------------------------------------------- */

/* It becomes part of topics, folders and labels of metrics. */
static bool is_name(const char *name) {
  const size_t length = strlen(name);
  bool fits = length > 0 && length <= LONGEST_NAME;
  for (; *name; name++)
    fits &= g_ascii_isalnum(*name) || *name == '-' || *name == '_';
  return fits;
}

static bool is_known_scheme(const char *scheme) {
  static const char *const schemes[] = {"dvb",      "file",  "http",    "https",  "rtmp",   "rtmps",  "rtmpt", "rtp",
                                        "rtsp",     "rtsph", "rtsps",   "rtspsh", "rtspst", "rtspsu", "rtspt", "rtspu",
                                        "rtsp-sdp", "srt",   "testbin", "udp",    "v4l2",   NULL};
  return g_strv_contains(schemes, scheme);
}

static void check_uri(config *c, const toml_value *value) {
  const char *end = strstr(value->string, "://");
  if (end == NULL)
    return; /* a file's name */
  char *scheme = g_ascii_strdown(value->string, end - value->string);
  GUri *uri = g_uri_parse(value->string, G_URI_FLAGS_HAS_PASSWORD, NULL);
  const char *host = uri ? g_uri_get_host(uri) : NULL;
  /* What it is stays out of the sentence: it may have a password in it. */
  if (!is_known_scheme(scheme))
    refuse(c, value, "'%.20s' is none of the schemes rtsp, http, file, v4l2, srt, rtmp, udp and their kin", scheme);
  else if (uri == NULL)
    refuse(c, value, "is no URI; special characters in a user name or password are written as %%XX");
  else if ((g_str_has_prefix(scheme, "rtsp") || g_str_has_prefix(scheme, "http") || g_str_has_prefix(scheme, "rtmp")) &&
           (host == NULL || *host == '\0'))
    refuse(c, value, "names no host");
  if (uri)
    g_uri_unref(uri);
  g_free(scheme);
}

/* As the property roi of resnet18classify. */
static void check_roi(config *c, const toml_value *value) {
  char **parts = g_strsplit(value->string, ",", -1), *end;
  double numbers[4] = {0};
  bool fits = g_strv_length(parts) == G_N_ELEMENTS(numbers);
  for (guint i = 0; fits && i < G_N_ELEMENTS(numbers); i++) {
    const char *text = g_strstrip(parts[i]);
    numbers[i] = g_ascii_strtod(text, &end);
    fits = end != text && *end == '\0' && numbers[i] >= 0 && numbers[i] <= G_MAXUINT16;
  }
  if (!fits || numbers[2] <= 0 || numbers[3] <= 0)
    refuse(c, value, "must be \"x,y,w,h\" in pixels or in parts of the frame");
  g_strfreev(parts);
}

/* {WORD} of another word is taken for a mistake. */
static bool check_placeholders(config *c, const toml_value *value) {
  for (const char *at = strchr(value->string, '{'); at; at = strchr(at + 1, '{')) {
    const size_t length = strspn(at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    if (at[length + 1] != '}' || length == 0 || g_str_has_prefix(at, placeholder))
      continue;
    refuse(c, value, "{%.*s} stands for nothing; %s stands for the camera's name", (int)MIN(length, LONGEST_NAME),
           at + 1, placeholder);
    return false;
  }
  return true;
}

static char *fill_in(const char *text, const char *camera) {
  char **parts = g_strsplit(text, placeholder, -1), *filled = g_strjoinv(camera, parts);
  g_strfreev(parts);
  return filled;
}

/* The location as resnet18publish takes it. */
static char *location_of(const config *c, const char *text, const char *camera) {
  char *filled = fill_in(text, camera), *path = NULL;
  if (g_str_has_prefix(filled, "unix:")) {
    char *place = path_of(c, filled + strlen("unix:"));
    path = g_strconcat("unix:", place, NULL);
    g_free(place);
  } else if (strcmp(filled, "-") != 0 && !gst_resnet18_address_is_uri(filled)) {
    path = path_of(c, filled);
  }
  if (path == NULL)
    return filled;
  g_free(filled);
  return path;
}

static void check_location(config *c, const toml_value *value) {
  char *location = location_of(c, value->string, "camera");
  GError *error = NULL;
  if (gst_resnet18_address_is_uri(location)) {
    GstResnet18Address *address = gst_resnet18_address_new(location, NULL, "camera", &error);
    g_clear_pointer(&address, gst_resnet18_address_free);
  }
  const struct sockaddr_un *room = NULL;
  if (error)
    refuse(c, value, "%s", error->message);
  else if (g_str_has_prefix(location, "unix:") && strlen(location) - strlen("unix:") >= sizeof room->sun_path)
    refuse(c, value, "the path of a socket has at most %zu bytes", sizeof room->sun_path - 1);
  g_clear_error(&error);
  g_free(location);
}

/* ---- Tables -------------------------------------------------------------------------------------------- */

/* The table of all [NAME.x], each with a good name. NULL if there is none. */
static const toml_value *named_tables(config *c, const char *name) {
  const toml_value *all = toml_get(c->root, name);
  if (all == NULL)
    return NULL;
  if (all->kind != TOML_TABLE) {
    refuse(c, all, "a table [%s.NAME] is wanted, not %s", name, all->of_tables ? "[[...]]" : toml_kind_name(all->kind));
    return NULL;
  }
  for (guint i = 0; i < all->items->len; i++) {
    const toml_value *one = all->items->pdata[i];
    if (one->kind != TOML_TABLE)
      refuse(c, one, "a table [%s.NAME] is wanted, not %s", name, toml_kind_name(one->kind));
    else if (!is_name(one->name))
      refuse(c, one, "a name is 1 to %d letters, digits, '-' and '_'", LONGEST_NAME);
  }
  return all;
}

static bool is_table(const config *c, const toml_value *value) {
  return value->kind == TOML_TABLE && !g_hash_table_contains(c->bad, value);
}

static void check_models(config *c) {
  for (guint i = 0; c->models && i < c->models->items->len; i++)
    if (is_table(c, c->models->items->pdata[i]))
      check_keys(c, c->models->items->pdata[i], model_rows);
}

static void check_target(config *c, const toml_value *target) {
  check_keys(c, target, target_rows);
  const toml_value *location = good(c, target, "location"), *client = good(c, target, "client-id");
  const toml_value *device = good(c, target, "device-name");
  if (toml_get(target, "location") == NULL && !target->damaged)
    refuse(c, target, "the key location is missing");
  else if (location && check_placeholders(c, location))
    check_location(c, location);
  if (device)
    check_placeholders(c, device);
  if (client && check_placeholders(c, client) && strstr(client->string, placeholder) == NULL)
    refuse(c, client, "must have %s in it: each camera needs one of its own", placeholder);
}

static void check_targets(config *c) {
  for (guint i = 0; c->targets && i < c->targets->items->len; i++)
    if (is_table(c, c->targets->items->pdata[i]))
      check_target(c, c->targets->items->pdata[i]);
}

/* What a camera refers to. */
static void check_reference(config *c, const toml_value *table, const char *kind, const toml_value *value) {
  if (table && toml_get(table, value->string))
    return;
  GPtrArray *names = g_ptr_array_new();
  for (guint i = 0; table && i < table->items->len; i++)
    g_ptr_array_add(names, ((toml_value *)table->items->pdata[i])->name);
  char *hint = field_similar(value->string, names);
  refuse(c, value, "there is no [%s.%.*s]%s", kind, LONGEST_NAME, value->string, hint);
  g_free(hint);
  g_ptr_array_free(names, TRUE);
}

/* Of a camera, or of the defaults. */
static void check_camera_values(config *c, const toml_value *camera) {
  check_keys(c, camera, camera_rows);
  const toml_value *uri = good(c, camera, "uri"), *roi = good(c, camera, "roi"), *model = good(c, camera, "model");
  const toml_value *targets = good(c, camera, "targets");
  if (uri)
    check_uri(c, uri);
  if (roi)
    check_roi(c, roi);
  if (model)
    check_reference(c, c->models, "model", model);
  for (guint i = 0; targets && i < targets->items->len; i++)
    check_reference(c, c->targets, "target", targets->items->pdata[i]);
}

static void check_defaults(config *c) {
  const toml_value *defaults = toml_get(c->root, "defaults");
  if (defaults == NULL)
    return;
  if (defaults->kind != TOML_TABLE) {
    refuse(c, defaults, "a table is wanted, not %s", toml_kind_name(defaults->kind));
    return;
  }
  c->defaults = defaults;
  check_camera_values(c, defaults);
  if (toml_get(defaults, "uri"))
    refuse(c, toml_get(defaults, "uri"), "each camera has its own");
}

/* ---- The server's settings ----------------------------------------------------------------------------- */

static void take_settings(config *c) {
  const toml_value *table = toml_get(c->root, "server");
  if (table == NULL)
    return;
  if (table->kind != TOML_TABLE) {
    refuse(c, table, "a table is wanted, not %s", toml_kind_name(table->kind));
    return;
  }
  GPtrArray *names = g_ptr_array_new();
  for (const setting *s = settings_table; s->field.name; s++)
    g_ptr_array_add(names, (gpointer)s->field.name);
  for (guint i = 0; i < table->items->len; i++) {
    const toml_value *value = table->items->pdata[i];
    const setting *known = settings_find(value->name);
    char *path = NULL;
    if (known == NULL)
      refuse_unknown(c, value, names);
    else if (!field_check(&known->field, value, c->problems))
      g_hash_table_add(c->bad, (gpointer)value);
    else {
      if (known->field.kind == FIELD_PATH) {
        path = path_of(c, value->string);
        check_file(c, value);
      }
      settings_set(c->settings, known, value, path);
    }
    g_free(path);
  }
  g_ptr_array_free(names, TRUE);
}

/* ---- Cameras ------------------------------------------------------------------------------------------- */

static double number_of(const toml_value *value) {
  return value->kind == TOML_INTEGER ? (double)value->integer : value->number;
}

static char *text_of(const config *c, const row *r, const toml_value *value) {
  char digits[G_ASCII_DTOSTR_BUF_SIZE];
  switch (value->kind) {
  case TOML_BOOLEAN:
    return g_strdup(value->boolean ? "true" : "false");
  case TOML_STRING:
    return r->field.kind == FIELD_PATH ? path_of(c, value->string) : g_strdup(value->string);
  default:
    break;
  }
  if (r->conversion == NANOSECONDS)
    return g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)llround(number_of(value) * 1e9));
  if (r->conversion == FRACTION)
    return g_strdup_printf("%" G_GINT64_FORMAT "/1000", (gint64)llround(number_of(value) * 1000));
  if (value->kind == TOML_INTEGER)
    return g_strdup_printf("%" G_GINT64_FORMAT, value->integer);
  return g_strdup(g_ascii_formatd(digits, sizeof digits, "%.9g", value->number));
}

static void copy_properties(const config *c, const row *rows, const toml_value *table, GArray *properties) {
  for (const row *r = rows; r->field.name; r++) {
    const toml_value *value = rows == camera_rows ? look_up(c, table, r->field.name) : toml_get(table, r->field.name);
    if (r->property == NULL || value == NULL)
      continue;
    char *text = text_of(c, r, value);
    spec_set(properties, r->property, text);
    g_free(text);
  }
}

/* A folder of its own for each camera. */
static void set_spool(const config *c, spec_target *target, const toml_value *spool, const char *camera) {
  char *folder = path_of(c, spool->string), *name = g_strdup_printf("%s.%s", target->name, camera);
  char *path = g_build_filename(folder, name, NULL);
  spec_set(target->properties, "spool", path);
  g_free(path);
  g_free(name);
  g_free(folder);
}

static void add_target(const config *c, camera_spec *spec, const toml_value *table) {
  static const char *const filled[] = {"device-name", "client-id"};
  spec_target *target = camera_spec_add_target(spec, table->name);
  const toml_value *spool = toml_get(table, "spool");
  copy_properties(c, target_rows, table, target->properties);
  char *location = location_of(c, toml_get(table, "location")->string, spec->name);
  spec_set(target->properties, "location", location);
  spec_set(target->properties, "stream-name", spec->name);
  g_free(location);
  for (size_t i = 0; i < G_N_ELEMENTS(filled); i++) {
    const toml_value *value = toml_get(table, filled[i]);
    char *text = value ? fill_in(value->string, spec->name) : NULL;
    if (text)
      spec_set(target->properties, filled[i], text);
    g_free(text);
  }
  if (spool)
    set_spool(c, target, spool, spec->name);
}

static void set_supervision(const config *c, const toml_value *camera, supervision *to) {
  const toml_value *timeout = look_up(c, camera, "no-frame-timeout"), *retry = look_up(c, camera, "retry");
  if (timeout)
    to->no_frame_timeout = number_of(timeout);
  if (retry)
    to->manner = strcmp(retry->string, retry_manners[RETRY_QUICK]) == 0 ? RETRY_QUICK : RETRY_PATIENT;
}

/* Only of a file without problems. */
static camera_spec *make_camera(const config *c, const toml_value *camera) {
  camera_spec *spec = camera_spec_new(camera->name);
  const toml_value *model = look_up(c, camera, "model"), *targets = look_up(c, camera, "targets");
  const toml_value *transport = look_up(c, camera, "transport"), *latency = look_up(c, camera, "latency");
  const toml_value *loop = look_up(c, camera, "loop");
  spec->uri = spec_uri(toml_get(camera, "uri")->string, c->folder);
  spec->has_model = model != NULL;
  if (model)
    copy_properties(c, model_rows, toml_get(c->models, model->string), spec->classify);
  spec_set(spec->classify, "overlay", "true");
  spec_set(spec->classify, "groups", "true");
  copy_properties(c, camera_rows, camera, spec->classify);
  for (guint i = 0; targets && i < targets->items->len; i++)
    add_target(c, spec, toml_get(c->targets, ((toml_value *)targets->items->pdata[i])->string));
  if (transport && strcmp(transport->string, "auto") != 0)
    spec->transport = g_strdup(transport->string);
  if (latency)
    spec->latency = (int)latency->integer;
  spec->loop = loop && loop->boolean;
  set_supervision(c, camera, &spec->supervision);
  return spec;
}

static void check_cameras(config *c, const toml_value *cameras) {
  for (guint i = 0; cameras && i < cameras->items->len; i++) {
    const toml_value *camera = cameras->items->pdata[i];
    if (!is_table(c, camera))
      continue;
    check_camera_values(c, camera);
    if (toml_get(camera, "uri") == NULL && !camera->damaged)
      refuse(c, camera, "the key uri is missing");
  }
  if (cameras && cameras->items->len > MOST_CAMERAS)
    refuse(c, cameras, "there are more than %d", MOST_CAMERAS);
}

/* Not a broker, a socket, a device or a pipe. */
static bool is_plain_file(const config *c, const char *location) {
  struct stat found;
  if (strcmp(location, "-") == 0 || g_str_has_prefix(location, "unix:") || g_str_has_prefix(location, "/dev/") ||
      gst_resnet18_address_is_uri(location))
    return false;
  return !c->looks || stat(location, &found) != 0 || S_ISREG(found.st_mode);
}

static void refuse_shared(config *c, const toml_value *location, const char *one, const char *other) {
  if (strcmp(one, other) == 0)
    refuse(c, location, "camera %s has two targets that are the same file", one);
  else
    refuse(c, location, "cameras %s and %s would write to the same file; each has its own with %s in its name", one,
           other, placeholder);
}

/* `files`: whose they are, by path. */
static void check_shared_files(config *c, const toml_value *camera, GHashTable *files) {
  const toml_value *enabled = look_up(c, camera, "enabled"), *targets = look_up(c, camera, "targets");
  if (enabled && !enabled->boolean)
    return;
  for (guint i = 0; targets && c->targets && i < targets->items->len; i++) {
    const toml_value *target = toml_get(c->targets, ((toml_value *)targets->items->pdata[i])->string);
    const toml_value *location = target && is_table(c, target) ? good(c, target, "location") : NULL;
    if (location == NULL)
      continue;
    char *path = location_of(c, location->string, camera->name);
    const char *owner = g_hash_table_lookup(files, path);
    if (is_plain_file(c, path) && owner)
      refuse_shared(c, location, owner, camera->name);
    if (is_plain_file(c, path) && owner == NULL)
      g_hash_table_insert(files, path, camera->name);
    else
      g_free(path);
  }
}

static void check_all_files(config *c, const toml_value *cameras) {
  GHashTable *files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; cameras && cameras->items->len <= MOST_CAMERAS && i < cameras->items->len; i++)
    if (is_table(c, cameras->items->pdata[i]))
      check_shared_files(c, cameras->items->pdata[i], files);
  g_hash_table_destroy(files);
}

static void free_spec(gpointer spec) {
  camera_spec_free(spec);
}

static GPtrArray *make_cameras(const config *c, const toml_value *cameras) {
  GPtrArray *made = g_ptr_array_new_with_free_func(free_spec);
  for (guint i = 0; cameras && i < cameras->items->len; i++) {
    const toml_value *enabled = look_up(c, cameras->items->pdata[i], "enabled");
    if (enabled == NULL || enabled->boolean)
      g_ptr_array_add(made, make_camera(c, cameras->items->pdata[i]));
  }
  return made;
}

/* ---- The file ------------------------------------------------------------------------------------------ */

static void check_top(config *c) {
  static const char *const known[] = {"server", "defaults", "model", "target", "camera"};
  GPtrArray *names = g_ptr_array_new();
  for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
    g_ptr_array_add(names, (gpointer)known[i]);
  for (guint i = 0; i < c->root->items->len; i++) {
    const toml_value *value = c->root->items->pdata[i];
    bool is_known = false;
    for (size_t k = 0; k < G_N_ELEMENTS(known); k++)
      is_known |= strcmp(value->name, known[k]) == 0;
    if (!is_known)
      refuse_unknown(c, value, names);
  }
  g_ptr_array_free(names, TRUE);
}

static char *parse(const char *path, const char *text, size_t size, bool looks, settings *s, GPtrArray **cameras) {
  problems *p = problems_new(path);
  settings made = settings_copy(s);
  char *absolute = g_canonicalize_filename(path, NULL);
  toml_value *root = toml_read(text, size, p);
  config c = {.problems = p, .settings = &made, .root = root, .looks = looks, .folder = g_path_get_dirname(absolute)};
  c.bad = g_hash_table_new(NULL, NULL);
  check_top(&c);
  take_settings(&c);
  c.models = named_tables(&c, "model");
  c.targets = named_tables(&c, "target");
  const toml_value *all = named_tables(&c, "camera");
  check_models(&c);
  check_targets(&c);
  check_defaults(&c);
  check_cameras(&c, all);
  check_all_files(&c, all);
  char *wrong = problems_any(p) ? problems_text(p) : NULL;
  *cameras = wrong ? NULL : make_cameras(&c, all);
  settings_clear(wrong ? &made : s);
  if (wrong == NULL)
    *s = made;
  g_hash_table_destroy(c.bad);
  toml_free(root);
  problems_free(p);
  g_free(c.folder);
  g_free(absolute);
  return wrong;
}

char *config_parse(const char *path, const char *text, size_t size, settings *s, GPtrArray **cameras) {
  return parse(path, text, size, false, s, cameras);
}

/* No more than may be in it, of whatever kind of file. */
static char *read_file(const char *path, gsize *size, GError **error) {
  GFile *file = g_file_new_for_path(path);
  GFileInputStream *in = g_file_read(file, NULL, error);
  char *text = in ? g_malloc(TOML_MOST_BYTES + 1) : NULL;
  if (in && !g_input_stream_read_all(G_INPUT_STREAM(in), text, TOML_MOST_BYTES + 1, size, NULL, error))
    g_clear_pointer(&text, g_free);
  g_clear_object(&in);
  g_object_unref(file);
  return text;
}

char *config_read(const char *path, settings *s, GPtrArray **cameras) {
  GError *error = NULL;
  gsize size = 0;
  char *text = read_file(path, &size, &error);
  *cameras = NULL;
  if (text == NULL) {
    char *wrong = g_strdup_printf("%s: %s\n", path, error->message);
    g_error_free(error);
    return wrong;
  }
  char *wrong = parse(path, text, size, true, s, cameras);
  g_free(text);
  return wrong;
}
