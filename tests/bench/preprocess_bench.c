/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long the preprocessing takes: minimum and median in milliseconds on one thread, for each format, size and set of
 * kernels. Four pictures take turns, so that a large one is not in the first or second level cache when its turn comes.
 *
 * usage: preprocess_bench [REPETITIONS [FORMAT]] */
#include "preprocess.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PICTURES = 4 };

static const struct {
  const char *name;
  resnet18_format format;
  size_t planes;
} formats[] = {
    {"I420", RESNET18_FORMAT_I420, 3}, {"NV12", RESNET18_FORMAT_NV12, 2}, {"YUY2", RESNET18_FORMAT_YUY2, 1},
    {"RGB", RESNET18_FORMAT_RGB, 1},   {"BGRX", RESNET18_FORMAT_BGRX, 1}, {"GRAY8", RESNET18_FORMAT_GRAY8, 1},
};

static const struct {
  uint32_t width, height;
} sizes[] = {{320, 240}, {640, 480}, {1280, 720}, {1920, 1080}, {3840, 2160}, {7680, 4320}};

static double milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Where the planes of a picture lie; returns its bytes. */
static size_t lay_out(const resnet18_image_info *info, size_t *plane, ptrdiff_t *stride) {
  size_t width = info->width, height = info->height, half_width = (width + 1) / 2, half_height = (height + 1) / 2;
  plane[0] = 0;
  switch (info->format) {
  case RESNET18_FORMAT_I420:
    stride[0] = (ptrdiff_t)width;
    stride[1] = stride[2] = (ptrdiff_t)half_width;
    plane[1] = width * height;
    plane[2] = plane[1] + half_width * half_height;
    return width * height + 2 * half_width * half_height;
  case RESNET18_FORMAT_NV12:
    stride[0] = (ptrdiff_t)width;
    stride[1] = (ptrdiff_t)(2 * half_width);
    plane[1] = width * height;
    return width * height + 2 * half_width * half_height;
  case RESNET18_FORMAT_YUY2:
    stride[0] = (ptrdiff_t)(4 * half_width);
    break;
  case RESNET18_FORMAT_RGB:
    stride[0] = (ptrdiff_t)(3 * width);
    break;
  case RESNET18_FORMAT_BGRX:
    stride[0] = (ptrdiff_t)(4 * width);
    break;
  default:
    stride[0] = (ptrdiff_t)width;
  }
  return (size_t)stride[0] * height;
}

static void measure(resnet18_preprocessor *preprocessor, const resnet18_image_info *info, const uint8_t *data,
                    double *times, int repetitions) {
  static uint8_t rgb[RESNET18_RGB_BYTES];
  size_t offset[3] = {0};
  ptrdiff_t stride[3] = {0};
  size_t bytes = lay_out(info, offset, stride);
  for (int i = -PICTURES; i < repetitions; i++) {
    const uint8_t *picture = data + (size_t)((i + PICTURES) % PICTURES) * bytes;
    const uint8_t *plane[3] = {picture, picture + offset[1], picture + offset[2]};
    double start = milliseconds();
    resnet18_preprocessor_run(preprocessor, plane, stride, rgb);
    if (i >= 0)
      times[i] = milliseconds() - start;
  }
  qsort(times, (size_t)repetitions, sizeof *times, compare);
}

static int bench(const char *name, const resnet18_image_info *info, int repetitions) {
  size_t offset[3];
  ptrdiff_t stride[3];
  size_t bytes = lay_out(info, offset, stride);
  uint8_t *data = malloc(bytes * PICTURES);
  double *times = calloc((size_t)repetitions, sizeof *times);
  resnet18_preprocessor *preprocessor = NULL;
  resnet18_error error = {0};
  if (!data || !times || resnet18_preprocessor_new(info, NULL, &preprocessor, &error) != RESNET18_OK) {
    fprintf(stderr, "%s %ux%u: %s\n", name, info->width, info->height, data && times ? error.message : "out of memory");
    free(data);
    free(times);
    return 1;
  }
  for (size_t i = 0; i < bytes * PICTURES; i++)
    data[i] = (uint8_t)(i * 2654435761u >> 24);
  printf("%-6s %4ux%-4u", name, info->width, info->height);
  for (size_t k = 0; r18_resize_kernels_all[k]; k++) {
    r18_cpu_set set = r18_resize_kernels_all[k]->set;
    if (set != R18_CPU_C && !(set & r18_cpu_sets()))
      continue;
    r18_preprocessor_use(preprocessor, r18_resize_kernels_all[k]);
    measure(preprocessor, info, data, times, repetitions);
    printf("  %6s %.3f %.3f", r18_cpu_set_name(set), times[0], times[repetitions / 2]);
  }
  printf("\n");
  resnet18_preprocessor_free(preprocessor);
  free(data);
  free(times);
  return 0;
}

int main(int argc, char **argv) {
  int repetitions = argc > 1 ? atoi(argv[1]) : 101, failed = 0;
  if (repetitions < 1) {
    fprintf(stderr, "usage: %s [REPETITIONS [FORMAT]]\n", argv[0]);
    return 2;
  }
  printf("set, minimum and median in ms; resize to a short side of 256, centre 224x224\n");
  for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
    if (argc > 2 && strcmp(argv[2], formats[f].name) != 0)
      continue;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      resnet18_image_info info = {.format = formats[f].format, .width = sizes[s].width, .height = sizes[s].height};
      failed |= bench(formats[f].name, &info, repetitions);
    }
  }
  return failed;
}
