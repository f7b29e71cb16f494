/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18 submit: fills a JetStream work queue and collects its results.
 *
 * While it works, the lines are in OUTPUT.part, below a first line that says which submission they belong to.
 * Interrupted and called again, it reads which inputs have their line, and goes on with the others. An input is queued
 * again, under its old message id, if nothing has been heard for a while: whatever got lost on the way is made good,
 * and what did not is kept once. */
#include "collect.h"
#include "command.h"
#include "input.h"
#include "output.h"
#include "progress.h"
#include "queue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int run(int argc, char **argv);

const command submit_command = {
    .name = "submit",
    .arguments = "DIR|LIST|-",
    .summary = "Queue pictures and videos for workers, collect the results",
    .help = "DIR: every file in it and below it. LIST: a text file with a path, a URI or\n"
            "object:BUCKET/NAME a line, each taken as it is; - reads the list from standard input.\n"
            "A picture's bytes travel in the message; with --paths the workers open the path\n"
            "themselves, as they do with videos and URIs.\n"
            "OUTPUT gets one line an input: JSON, or CSV if its name ends with .csv. Interrupted,\n"
            "the same call goes on where it was. The exit status is 0 when every input has its\n"
            "line; an input that could not be classified has a line that says why.\n\n"
            "Examples:\n"
            "  resnet18 submit --nats nats://127.0.0.1:4222 holiday -o holiday.jsonl\n"
            "  resnet18 submit --nats nats://a:4222,nats://b:4222 --paths list.txt -o list.csv\n",
    .run = run,
};

enum { DEFAULT_WINDOW = 256, MAX_WINDOW = 4096, FETCH = 64, FETCH_MS = 500, QUIET_SECONDS = 45 };

typedef struct {
  char *servers, *stream, *output;
  int window;
  gboolean paths;
} submit_options;

typedef struct {
  const submit_options *options;
  queue queue;
  collection *results;
  natsSubscription *subscription;
  char *subject; /* of the jobs */
  size_t next;   /* first input that was not queued yet */
  size_t waiting;
  guint8 *queued; /* an input: 1 = its job is out */
  gint64 heard;   /* of the last result (monotonic, microseconds) */
} submission;

/* ---- Jobs ---------------------------------------------------------------------------------------------- */

/* What kind of job a line is, and its body (to be freed). NULL after *error. */
static const char *make_body(const submission *s, const char *input, char **body, gsize *size, GError **error) {
  static const char object[] = "object:";
  const char *kind = "path";
  if (g_str_has_prefix(input, object)) {
    *body = g_strdup(input + sizeof object - 1);
    kind = "object";
  } else if (g_uri_is_valid(input, G_URI_FLAGS_NONE, NULL) && !g_file_test(input, G_FILE_TEST_EXISTS)) {
    *body = g_strdup(input);
    kind = "uri";
  } else if (!s->options->paths && input_is_picture(input)) {
    if (!g_file_get_contents(input, body, size, error))
      return NULL;
    if ((gint64)*size <= natsConnection_GetMaxPayload(s->queue.connection) - 4096)
      return "picture";
    g_free(*body);
    *body = g_canonicalize_filename(input, NULL);
  } else {
    *body = g_canonicalize_filename(input, NULL);
  }
  *size = strlen(*body);
  return kind;
}

static natsMsg *make_job(const submission *s, size_t index, GError **error) {
  const char *input = collection_input(s->results, index), *run_name = collection_run(s->results);
  char *body = NULL, *id = NULL, *number = NULL, *name = NULL;
  gsize size = 0;
  natsMsg *message = NULL;
  const char *kind = make_body(s, input, &body, &size, error);
  if (kind && natsMsg_Create(&message, s->subject, NULL, body, (int)size) == NATS_OK) {
    id = g_strdup_printf("%s-%zu", run_name, index);
    number = g_strdup_printf("%zu", index);
    name = g_base64_encode((const guchar *)input, strlen(input));
    natsMsgHeader_Set(message, QUEUE_ID, id);
    natsMsgHeader_Set(message, QUEUE_INDEX, number);
    natsMsgHeader_Set(message, QUEUE_INPUT, name);
    natsMsgHeader_Set(message, QUEUE_KIND, kind);
  }
  g_free(name);
  g_free(number);
  g_free(id);
  g_free(body);
  return message;
}

/* False: the broker cannot take it now. An input that cannot be read has its line at once. */
static bool queue_input(submission *s, size_t index) {
  GError *error = NULL;
  natsMsg *message = make_job(s, index, &error);
  if (message == NULL) {
    collection_add_error(s->results, index, error ? error->message : "no memory for its message");
    g_clear_error(&error);
    return true;
  }
  const bool ok = queue_store(&s->queue, message);
  natsMsg_Destroy(message);
  return ok;
}

/* Keeps as many jobs out as the window allows. */
static bool fill(submission *s) {
  const size_t count = collection_count(s->results);
  while (s->next < count && s->waiting < (size_t)s->options->window && !queue_stopping()) {
    if (!collection_has(s->results, s->next)) {
      if (!queue_input(s, s->next))
        return queue_stopping();
      if (!collection_has(s->results, s->next)) {
        s->queued[s->next] = 1;
        s->waiting++;
      }
    }
    s->next++;
  }
  return true;
}

/* Whatever was queued and has no result is queued once more. */
static void fill_again(submission *s) {
  const size_t waiting = s->waiting;
  bool said = false;
  for (size_t i = 0; i < s->next && !queue_stopping(); i++)
    if (s->queued[i] && !collection_has(s->results, i)) {
      if (!said)
        command_fail("no result for %d s; %zu of %zu inputs are out, the first is %s", QUIET_SECONDS, waiting,
                     collection_count(s->results), collection_input(s->results, i));
      said = true;
      queue_input(s, i);
    }
  s->heard = g_get_monotonic_time();
}

/* ---- Results ------------------------------------------------------------------------------------------- */

static bool subscribe(submission *s) {
  queue *q = &s->queue;
  const char *run_name = collection_run(s->results);
  char *subject = queue_subject(q, "results", run_name);
  const bool made = queue_make_consumer(q, q->results, run_name, subject);
  const natsStatus status = made ? queue_pull(q, q->results, run_name, &s->subscription) : NATS_OK;
  if (status != NATS_OK)
    command_fail("the results cannot be subscribed to: %s", queue_reason(status, 0));
  g_free(subject);
  return made && status == NATS_OK;
}

static bool index_of(const submission *s, natsMsg *message, size_t *index) {
  const char *text = queue_header(message, QUEUE_INDEX);
  guint64 number;
  if (text == NULL || !g_ascii_string_to_unsigned(text, 10, 0, collection_count(s->results) - 1, &number, NULL))
    return false;
  *index = (size_t)number;
  return true;
}

/* A result is acknowledged once its line is with the operating system. */
static bool take(submission *s) {
  natsMsgList list = {0};
  size_t index;
  bool ok = true;
  const natsStatus status = natsSubscription_Fetch(&list, s->subscription, FETCH, FETCH_MS, NULL);
  for (int i = 0; status == NATS_OK && i < list.Count; i++)
    if (index_of(s, list.Msgs[i], &index) && !collection_has(s->results, index)) {
      ok = ok && collection_add(s->results, index, natsMsg_GetData(list.Msgs[i]),
                                (size_t)natsMsg_GetDataLength(list.Msgs[i]));
      if (s->queued[index])
        s->waiting--;
      s->heard = g_get_monotonic_time();
    }
  ok = ok && collection_flush(s->results);
  for (int i = 0; ok && i < list.Count; i++)
    natsMsg_Ack(list.Msgs[i], NULL);
  natsMsgList_Destroy(&list);
  if (status != NATS_OK && status != NATS_TIMEOUT)
    nats_Sleep(100);
  return ok;
}

/* Leaves nothing of the submission with the servers. */
static void clean(submission *s) {
  jsOptions options;
  char *subject = queue_subject(&s->queue, "results", collection_run(s->results));
  js_DeleteConsumer(s->queue.js, s->queue.results, collection_run(s->results), NULL, NULL);
  jsOptions_Init(&options);
  options.Stream.Purge.Subject = subject;
  js_PurgeStream(s->queue.js, s->queue.results, &options, NULL);
  g_free(subject);
}

/* ---- All of it ----------------------------------------------------------------------------------------- */

static bool collect(submission *s) {
  const size_t count = collection_count(s->results);
  s->heard = g_get_monotonic_time();
  while (collection_done(s->results) < count && !queue_stopping()) {
    if (!fill(s)) {
      command_fail("the servers do not take the jobs: %s", queue_reason(NATS_OK, 0));
      return false;
    }
    if (!take(s))
      return false;
    progress_show("resnet18: %zu of %zu inputs", collection_done(s->results), count);
    if (s->waiting && g_get_monotonic_time() - s->heard > QUIET_SECONDS * G_USEC_PER_SEC)
      fill_again(s);
  }
  progress_clear();
  return true;
}

static void say_result(const submission *s) {
  const size_t count = collection_count(s->results), errors = collection_errors(s->results);
  if (errors)
    fprintf(stderr, "resnet18: %s: %zu lines, %zu of them of inputs that could not be classified\n", s->options->output,
            count, errors);
  else
    fprintf(stderr, "resnet18: %s: %zu lines\n", s->options->output, count);
}

static int submit(const submit_options *o, const char *inputs) {
  submission s = {.options = o, .results = collection_open(inputs, o->output)};
  int status = STATUS_FAILED;
  if (s.results == NULL)
    return STATUS_FAILED;
  queue_catch_signals();
  s.queued = g_new0(guint8, collection_count(s.results) + 1);
  if (queue_open(&s.queue, o->servers, o->stream)) {
    s.subject = queue_subject(&s.queue, "jobs", collection_run(s.results));
    if (subscribe(&s) && collect(&s)) {
      if (collection_done(s.results) < collection_count(s.results))
        command_fail("stopped with %zu of %zu results; the same call goes on", collection_done(s.results),
                     collection_count(s.results));
      else if (collection_finish(s.results)) {
        clean(&s);
        say_result(&s);
        status = STATUS_DONE;
      }
    }
    natsSubscription_Destroy(s.subscription);
    natsConnection_FlushTimeout(s.queue.connection, 5000);
    queue_close(&s.queue);
  }
  if (status != STATUS_DONE && s.next == 0 && !queue_stopping()) /* nothing to go on with */
    collection_discard(s.results);
  g_free(s.subject);
  g_free(s.queued);
  collection_close(s.results);
  nats_Close();
  return status;
}

static bool check(const submit_options *o, int argc) {
  const command *self = &submit_command;
  const char *missing = o->servers == NULL  ? "which server? (--nats URL)"
                        : o->output == NULL ? "where to? (-o OUTPUT)"
                        : argc != 2         ? "which directory or list? One, please"
                                            : NULL;
  if (missing)
    command_misuse(self, "%s", missing);
  return missing == NULL && command_in_range(self, "--window", o->window, 1, MAX_WINDOW);
}

static int run(int argc, char **argv) {
  submit_options o = {.window = DEFAULT_WINDOW};
  const GOptionEntry entries[] = {
      {"nats", 'n', 0, G_OPTION_ARG_STRING, &o.servers, "The servers, such as nats://a:4222,nats://b:4222", "URL"},
      {"stream", 's', 0, G_OPTION_ARG_STRING, &o.stream, "Name of the queue's stream (default: resnet18)", "NAME"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &o.output, "The results", "OUTPUT"},
      {"paths", 0, 0, G_OPTION_ARG_NONE, &o.paths, "Send paths rather than pictures; the workers see the same files",
       NULL},
      {"window", 0, 0, G_OPTION_ARG_INT, &o.window, "Jobs without a result at a time (default: 256)", "N"},
      {NULL},
  };
  int status;
  if (command_parse(&submit_command, entries, NULL, &argc, &argv, &status)) {
    if (o.stream == NULL)
      o.stream = g_strdup("resnet18");
    status = check(&o, argc) ? submit(&o, argv[1]) : STATUS_USAGE;
  }
  g_free(o.servers);
  g_free(o.stream);
  g_free(o.output);
  return status;
}
