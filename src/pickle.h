/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Python pickles of tensors, read as data.
 *
 * A pickle is a program for a stack machine, and Python's own machine calls whatever function it names. This one has no
 * calls: a table says which opcodes exist, a second one which names ("globals"), and each of those has a meaning here,
 * such as "a tensor in that storage". Anything else is refused by name. */
#ifndef RESNET18_PICKLE_H
#define RESNET18_PICKLE_H

#include "tensors.h"

/* Values and cells are numbers; this one is no value and the end of a chain. */
#define R18_PICKLE_NONE UINT32_MAX

typedef enum {
  R18_PICKLE_MARK,  /* on the stack only */
  R18_PICKLE_OTHER, /* None, a float, bytes or a number of more than 64 bits: nothing that a tensor is made of */
  R18_PICKLE_BOOL,
  R18_PICKLE_INTEGER,
  R18_PICKLE_STRING,
  R18_PICKLE_TUPLE,
  R18_PICKLE_LIST,
  R18_PICKLE_DICT,
  R18_PICKLE_GLOBAL,
  R18_PICKLE_STORAGE,
  R18_PICKLE_TENSOR
} r18_pickle_kind;

/* Part of the pickle's bytes: a string, or the digits of a long number. */
typedef struct {
  const unsigned char *byte;
  size_t length;
} r18_pickle_text;

/* Tuples, lists and dicts are chains of cells; `key` is used by dicts. */
typedef struct {
  uint32_t key, value, next;
} r18_pickle_cell;

typedef struct {
  r18_pickle_kind kind;
  bool ordered; /* DICT: an OrderedDict */
  union {
    int64_t integer;      /* BOOL, INTEGER; STORAGE and TENSOR: index in their arrays; GLOBAL: which */
    r18_pickle_text text; /* STRING, OTHER */
    struct {
      uint32_t first, last, count;
    } chain;
  };
} r18_pickle_value;

/* torch.save writes a storage's bytes elsewhere under this key. */
typedef struct {
  r18_pickle_text key;
  r18_dtype dtype;
  uint64_t count;            /* elements */
  const unsigned char *data; /* NULL until somebody has found the bytes */
} r18_pickle_storage;

typedef struct {
  uint32_t storage;
  uint64_t offset; /* elements */
  unsigned dims;   /* R18_MAX_DIMS + 1 stands for more than R18_MAX_DIMS; the shape is not complete then */
  uint64_t shape[R18_MAX_DIMS];
  bool contiguous;
} r18_pickled_tensor;

/* An array that grows up to a limit. */
typedef struct {
  size_t count, room;
} r18_pickle_fill;

typedef struct {
  const char *source; /* for messages */
  resnet18_error *error;
  const unsigned char *start, *at, *end;
  r18_pickle_value *value;
  r18_pickle_cell *cell;
  r18_pickle_storage *storage;
  r18_pickled_tensor *tensor;
  uint32_t *stack, *memo; /* of values */
  r18_pickle_fill values, cells, storages, tensors, stacked, memos;
  unsigned depth;          /* marks on the stack */
  const unsigned char *op; /* the opcode being obeyed */
  bool stopped;
} r18_pickle;

/* Runs the pickle at `data`, which has at most `size` bytes; *pickle's `at` is behind it then. r18_pickle_clear frees
 * what it holds, after failure too. */
resnet18_status r18_pickle_run(const char *source, const unsigned char *data, size_t size, r18_pickle *pickle,
                               resnet18_error *error);
void r18_pickle_clear(r18_pickle *pickle);

/* The value that the pickle stands for. */
uint32_t r18_pickle_root(const r18_pickle *pickle);

static inline r18_pickle_kind r18_pickle_kind_of(const r18_pickle *pickle, uint32_t value) {
  return pickle->value[value].kind;
}

/* Whether it is the string `text`. */
bool r18_pickle_is(const r18_pickle *pickle, uint32_t value, const char *text);

/* The value of the last entry with this key in a dict; R18_PICKLE_NONE if there is none. */
uint32_t r18_pickle_get(const r18_pickle *pickle, uint32_t dict, const char *key);

#endif
