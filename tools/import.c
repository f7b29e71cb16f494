/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resnet18 import: a PyTorch checkpoint becomes a safetensors file. */
#include "command.h"

#include "resnet18.h"

#include <stdio.h>

static int run(int argc, char **argv);

const command import_command = {
    .name = "import",
    .arguments = "FILE",
    .summary = "Turn a PyTorch checkpoint into a weights file",
    .help = "FILE is a state_dict that torch.save wrote (torchvision's resnet18 names), or a\n"
            ".safetensors file to be checked and copied. Nothing in it is executed: anything\n"
            "but tensors is refused. The output is replaced in one step, or left as it was.\n"
            "With --int8 the weights need a calibration (see 'resnet18 calibrate'), which\n"
            "becomes part of the output.\n\n"
            "Examples:\n"
            "  resnet18 import resnet18-f37072fd.pth -o resnet18.safetensors\n"
            "  resnet18 classify --weights resnet18.safetensors photo.jpg\n"
            "  resnet18 import --int8 mine.safetensors -o mine-int8.safetensors\n",
    .run = run,
};

static int import(const char *from, const char *to, bool int8) {
  resnet18_error error;
  if ((int8 ? resnet18_import_int8 : resnet18_import)(from, to, &error) != RESNET18_OK)
    return command_fail("%s", error.message);
  printf("wrote %s\n", to);
  return command_output_done() ? STATUS_DONE : STATUS_FAILED;
}

static int run(int argc, char **argv) {
  char *output = NULL;
  gboolean int8 = FALSE;
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "The weights file to write (required)", "FILE"},
      {"int8", 0, 0, G_OPTION_ARG_NONE, &int8, "Quantise: a smaller file that starts faster and does int8 only", NULL},
      {NULL},
  };
  int status;
  if (command_parse(&import_command, entries, NULL, &argc, &argv, &status)) {
    if (argc != 2)
      status = command_misuse(&import_command, argc < 2 ? "which file?" : "one file at a time");
    else if (output == NULL)
      status = command_misuse(&import_command, "-o FILE is missing: where to write the weights");
    else
      status = import(argv[1], output, int8);
  }
  g_free(output);
  return status;
}
