/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The numbers of a KServe request in JSON. A tensor of one picture is 150,528 numbers; as values of a JSON library they
 * would take forty times the memory of the tensor. So they are cut out of the text first, the library reads the small
 * rest, and the numbers go straight into the tensor once its type and shape are known. */
#ifndef RESNET18_KSERVE_NUMBERS_H
#define RESNET18_KSERVE_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Arrays of numbers in one request; a second one is refused later, with the name of its tensor. */
#define KSERVE_MAX_ARRAYS 8
/* Dimensions of a tensor. */
#define KSERVE_MAX_RANK 8
/* Bytes of the JSON without the numbers. */
#define KSERVE_MAX_REST (64 * 1024)

typedef enum { KSERVE_UINT8, KSERVE_FP32 } kserve_type;

/* From the opening bracket to the closing one, in the request's text. */
typedef struct {
  const char *text;
  size_t length;
} kserve_array;

typedef struct {
  char *rest; /* the text with N in place of the Nth array after each "data"; free() */
  size_t length;
  kserve_array arrays[KSERVE_MAX_ARRAYS];
  size_t count;
  bool lacks_memory; /* why kserve_cut failed */
} kserve_cut_text;

/* Takes the values of the members "data" of objects inside a list inside the request. On failure says why in `reason`.
 */
bool kserve_cut(const char *text, size_t length, kserve_cut_text *cut, char reason[static 256]);

/* Reads exactly the numbers of a tensor, either flat or nested as `shape` says. `out`: as many elements of `type` as
 * the shape has. On failure says why in `reason`, as the end of a sentence about the tensor. */
bool kserve_read_numbers(const kserve_array *array, kserve_type type, const int64_t *shape, size_t rank, void *out,
                         char reason[static 256]);

#endif
