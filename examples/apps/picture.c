/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libresnet18 without GStreamer: reads a binary PPM picture from standard input and prints its five best classes.
 *
 *   pngtopnm cat.png | picture
 *
 * Build it anywhere with: cc picture.c $(pkg-config --cflags --libs resnet18) */
#include <resnet18.h>

#include <stdio.h>
#include <stdlib.h>

/* Those of ImageNet. Loading the built-in names fails for weights with another number. */
#define CLASSES 1000

/* Reads "P6 WIDTH HEIGHT 255" and the pixels. NULL if something else comes; the caller frees it. */
static uint8_t *read_ppm(FILE *file, resnet18_image_info *info) {
  unsigned width, height;
  if (fscanf(file, "P6 %5u %5u 255", &width, &height) != 2 || fgetc(file) != '\n')
    return NULL;
  *info = (resnet18_image_info){.format = RESNET18_FORMAT_RGB, .width = width, .height = height};
  size_t bytes = (size_t)width * height * 3;
  uint8_t *pixels = malloc(bytes);
  if (pixels != NULL && fread(pixels, 1, bytes, file) == bytes)
    return pixels;
  free(pixels);
  return NULL;
}

static void print_best(const float *scores, size_t classes, const resnet18_labels *labels) {
  resnet18_class best[5];
  size_t n = resnet18_top_k(scores, classes, 5, 0, best);
  for (size_t i = 0; i < n; i++)
    printf("%.3f  %s\n", best[i].score, resnet18_labels_name(labels, best[i].index));
}

static resnet18_status classify(const uint8_t *pixels, const resnet18_image_info *info, resnet18_error *error) {
  resnet18_model *model = NULL;
  resnet18_labels *labels = NULL;
  resnet18_session *session = NULL;
  resnet18_preprocessor *prepare = NULL;
  static uint8_t rgb[RESNET18_RGB_BYTES];
  static float scores[CLASSES];

  resnet18_status status;
  if ((status = resnet18_model_load(NULL, &model, error)) != RESNET18_OK ||
      (status = resnet18_labels_load(NULL, resnet18_model_classes(model), &labels, error)) != RESNET18_OK ||
      (status = resnet18_session_new(model, NULL, &session, error)) != RESNET18_OK ||
      (status = resnet18_preprocessor_new(info, NULL, &prepare, error)) != RESNET18_OK)
    goto out;

  const uint8_t *planes[] = {pixels};
  ptrdiff_t strides[] = {3 * (ptrdiff_t)info->width};
  resnet18_preprocessor_run(prepare, planes, strides, rgb);
  if ((status = resnet18_session_run(session, rgb, 1, scores, error)) != RESNET18_OK)
    goto out;
  resnet18_softmax(scores, CLASSES, scores);
  print_best(scores, CLASSES, labels);

out:
  resnet18_preprocessor_free(prepare);
  resnet18_session_free(session);
  resnet18_labels_unref(labels);
  resnet18_model_unref(model);
  return status;
}

int main(void) {
  resnet18_image_info info;
  resnet18_error error;
  uint8_t *pixels = read_ppm(stdin, &info);
  if (pixels == NULL) {
    fprintf(stderr, "picture: standard input is no binary PPM picture with 8 bits a colour\n");
    return 1;
  }
  resnet18_status status = classify(pixels, &info, &error);
  if (status != RESNET18_OK)
    fprintf(stderr, "picture: %s\n", error.message);
  free(pixels);
  return status == RESNET18_OK ? 0 : 1;
}
