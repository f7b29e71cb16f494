/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranges of the activations: their text format, and the int8 scales that follow from them. */
#include "calibration.h"

#include "error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WHOLE = 1000000, FRACTION = 1000000, SAMPLED = 8, FIELD = 64 };

static const char magic[] = "resnet18-calibration", version[] = "1";

/* At 7x7 Winograd's method is not wanted: tiles of 2x2 cover 8x8, its weights are 16/9 the size, and in eight bits it
 * adds noise. */
enum { TOO_SMALL = 7 };

bool r18_has_positions(unsigned index) {
  return r18_convs[index].kernel == 3 && r18_convs[index].stride == 1 && r18_convs[index].out_size > TOO_SMALL;
}

/* ---- Fingerprint -------------------------------------------------------------------------------------- */

/* FNV-1a over whole words. */
static uint64_t hash_floats(uint64_t hash, const float *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    hash = (hash ^ bits) * UINT64_C(0x100000001b3);
  }
  return hash;
}

resnet18_status r18_fingerprint(const resnet18_model *model, uint64_t *fingerprint, resnet18_error *error) {
  const size_t largest = 512 * 512 * 9 / 512 * sizeof(float);
  float *weights = malloc(largest), bias;
  if (!weights)
    return r18_fail_memory(error, largest);
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (unsigned i = 0; i < R18_CONVS; i++) {
    const r18_conv_shape *conv = &r18_convs[i];
    for (unsigned channel = 0; channel < conv->out_channels; channel += SAMPLED) {
      r18_model_conv(model, i, channel, 1, weights, &bias);
      hash = hash_floats(hash, &bias, 1);
      hash = hash_floats(hash, weights, (size_t)conv->in_channels * conv->kernel * conv->kernel);
    }
    r18_model_release(model, i);
  }
  free(weights);
  *fingerprint = hash;
  return RESNET18_OK;
}

/* ---- Scales ------------------------------------------------------------------------------------------- */

enum { LEVELS = 255, SIGNED_LEVELS = 127, SIGNED_ZERO = 128 };

/* Which convolution writes the input and the residual of each of r18_convs; NONE: conv1's input is the picture. */
enum { NONE = -1 };
static const signed char inputs[R18_CONVS] = {NONE, 0, 1, 2, 3, 4, 5, 4, 6, 8, 9, 10, 9, 11, 13, 14, 15, 14, 16, 18};
static const signed char residuals[R18_CONVS] = {NONE, NONE, 0,    NONE, 2,  NONE, 7,  NONE, NONE, 6,
                                                 NONE, 12,   NONE, NONE, 11, NONE, 17, NONE, NONE, 16};

static bool is_downsample(unsigned index) {
  return r18_convs[index].kernel == 1;
}

unsigned r18_conv_input(unsigned index) {
  return (unsigned)inputs[index];
}

static float scale_of(const r18_calibration *calibration, unsigned index) {
  return calibration->range[index] / (is_downsample(index) ? SIGNED_LEVELS : LEVELS);
}

static int zero_of(unsigned index) {
  return is_downsample(index) ? SIGNED_ZERO : 0;
}

void r18_calibration_apply(const r18_calibration *calibration, unsigned index, r18_conv *conv) {
  conv->in_scale = index ? scale_of(calibration, r18_conv_input(index)) : 1.0f;
  conv->out_scale = scale_of(calibration, index);
  conv->out_zero = zero_of(index);
  if (residuals[index] != NONE) {
    conv->residual_scale = scale_of(calibration, (unsigned)residuals[index]);
    conv->residual_zero = zero_of((unsigned)residuals[index]);
  }
  conv->position_max = r18_has_positions(index) ? calibration->position[index] : NULL;
}

/* ---- Reading ------------------------------------------------------------------------------------------ */

typedef struct {
  const char *source, *at, *end;
  unsigned line;
  resnet18_error *error;
} reader;

static resnet18_status line_fail(const reader *r, const char *what) {
  return r18_fail(r->error, RESNET18_ERROR_FORMAT, "%s: line %u %s", r->source, r->line, what);
}

/* The next field of the line and what ends it ('\t', '\n', or 0 at the end of the text); false if it is too long. */
static bool next_field(reader *r, char field[FIELD], char *ended_by) {
  size_t length = 0;
  while (r->at < r->end && *r->at != '\t' && *r->at != '\n') {
    if (length + 1 == FIELD || *r->at == '\0')
      return false;
    field[length++] = *r->at++;
  }
  field[length] = '\0';
  *ended_by = r->at < r->end ? *r->at++ : '\0';
  return true;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* digits [. digits], above 0, at most MAX_WHOLE. */
static bool parse_number(const char *text, float *value) {
  double number = 0, unit = 1;
  const char *at = text;
  while (is_digit(*at) && number <= MAX_WHOLE)
    number = number * 10 + (*at++ - '0');
  if (at == text)
    return false;
  if (*at == '.') {
    if (!is_digit(*++at))
      return false;
    for (; is_digit(*at) && unit > 1e-12; at++)
      number += (*at - '0') * (unit /= 10);
  }
  *value = (float)number;
  return *at == '\0' && number >= 1.0 / FRACTION && number <= MAX_WHOLE;
}

static bool parse_fingerprint(const char *text, uint64_t *value) {
  *value = 0;
  for (size_t i = 0; i < 16; i++) {
    const char *digits = "0123456789abcdef", *digit = text[i] ? strchr(digits, text[i]) : NULL;
    if (!digit)
      return false;
    *value = *value * 16 + (uint64_t)(digit - digits);
  }
  return text[16] == '\0';
}

static resnet18_status parse_header(reader *r, uint64_t expected, r18_calibration *calibration) {
  char field[FIELD], stop;
  if (!next_field(r, field, &stop) || strcmp(field, magic) != 0 || stop != '\t')
    return r18_fail(r->error, RESNET18_ERROR_FORMAT, "%s: is not a calibration (it does not begin with '%s')",
                    r->source, magic);
  if (!next_field(r, field, &stop) || stop != '\t')
    return line_fail(r, "has no version");
  if (strcmp(field, version) != 0)
    return r18_fail(r->error, RESNET18_ERROR_UNSUPPORTED, "%s: is a calibration of version '%s' instead of '%s'",
                    r->source, field, version);
  if (!next_field(r, field, &stop) || stop != '\n' || !parse_fingerprint(field, &calibration->weights))
    return line_fail(r, "does not end with the fingerprint of the weights, 16 hexadecimal digits");
  if (calibration->weights != expected)
    return r18_fail(r->error, RESNET18_ERROR_FORMAT,
                    "%s: belongs to other weights (fingerprint %016jx instead of %016jx); make a new calibration, or "
                    "remove it",
                    r->source, (uintmax_t)calibration->weights, (uintmax_t)expected);
  return RESNET18_OK;
}

static resnet18_status number_fail(const reader *r, unsigned index, const char *field) {
  return r18_fail(r->error, RESNET18_ERROR_FORMAT, "%s: line %u: '%s' of %s is not a number above 0 and up to %d",
                  r->source, r->line, field, r18_convs[index].name, MAX_WHOLE);
}

static resnet18_status parse_row(reader *r, unsigned index, r18_calibration *calibration) {
  const unsigned numbers = r18_has_positions(index) ? 1 + R18_CALIBRATION_POSITIONS : 1;
  char field[FIELD], stop;
  if (!next_field(r, field, &stop))
    return line_fail(r, "has a field that is too long");
  if (strcmp(field, r18_convs[index].name) != 0)
    return r18_fail(r->error, RESNET18_ERROR_FORMAT, "%s: line %u is about '%s' instead of %s", r->source, r->line,
                    field, r18_convs[index].name);
  for (unsigned i = 0; i < numbers; i++) {
    if (stop != '\t')
      return r18_fail(r->error, RESNET18_ERROR_FORMAT, "%s: line %u has %u numbers instead of %u", r->source, r->line,
                      i, numbers);
    if (!next_field(r, field, &stop))
      return line_fail(r, "has a field that is too long");
    if (!parse_number(field, i ? &calibration->position[index][i - 1] : &calibration->range[index]))
      return number_fail(r, index, field);
  }
  return stop == '\n' ? RESNET18_OK : line_fail(r, stop == '\t' ? "has too many numbers" : "is cut off");
}

resnet18_status r18_calibration_parse(const char *source, const char *text, size_t size, uint64_t fingerprint,
                                      r18_calibration *calibration, resnet18_error *error) {
  reader r = {.source = source, .at = text, .end = text + size, .line = 1, .error = error};
  *calibration = (r18_calibration){0};
  resnet18_status status = parse_header(&r, fingerprint, calibration);
  for (unsigned i = 0; i < R18_CONVS && !status; i++) {
    r.line++;
    status = r.at < r.end ? parse_row(&r, i, calibration)
                          : r18_fail(error, RESNET18_ERROR_FORMAT, "%s: ends before %s", source, r18_convs[i].name);
  }
  if (!status && r.at < r.end)
    status = r18_fail(error, RESNET18_ERROR_FORMAT, "%s: goes on after the last convolution", source);
  return status;
}

/* ---- Writing ------------------------------------------------------------------------------------------ */

/* Not printf's %f: its decimal point depends on the locale. */
static void print_number(FILE *out, float value) {
  const uint64_t parts = (uint64_t)llround((double)value * FRACTION);
  fprintf(out, "\t%ju.%06ju", (uintmax_t)(parts / FRACTION), (uintmax_t)(parts % FRACTION));
}

char *r18_calibration_text(const r18_calibration *calibration) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out)
    return NULL;
  fprintf(out, "%s\t%s\t%016jx\n", magic, version, (uintmax_t)calibration->weights);
  for (unsigned i = 0; i < R18_CONVS; i++) {
    fprintf(out, "%s", r18_convs[i].name);
    print_number(out, calibration->range[i]);
    for (unsigned p = 0; r18_has_positions(i) && p < R18_CALIBRATION_POSITIONS; p++)
      print_number(out, calibration->position[i][p]);
    fprintf(out, "\n");
  }
  const bool bad = ferror(out);
  if (fclose(out) != 0 || bad) {
    free(text);
    return NULL;
  }
  return text;
}
