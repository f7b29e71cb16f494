/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command `resnet18`: picks the subcommand. */
#include "command.h"

#include "resnet18.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const command *const commands[] = {
    &classify_command, &eval_command,   &bench_command, &import_command, &calibrate_command, &selftest_command,
#ifdef HAVE_QUEUE
    &worker_command,   &submit_command,
#endif
};

static int print_help(void) {
  fputs("Usage: resnet18 COMMAND [OPTION...] [FILE...]\n\n"
        "Says what is on pictures, videos and camera streams: ResNet-18 on the CPU,\n"
        "with the weights and the names of the 1000 ImageNet classes built in.\n\n"
        "Commands:\n",
        stdout);
  for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
    printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
  fputs("\nOptions:\n"
        "  --help     Show this help; 'resnet18 COMMAND --help' shows a command's options\n"
        "  --version  Show the version, the processor and the kernels in use\n\n"
        "Examples:\n"
        "  resnet18 classify holiday.jpg\n"
        "  resnet18 classify --json *.png > answers.jsonl\n"
        "  resnet18 classify rtsp://camera.example/stream\n"
        "  resnet18 selftest\n",
        stdout);
  return command_output_done() ? STATUS_DONE : STATUS_FAILED;
}

/* The processor's name as the kernel has it; to be freed. */
static char *processor(void) {
  char *text = NULL, *name = NULL;
  if (g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL)) {
    const char *line = strstr(text, "model name");
    const char *colon = line ? strchr(line, ':') : NULL;
    if (colon)
      name = g_strndup(colon + 1, strcspn(colon + 1, "\n"));
  }
  g_free(text);
  return name ? g_strstrip(name) : g_strdup("unknown");
}

/* The kernels that a session picks here, for each precision. */
static void print_kernels(void) {
  static const struct {
    const char *name;
    resnet18_precision precision;
  } rows[] = {{"fp32", RESNET18_PRECISION_FP32}, {"int8", RESNET18_PRECISION_INT8}};
  resnet18_model *model = NULL;
  resnet18_error error;
  if (resnet18_model_load(NULL, &model, &error) != RESNET18_OK) {
    printf("weights: %s\n", error.message);
    return;
  }
  printf("weights: %s\n", resnet18_model_source(model));
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    resnet18_session_options options = {.precision = rows[i].precision, .threads = 1};
    resnet18_session *session = NULL;
    if (resnet18_session_new(model, &options, &session, &error) == RESNET18_OK)
      printf("%s: kernels for %s\n", rows[i].name, resnet18_session_kernels(session));
    else
      printf("%s: not available: %s\n", rows[i].name, error.message);
    resnet18_session_free(session);
  }
  resnet18_model_unref(model);
}

static int print_version(void) {
  char *name = processor();
  printf("resnet18 %s\nprocessor: %s\ninstruction sets: %s\nthreads: %u\n", resnet18_version(), name, resnet18_cpu(),
         resnet18_cpu_count());
  g_free(name);
  print_kernels();
  return command_output_done() ? STATUS_DONE : STATUS_FAILED;
}

static int misuse(const char *what, const char *word) {
  fprintf(stderr, "resnet18: %s%s%s%s\nTry 'resnet18 --help'.\n", what, word ? " '" : "", word ? word : "",
          word ? "'" : "");
  return STATUS_USAGE;
}

/* A standard stream that the caller closed: no file that is opened later may get its number. Its use still fails, as
 * it is opened the wrong way round. */
static void occupy_standard_streams(void) {
  for (int file = 0; file < 3; file++)
    if (fcntl(file, F_GETFD) < 0 && open("/dev/null", file == 0 ? O_WRONLY : O_RDONLY) != file)
      abort();
}

int main(int argc, char **argv) {
  occupy_standard_streams();
  setlocale(LC_CTYPE, ""); /* file names; numbers stay as JSON wants them */
  if (argc < 2)
    return misuse("which command?", NULL);
  const char *word = argv[1];
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
    return print_help();
  if (strcmp(word, "--version") == 0)
    return argc == 2 ? print_version() : misuse("--version takes no arguments, but got", argv[2]);
  for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
    if (strcmp(word, commands[i]->name) == 0)
      return commands[i]->run(argc - 1, argv + 1);
  return misuse(word[0] == '-' ? "unknown option" : "unknown command", word);
}
