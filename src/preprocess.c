/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A picture's planes -> 224x224 RGB. docs/preprocess.md describes the method and its error bound. */
#include "preprocess.h"

#include "crop.h"
#include "error.h"
#include "pillow.h"
#include "pixels.h"

#include <stdlib.h>
#include <string.h>

enum {
  SIDE = RESNET18_SIZE,
  ROWS = R18_RESIZE_ROWS,
  ALIGNMENT = 64,
  /* Columns of a strip: 32 rows of them, and the same turned, are 400 KB: they stay in the second level cache. */
  STRIP_COLUMNS = 3072
};

/* What letterbox puts around the picture: the mean of ImageNet. */
static const uint8_t mean_color[3] = {124, 116, 104};

enum { LUMA, CHROMA };

/* Output columns that are made together, and the bytes of each plane's rows that they need. */
typedef struct {
  uint32_t from, to;
  size_t begin[3], end[3];
} strip;

struct resnet18_preprocessor {
  const r18_resize_kernels *kernels;
  const r18_pixel_layout *layout;
  r18_part part;
  r18_placement placement;
  r18_filter across[2], down[2]; /* of LUMA and, where there is subsampled chroma, of CHROMA */
  bool wide;                     /* the filters have wide weights */
  bool convert;                  /* by `color` */
  r18_color color;
  r18_pillow *pillow; /* instead of all that follows, where the options ask for it */
  strip *strips;
  size_t strip_count;
  size_t pitch;     /* numbers in a row of `summed` */
  uint8_t *scratch; /* the owner of: */
  uint16_t *summed; /* [ROWS][pitch] after the vertical sums */
  uint16_t *turned; /* [pitch][ROWS] the same */
  uint16_t *sample; /* [3][SIDE][ROWS] after the horizontal sums */
  uint8_t *colors;  /* [SIDE * 3][ROWS] */
};

static resnet18_status check_info(const resnet18_image_info *info, resnet18_error *error) {
  if (!r18_pixel_layout_of(info->format))
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "pixel format %d is not known", (int)info->format);
  if (info->width < 1 || info->width > UINT16_MAX || info->height < 1 || info->height > UINT16_MAX)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "a picture of %ux%u pixels is not between 1x1 and 65535x65535",
                    info->width, info->height);
  if ((unsigned)info->matrix > RESNET18_MATRIX_BT2020)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "colour matrix %d is not known", (int)info->matrix);
  return RESNET18_OK;
}

/* ---- Tables ------------------------------------------------------------------------------------------- */

static bool has_chroma(const r18_pixel_layout *layout) {
  return layout->channels == 3 && layout->channel[1].chroma;
}

static bool make_real_filters(resnet18_preprocessor *p, const resnet18_image_info *info) {
  const r18_placement *place = &p->placement;
  if (!r18_filter_make(&p->across[LUMA], &place->across) || !r18_filter_make(&p->down[LUMA], &place->down))
    return false;
  if (has_chroma(p->layout) &&
      !r18_filter_make_chroma(&p->across[CHROMA], &p->across[LUMA], p->part.width, p->part.x, info->chroma_left))
    return false;
  return !p->layout->half_height ||
         r18_filter_make_chroma(&p->down[CHROMA], &p->down[LUMA], p->part.height, p->part.y, info->chroma_top);
}

static uint32_t most_taps(const r18_filter *pair) {
  return pair[LUMA].max_taps > pair[CHROMA].max_taps ? pair[LUMA].max_taps : pair[CHROMA].max_taps;
}

static bool make_filters(resnet18_preprocessor *p, const resnet18_image_info *info) {
  if (!make_real_filters(p, info))
    return false;
  p->wide = most_taps(p->across) + most_taps(p->down) > R18_NARROW_TAPS;
  for (int i = LUMA; i <= CHROMA; i++) {
    if (p->across[i].count && !r18_filter_quantize(&p->across[i], p->wide))
      return false;
    if (p->down[i].count && !r18_filter_quantize(&p->down[i], p->wide))
      return false;
  }
  return true;
}

/* The byte of its row where the channel's sample 0 of the part lies. */
static size_t first_byte(const resnet18_preprocessor *p, const r18_channel_layout *channel) {
  size_t sample = channel->chroma ? p->part.x / 2 : p->part.x;
  return channel->offset + sample * channel->step;
}

/* Adds output i, the next one, to the strip. */
static void widen(const resnet18_preprocessor *p, strip *s, uint32_t i) {
  for (unsigned c = 0; c < p->layout->channels; c++) {
    const r18_channel_layout *channel = &p->layout->channel[c];
    const r18_filter *across = &p->across[channel->chroma];
    size_t begin = first_byte(p, channel) + (size_t)across->first[i] * channel->step;
    size_t end = begin + (size_t)(across->taps[i] - 1) * channel->step + 1;
    unsigned plane = channel->plane;
    s->begin[plane] = begin < s->begin[plane] ? begin : s->begin[plane];
    s->end[plane] = end > s->end[plane] ? end : s->end[plane];
  }
  s->to = i + 1;
}

/* Columns of the widest plane. */
static size_t strip_columns(const resnet18_preprocessor *p, const strip *s) {
  size_t columns = 0;
  for (unsigned plane = 0; plane < p->layout->planes; plane++)
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): a layout has no more planes than a strip */
    columns = s->end[plane] - s->begin[plane] > columns ? s->end[plane] - s->begin[plane] : columns;
  return columns;
}

/* As few strips of STRIP_COLUMNS as can be; a strip of one output may be wider. */
static bool make_strips(resnet18_preprocessor *p) {
  const uint32_t count = p->placement.across.count;
  size_t widest = 0;
  p->strips = calloc(count, sizeof *p->strips);
  if (!p->strips)
    return false;
  for (uint32_t from = 0; from < count; from = p->strips[p->strip_count++].to) {
    strip next = {.from = from, .begin = {SIZE_MAX, SIZE_MAX, SIZE_MAX}};
    widen(p, &next, from);
    strip *s = &p->strips[p->strip_count];
    do {
      *s = next;
      if (s->to < count)
        widen(p, &next, s->to);
    } while (s->to < next.to && strip_columns(p, &next) <= STRIP_COLUMNS);
    widest = strip_columns(p, s) > widest ? strip_columns(p, s) : widest;
  }
  /* An odd number of cache lines, so that the rows do not compete for the same cache sets. */
  p->pitch = ((widest + 63) / 64 * 2 + 1) * 32;
  return true;
}

static size_t aligned(size_t bytes) {
  return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static resnet18_status make_scratch(resnet18_preprocessor *p, resnet18_error *error) {
  size_t block = aligned(p->pitch * ROWS * sizeof(uint16_t)), sample = 3 * SIDE * ROWS * sizeof(uint16_t);
  size_t colors = 3 * SIDE * ROWS, bytes = 2 * block + sample + colors;
  p->scratch = aligned_alloc(ALIGNMENT, aligned(bytes));
  if (!p->scratch)
    return r18_fail_memory(error, bytes);
  memset(p->scratch, 0, bytes);
  p->summed = (uint16_t *)(void *)p->scratch;
  p->turned = (uint16_t *)(void *)(p->scratch + block);
  p->sample = (uint16_t *)(void *)(p->scratch + 2 * block);
  p->colors = p->scratch + 2 * block + sample;
  return RESNET18_OK;
}

static const r18_resize_kernels *best_kernels(void) {
  const r18_resize_kernels *const *kernels = r18_resize_kernels_all;
  while ((*kernels)->set != R18_CPU_C && !((*kernels)->set & r18_cpu_sets()))
    kernels++;
  return *kernels;
}

void r18_preprocessor_use(resnet18_preprocessor *p, const r18_resize_kernels *kernels) {
  p->kernels = kernels;
}

static resnet18_status tables_too_large(const resnet18_preprocessor *p, resnet18_error *error) {
  return r18_fail(error, RESNET18_ERROR_MEMORY, "out of memory for the tables that resize %ux%u pixels", p->part.width,
                  p->part.height);
}

static resnet18_status make(resnet18_preprocessor *p, const resnet18_image_info *info,
                            const resnet18_preprocess_options *options, resnet18_error *error) {
  resnet18_status status = r18_crop_part(info, options, &p->part, error);
  if (status != RESNET18_OK)
    return status;
  p->kernels = best_kernels();
  p->layout = r18_pixel_layout_of(info->format);
  p->convert = r18_pixel_color(info, &p->color);
  r18_crop_place(&p->part, options, &p->placement);
  if (options->exact && !p->convert) {
    p->pillow = r18_pillow_new(&p->placement.across, &p->placement.down);
    return p->pillow ? RESNET18_OK : tables_too_large(p, error);
  }
  if (!make_filters(p, info) || !make_strips(p))
    return tables_too_large(p, error);
  return make_scratch(p, error);
}

resnet18_status resnet18_preprocessor_new(const resnet18_image_info *info, const resnet18_preprocess_options *options,
                                          resnet18_preprocessor **preprocessor, resnet18_error *error) {
  static const resnet18_preprocess_options defaults;
  *preprocessor = NULL;
  resnet18_status status = check_info(info, error);
  if (status != RESNET18_OK)
    return status;
  resnet18_preprocessor *p = calloc(1, sizeof *p);
  if (!p)
    return r18_fail_memory(error, sizeof *p);
  status = make(p, info, options ? options : &defaults, error);
  if (status != RESNET18_OK) {
    resnet18_preprocessor_free(p);
    return status;
  }
  *preprocessor = p;
  return r18_ok(error);
}

void resnet18_preprocessor_free(resnet18_preprocessor *p) {
  if (!p)
    return;
  for (int i = LUMA; i <= CHROMA; i++) {
    r18_filter_clear(&p->across[i]);
    r18_filter_clear(&p->down[i]);
  }
  r18_pillow_free(p->pillow);
  free(p->strips);
  free(p->scratch);
  free(p);
}

/* ---- A frame ------------------------------------------------------------------------------------------ */

/* Whether the plane's rows are chroma rows. */
static bool halved(const resnet18_preprocessor *p, unsigned plane) {
  return p->layout->half_height && plane > 0;
}

/* Vertical sums of output rows [first, first + rows), turned into columns. */
static void sum_rows(const resnet18_preprocessor *p, const strip *s, unsigned plane, const uint8_t *data,
                     ptrdiff_t stride, uint32_t first, uint32_t rows) {
  const r18_filter *down = &p->down[halved(p, plane)];
  ptrdiff_t top = halved(p, plane) ? p->part.y / 2 : p->part.y;
  size_t columns = s->end[plane] - s->begin[plane];
  for (uint32_t r = 0; r < rows; r++) {
    const uint8_t *in = data + (top + (ptrdiff_t)down->first[first + r]) * stride + (ptrdiff_t)s->begin[plane];
    uint16_t *out = p->summed + r * p->pitch;
    if (p->wide)
      r18_resize_rows_wide(out, in, stride, down, first + r, columns);
    else
      p->kernels->rows(out, in, stride, down, first + r, columns);
  }
  p->kernels->turn(p->turned, p->summed, p->pitch, columns);
}

/* Horizontal sums of all channels that lie in the plane. */
static void sum_columns(const resnet18_preprocessor *p, const strip *s, unsigned plane) {
  for (unsigned c = 0; c < p->layout->channels; c++) {
    const r18_channel_layout *layout = &p->layout->channel[c];
    if (layout->plane != plane)
      continue;
    r18_resize_channel channel = {&p->across[layout->chroma],
                                  (ptrdiff_t)first_byte(p, layout) - (ptrdiff_t)s->begin[plane], layout->step, s->from,
                                  s->to};
    uint16_t *out = p->sample + ((size_t)c * SIDE + s->from) * ROWS;
    if (p->wide)
      r18_resize_columns_wide(out, p->turned, &channel);
    else
      p->kernels->columns(out, p->turned, &channel);
  }
}

static void finish_rows(const resnet18_preprocessor *p, uint8_t *rgb, uint32_t rows) {
  const uint16_t *channel[3] = {p->sample, p->sample, p->sample};
  size_t width = p->placement.across.count;
  for (unsigned c = 1; c < p->layout->channels; c++)
    channel[c] = p->sample + (size_t)c * SIDE * ROWS;
  if (p->convert)
    p->kernels->color(p->colors, channel, &p->color, width);
  else
    p->kernels->round(p->colors, channel, width);
  p->kernels->turn_back(rgb, 3 * SIDE, p->colors, rows, 3 * width);
}

static void fill(uint8_t *rgb, size_t pixels) {
  for (size_t i = 0; i < pixels; i++)
    memcpy(rgb + 3 * i, mean_color, 3);
}

/* What lies around the picture. */
static void fill_border(const r18_placement *place, uint8_t *rgb) {
  size_t width = place->across.count, height = place->down.count;
  fill(rgb, (size_t)place->top * SIDE);
  fill(rgb + 3 * (place->top + height) * SIDE, (SIDE - place->top - height) * SIDE);
  for (size_t y = place->top; y < place->top + height; y++) {
    fill(rgb + 3 * y * SIDE, place->left);
    fill(rgb + 3 * (y * SIDE + place->left + width), SIDE - place->left - width);
  }
}

/* `rgb`: where the part's first pixel lands. */
static void run_pillow(const resnet18_preprocessor *p, const uint8_t *data, ptrdiff_t stride, uint8_t *rgb) {
  for (unsigned c = 0; c < 3; c++) {
    const r18_channel_layout *layout = &p->layout->channel[c < p->layout->channels ? c : 0];
    const r18_pillow_channel channel = {data + p->part.y * stride + (ptrdiff_t)first_byte(p, layout), stride,
                                        layout->step};
    r18_pillow_run(p->pillow, &channel, rgb + c, 3 * SIDE);
  }
}

void resnet18_preprocessor_run(resnet18_preprocessor *p, const uint8_t *const *plane, const ptrdiff_t *stride,
                               uint8_t *rgb) {
  const r18_placement *place = &p->placement;
  fill_border(place, rgb);
  if (p->pillow) {
    run_pillow(p, plane[0], stride[0], rgb + 3 * ((size_t)place->top * SIDE + place->left));
    return;
  }
  for (uint32_t first = 0; first < place->down.count; first += ROWS) {
    uint32_t rows = place->down.count - first < ROWS ? place->down.count - first : ROWS;
    for (size_t i = 0; i < p->strip_count; i++)
      for (unsigned b = 0; b < p->layout->planes; b++) {
        sum_rows(p, &p->strips[i], b, plane[b], stride[b], first, rows);
        sum_columns(p, &p->strips[i], b);
      }
    finish_rows(p, rgb + 3 * ((size_t)(place->top + first) * SIDE + place->left), rows);
  }
}
