/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The preprocessing reads no byte outside the part to classify: every row of every plane lies on pages of its own
 * between pages that cannot be read, once with its first needed byte at the start of them and once with its last needed
 * byte at their end; rows that are not needed cannot be read at all. The answer must be that of the plain picture. */
#include "pictures.h"
#include "planes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
  uint32_t x, y, width, height;
} area;

/* Bytes [begin, end) of rows [top, bottom) of a plane. */
typedef struct {
  size_t begin, end, top, bottom;
} needed;

/* Enough rows between those that can be read. */
typedef struct {
  uint8_t *memory;
  size_t bytes;
  const uint8_t *plane;
  ptrdiff_t stride;
} guarded;

static size_t page(void) {
  return (size_t)sysconf(_SC_PAGESIZE);
}

static needed needed_of(const resnet18_image_info *info, const area *part, unsigned plane) {
  needed need = {SIZE_MAX, 0, 0, 0};
  for (unsigned c = 0; c < (info->format == RESNET18_FORMAT_GRAY8 ? 1 : 3); c++) {
    bool half_wide = channel_width(info, c) != info->width || (is_yuv(info->format) && c);
    size_t first = half_wide ? part->x / 2 : part->x;
    size_t last = half_wide ? (part->x + part->width - 1) / 2 : part->x + part->width - 1;
    place from = place_of(info->format, c, first), to = place_of(info->format, c, last);
    if (from.plane != plane)
      continue;
    need.begin = from.byte < need.begin ? from.byte : need.begin;
    need.end = to.byte + 1 > need.end ? to.byte + 1 : need.end;
  }
  bool half_high = plane > 0;
  need.top = half_high ? part->y / 2 : part->y;
  need.bottom = 1 + (half_high ? (part->y + part->height - 1) / 2 : part->y + part->height - 1);
  return need;
}

/* Copies the needed bytes of a plane between guards; `end`: flush with the guard behind them. */
static void guard(guarded *to, const uint8_t *plane, ptrdiff_t stride, const needed *need, bool end) {
  size_t row = (need->end - need->begin + page() - 1) / page() * page(), step = row + page();
  size_t rows = need->bottom - need->top;
  to->bytes = rows * step + page();
  to->memory = mmap(NULL, to->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(to->memory, MAP_FAILED);
  size_t inside = end ? row - (need->end - need->begin) : 0;
  for (size_t r = 0; r < rows; r++) {
    uint8_t *at = to->memory + page() + r * step;
    assert_int_equal(mprotect(at, row, PROT_READ | PROT_WRITE), 0);
    memset(at, 0x5A, row);
    memcpy(at + inside, plane + (ptrdiff_t)(need->top + r) * stride + (ptrdiff_t)need->begin, need->end - need->begin);
  }
  to->stride = (ptrdiff_t)step;
  to->plane = (const uint8_t *)((uintptr_t)to->memory + page() + inside - need->begin - need->top * step);
}

static void check(resnet18_preprocessor *preprocessor, const resnet18_image_info *info, const planes *from,
                  const area *part, bool end) {
  static uint8_t want[RESNET18_RGB_BYTES], got[RESNET18_RGB_BYTES];
  guarded guards[3];
  const uint8_t *plane[3];
  ptrdiff_t stride[3];
  for (unsigned p = 0; p < planes_of(info->format); p++) {
    needed need = needed_of(info, part, p);
    guard(&guards[p], from->plane[p], from->stride[p], &need, end);
    plane[p] = guards[p].plane;
    stride[p] = guards[p].stride;
  }
  for (const r18_resize_kernels *const *k = next_kernels(NULL); k; k = next_kernels(k)) {
    r18_preprocessor_use(preprocessor, *k);
    resnet18_preprocessor_run(preprocessor, from->plane, from->stride, want);
    resnet18_preprocessor_run(preprocessor, plane, stride, got);
    assert_memory_equal(got, want, sizeof got);
  }
  for (unsigned p = 0; p < planes_of(info->format); p++)
    munmap(guards[p].memory, guards[p].bytes);
}

static uint8_t sample(uint32_t x, uint32_t y, uint32_t channel, const void *data) {
  return picture_value(x, y, channel);
}

static const struct {
  uint32_t width, height;
  area part;
} pictures[] = {
    {1, 1, {0, 0, 1, 1}},       {2, 3, {0, 0, 2, 3}},       {5, 2, {0, 0, 5, 2}},         {17, 9, {0, 0, 17, 9}},
    {33, 31, {0, 0, 33, 31}},   {65, 64, {0, 0, 65, 64}},   {131, 77, {0, 0, 131, 77}},   {257, 19, {0, 0, 257, 19}},
    {64, 40, {1, 1, 1, 1}},     {64, 40, {3, 5, 33, 21}},   {64, 40, {4, 6, 32, 20}},     {64, 40, {31, 7, 33, 33}},
    {700, 30, {1, 0, 699, 29}}, {1500, 9, {0, 1, 1499, 8}}, {513, 513, {0, 0, 513, 513}},
};

static void nothing_outside(void **state) {
  static const struct {
    resnet18_crop crop;
    bool exact;
  } variants[] = {{RESNET18_CROP_SQUASH, false}, {RESNET18_CROP_CENTER, false}, {RESNET18_CROP_SQUASH, true}};
  for (int format = 0; format < FORMATS; format++)
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
      for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
        const area *part = &pictures[i].part;
        resnet18_image_info info = {
            .format = format, .full_range = true, .width = pictures[i].width, .height = pictures[i].height};
        resnet18_preprocess_options options = {.crop = variants[v].crop,
                                               .exact = variants[v].exact,
                                               .x = part->x,
                                               .y = part->y,
                                               .width = part->width,
                                               .height = part->height};
        resnet18_preprocessor *preprocessor;
        planes from;
        assert_true(planes_make(&from, &info, 0, sample, NULL));
        assert_int_equal(resnet18_preprocessor_new(&info, &options, &preprocessor, NULL), RESNET18_OK);
        check(preprocessor, &info, &from, part, false);
        check(preprocessor, &info, &from, part, true);
        resnet18_preprocessor_free(preprocessor);
        free(from.memory);
      }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_outside)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
