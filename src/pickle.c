/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stack machine for pickles of tensors (protocols 2 to 5; Python's pickletools.py describes the opcodes). */
#include "pickle.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

enum {
  MAX_BYTES = 4 << 20, /* a ResNet-18 has 20 KB */
  MAX_VALUES = 1 << 17,
  MAX_STACK = 1 << 16,
  MAX_MEMO = 1 << 17,
  MAX_STORAGES = 2048,
  MAX_DEPTH = 64
};

/* ---- Memory --------------------------------------------------------------------------------------------- */

static resnet18_status pickle_fail(const r18_pickle *p, const char *what) {
  return r18_fail(p->error, RESNET18_ERROR_FORMAT, "%s: the pickle at byte %zu %s", p->source,
                  (size_t)(p->op - p->start), what);
}

/* Room for one more element in *array. */
static resnet18_status grow(r18_pickle *p, void *array, r18_pickle_fill *fill, size_t bytes, size_t limit,
                            const char *what) {
  void *old, *grown;
  if (fill->count < fill->room)
    return RESNET18_OK;
  if (fill->count >= limit)
    return r18_fail(p->error, RESNET18_ERROR_FORMAT, "%s: the pickle has more than %zu %s", p->source, limit, what);
  size_t room = fill->room ? 2 * fill->room : 256;
  room = room > limit ? limit : room;
  memcpy(&old, array, sizeof old);
  grown = realloc(old, room * bytes);
  if (!grown)
    return r18_fail_memory(p->error, room * bytes);
  memcpy(array, &grown, sizeof grown);
  fill->room = room;
  return RESNET18_OK;
}

static resnet18_status push(r18_pickle *p, uint32_t value) {
  resnet18_status status = grow(p, &p->stack, &p->stacked, sizeof *p->stack, MAX_STACK, "values on its stack");
  if (!status)
    p->stack[p->stacked.count++] = value;
  return status;
}

static resnet18_status push_new(r18_pickle *p, r18_pickle_value value) {
  resnet18_status status = grow(p, &p->value, &p->values, sizeof *p->value, MAX_VALUES, "values");
  if (status)
    return status;
  p->value[p->values.count] = value;
  return push(p, (uint32_t)p->values.count++);
}

static resnet18_status push_kind(r18_pickle *p, r18_pickle_kind kind) {
  return push_new(p, (r18_pickle_value){.kind = kind});
}

static resnet18_status push_chain(r18_pickle *p, r18_pickle_kind kind) {
  return push_new(p, (r18_pickle_value){.kind = kind, .chain = {R18_PICKLE_NONE, R18_PICKLE_NONE, 0}});
}

static resnet18_status push_integer(r18_pickle *p, r18_pickle_kind kind, int64_t integer) {
  return push_new(p, (r18_pickle_value){.kind = kind, .integer = integer});
}

/* Appends to a tuple, list or dict. */
static resnet18_status append(r18_pickle *p, uint32_t container, uint32_t key, uint32_t value) {
  resnet18_status status = grow(p, &p->cell, &p->cells, sizeof *p->cell, MAX_VALUES, "members of containers");
  if (status)
    return status;
  uint32_t cell = (uint32_t)p->cells.count++;
  r18_pickle_value *c = &p->value[container];
  p->cell[cell] = (r18_pickle_cell){.key = key, .value = value, .next = R18_PICKLE_NONE};
  if (c->chain.first == R18_PICKLE_NONE)
    c->chain.first = cell;
  else
    p->cell[c->chain.last].next = cell;
  c->chain.last = cell;
  c->chain.count++;
  return RESNET18_OK;
}

/* ---- Stack ---------------------------------------------------------------------------------------------- */

/* Whether the `count` topmost values are there, none of them a mark. */
static bool has(const r18_pickle *p, size_t count) {
  if (p->stacked.count < count)
    return false;
  for (size_t i = p->stacked.count - count; i < p->stacked.count; i++)
    if (p->value[p->stack[i]].kind == R18_PICKLE_MARK)
      return false;
  return true;
}

/* The value `below` under the topmost. */
static uint32_t top(const r18_pickle *p, size_t below) {
  return p->stack[p->stacked.count - 1 - below];
}

static resnet18_status need(const r18_pickle *p, size_t count) {
  return has(p, count) ? RESNET18_OK : pickle_fail(p, "takes more from its stack than there is");
}

/* Position above the topmost mark. */
static resnet18_status find_mark(const r18_pickle *p, size_t *first) {
  for (*first = p->stacked.count; *first > 0; --*first)
    if (p->value[p->stack[*first - 1]].kind == R18_PICKLE_MARK)
      return RESNET18_OK;
  return pickle_fail(p, "takes values down to a mark that is not there");
}

/* Removes the values from `first` on, and the mark under them. */
static void cut_to_mark(r18_pickle *p, size_t first) {
  p->stacked.count = first - 1;
  p->depth--;
}

/* ---- Bytes ---------------------------------------------------------------------------------------------- */

static resnet18_status fail_end(const r18_pickle *p) {
  return pickle_fail(p, p->end - p->start == MAX_BYTES ? "is longer than 4 MiB" : "ends too early");
}

static resnet18_status take(r18_pickle *p, size_t count, const unsigned char **bytes) {
  if ((size_t)(p->end - p->at) < count)
    return fail_end(p);
  *bytes = p->at;
  p->at += count;
  return RESNET18_OK;
}

/* A little-endian number of `count` bytes. */
static resnet18_status take_number(r18_pickle *p, size_t count, uint64_t *number) {
  const unsigned char *byte = NULL;
  resnet18_status status = take(p, count, &byte);
  *number = 0;
  for (size_t i = count; i > 0 && !status; i--)
    *number = *number << 8 | byte[i - 1];
  return status;
}

/* A text whose length is written in `count` bytes before it. */
static resnet18_status take_text(r18_pickle *p, size_t count, r18_pickle_text *text) {
  uint64_t length;
  resnet18_status status = take_number(p, count, &length);
  if (!status && length > (uint64_t)(p->end - p->at))
    status = fail_end(p);
  if (!status)
    status = take(p, (size_t)length, &text->byte);
  text->length = (size_t)length;
  return status;
}

/* A text that ends with a line feed. */
static resnet18_status take_line(r18_pickle *p, r18_pickle_text *text) {
  const unsigned char *stop = memchr(p->at, '\n', (size_t)(p->end - p->at));
  if (!stop)
    return fail_end(p);
  *text = (r18_pickle_text){p->at, (size_t)(stop - p->at)};
  p->at = stop + 1;
  return RESNET18_OK;
}

static bool text_is(r18_pickle_text text, const char *string) {
  return text.length == strlen(string) && memcmp(text.byte, string, text.length) == 0;
}

/* ---- Globals -------------------------------------------------------------------------------------------- */

enum { ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER, STORAGE };

static const struct {
  const char *module, *name;
  int which;
  r18_dtype dtype; /* STORAGE */
} globals[] = {
    {"collections", "OrderedDict", ORDERED_DICT, 0},
    {"torch._utils", "_rebuild_tensor_v2", REBUILD_TENSOR, 0},
    {"torch._utils", "_rebuild_tensor", REBUILD_TENSOR, 0}, /* before torch 0.4; without the last two arguments */
    {"torch._utils", "_rebuild_parameter", REBUILD_PARAMETER, 0},
    {"torch", "FloatStorage", STORAGE, R18_F32},
    {"torch", "HalfStorage", STORAGE, R18_F16},
    {"torch", "BFloat16Storage", STORAGE, R18_BF16},
    {"torch", "LongStorage", STORAGE, R18_I64},
};

static resnet18_status push_global(r18_pickle *p, r18_pickle_text module, r18_pickle_text name) {
  for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
    if (text_is(module, globals[i].module) && text_is(name, globals[i].name))
      return push_integer(p, R18_PICKLE_GLOBAL, (int64_t)i);
  int m = module.length < 100 ? (int)module.length : 100, n = name.length < 100 ? (int)name.length : 100;
  return r18_fail(p->error, RESNET18_ERROR_FORMAT, "%s: the global '%.*s.%.*s' is not allowed", p->source, m,
                  (const char *)module.byte, n, (const char *)name.byte);
}

/* ---- Tensors -------------------------------------------------------------------------------------------- */

/* Reads a tuple's members into an array; false unless it has `least` to `most`. */
static bool members(const r18_pickle *p, uint32_t tuple, size_t least, size_t most, uint32_t *member) {
  const r18_pickle_value *t = &p->value[tuple];
  if (t->kind != R18_PICKLE_TUPLE || t->chain.count < least || t->chain.count > most)
    return false;
  for (uint32_t cell = t->chain.first; cell != R18_PICKLE_NONE; cell = p->cell[cell].next)
    *member++ = p->cell[cell].value;
  return true;
}

static bool is_count(const r18_pickle *p, uint32_t value) {
  return p->value[value].kind == R18_PICKLE_INTEGER && p->value[value].integer >= 0;
}

/* ('storage', torch.XStorage, key, location, number of elements[, None]) */
static resnet18_status read_storage(r18_pickle *p, uint32_t id, r18_pickle_storage *storage) {
  uint32_t m[6] = {0};
  if (!members(p, id, 5, 6, m) || !r18_pickle_is(p, m[0], "storage") || p->value[m[1]].kind != R18_PICKLE_GLOBAL ||
      globals[p->value[m[1]].integer].which != STORAGE || p->value[m[2]].kind != R18_PICKLE_STRING ||
      p->value[m[3]].kind != R18_PICKLE_STRING || !is_count(p, m[4]))
    return pickle_fail(p, "has a persistent id that does not describe a storage");
  if (p->value[id].chain.count == 6 && p->value[m[5]].kind != R18_PICKLE_OTHER)
    return pickle_fail(p, "has a storage that is a view of another one");
  *storage = (r18_pickle_storage){
      .key = p->value[m[2]].text,
      .dtype = globals[p->value[m[1]].integer].dtype,
      .count = (uint64_t)p->value[m[4]].integer,
  };
  return RESNET18_OK;
}

static resnet18_status op_binpersid(r18_pickle *p) {
  r18_pickle_storage storage;
  resnet18_status status = need(p, 1);
  if (!status)
    status = read_storage(p, top(p, 0), &storage);
  if (status)
    return status;
  p->stacked.count--;
  for (size_t i = 0; i < p->storages.count; i++) {
    const r18_pickle_storage *known = &p->storage[i];
    if (known->key.length != storage.key.length || memcmp(known->key.byte, storage.key.byte, storage.key.length) != 0)
      continue;
    if (known->dtype != storage.dtype || known->count != storage.count)
      return pickle_fail(p, "describes one storage in two ways");
    return push_integer(p, R18_PICKLE_STORAGE, (int64_t)i);
  }
  status = grow(p, &p->storage, &p->storages, sizeof *p->storage, MAX_STORAGES, "storages");
  if (status)
    return status;
  p->storage[p->storages.count] = storage;
  return push_integer(p, R18_PICKLE_STORAGE, (int64_t)p->storages.count++);
}

/* Shape and strides, both tuples of the same length; a stride counts only where it is used. */
static bool read_layout(const r18_pickle *p, uint32_t shape, uint32_t strides, r18_pickled_tensor *tensor) {
  uint32_t size[R18_MAX_DIMS], stride[R18_MAX_DIMS];
  if (p->value[shape].kind == R18_PICKLE_TUPLE && p->value[shape].chain.count > R18_MAX_DIMS) {
    tensor->dims = R18_MAX_DIMS + 1;
    return true;
  }
  if (!members(p, shape, 0, R18_MAX_DIMS, size))
    return false;
  tensor->dims = p->value[shape].chain.count;
  if (!members(p, strides, tensor->dims, tensor->dims, stride))
    return false;
  uint64_t expected = 1;
  tensor->contiguous = true;
  for (unsigned i = tensor->dims; i-- > 0;) {
    if (!is_count(p, size[i]) || p->value[stride[i]].kind != R18_PICKLE_INTEGER)
      return false;
    tensor->shape[i] = (uint64_t)p->value[size[i]].integer;
    if (tensor->shape[i] != 1 && (uint64_t)p->value[stride[i]].integer != expected)
      tensor->contiguous = false;
    if (__builtin_mul_overflow(expected, tensor->shape[i], &expected))
      return false;
  }
  return true;
}

/* (storage, offset, shape, strides[, requires_grad, hooks[, metadata]]) */
static resnet18_status rebuild_tensor(r18_pickle *p, uint32_t arguments) {
  r18_pickled_tensor tensor = {0};
  uint32_t m[7] = {0};
  if (!members(p, arguments, 4, 7, m) || p->value[m[0]].kind != R18_PICKLE_STORAGE || !is_count(p, m[1]) ||
      !read_layout(p, m[2], m[3], &tensor))
    return pickle_fail(p, "builds a tensor from arguments that do not describe one");
  tensor.storage = (uint32_t)p->value[m[0]].integer;
  tensor.offset = (uint64_t)p->value[m[1]].integer;
  resnet18_status status = grow(p, &p->tensor, &p->tensors, sizeof *p->tensor, MAX_VALUES, "tensors");
  if (status)
    return status;
  p->tensor[p->tensors.count] = tensor;
  return push_integer(p, R18_PICKLE_TENSOR, (int64_t)p->tensors.count++);
}

/* (tensor, requires_grad, hooks): the tensor. */
static resnet18_status rebuild_parameter(r18_pickle *p, uint32_t arguments) {
  uint32_t m[3] = {0};
  if (!members(p, arguments, 3, 3, m) || p->value[m[0]].kind != R18_PICKLE_TENSOR)
    return pickle_fail(p, "builds a parameter from something that is not a tensor");
  return push(p, m[0]);
}

/* () or ([[key, value], ...],), which Python 2 wrote. */
static resnet18_status make_ordered_dict(r18_pickle *p, uint32_t arguments) {
  uint32_t list = 0, pair[2] = {0};
  resnet18_status status = push_chain(p, R18_PICKLE_DICT);
  if (status)
    return status;
  uint32_t dict = top(p, 0);
  p->value[dict].ordered = true;
  if (members(p, arguments, 0, 0, &list))
    return RESNET18_OK;
  if (!members(p, arguments, 1, 1, &list) || p->value[list].kind != R18_PICKLE_LIST)
    return pickle_fail(p, "builds an OrderedDict from arguments that are not a list of pairs");
  for (uint32_t cell = p->value[list].chain.first; cell != R18_PICKLE_NONE && !status; cell = p->cell[cell].next) {
    r18_pickle_value *entry = &p->value[p->cell[cell].value];
    bool is_pair = entry->kind == R18_PICKLE_LIST && entry->chain.count == 2;
    if (!is_pair && !members(p, p->cell[cell].value, 2, 2, pair))
      return pickle_fail(p, "builds an OrderedDict from arguments that are not a list of pairs");
    pair[0] = p->cell[entry->chain.first].value;
    pair[1] = p->cell[entry->chain.last].value;
    status = append(p, dict, pair[0], pair[1]);
  }
  return status;
}

static resnet18_status op_reduce(r18_pickle *p) {
  resnet18_status status = need(p, 2);
  if (status)
    return status;
  uint32_t arguments = top(p, 0), callable = top(p, 1);
  p->stacked.count -= 2;
  if (p->value[callable].kind != R18_PICKLE_GLOBAL)
    return pickle_fail(p, "calls something that is not a global");
  switch (globals[p->value[callable].integer].which) {
  case ORDERED_DICT:
    return make_ordered_dict(p, arguments);
  case REBUILD_TENSOR:
    return rebuild_tensor(p, arguments);
  case REBUILD_PARAMETER:
    return rebuild_parameter(p, arguments);
  default:
    return pickle_fail(p, "calls a storage class");
  }
}

/* An OrderedDict's own attributes, where PyTorch keeps version numbers: read and forgotten. */
static resnet18_status op_build(r18_pickle *p) {
  resnet18_status status = need(p, 2);
  if (status)
    return status;
  const r18_pickle_value *object = &p->value[top(p, 1)];
  if (object->kind != R18_PICKLE_DICT || !object->ordered || p->value[top(p, 0)].kind != R18_PICKLE_DICT)
    return pickle_fail(p, "sets the state of something other than an OrderedDict");
  p->stacked.count--;
  return RESNET18_OK;
}

/* ---- Plain opcodes -------------------------------------------------------------------------------------- */

static resnet18_status op_proto(r18_pickle *p) {
  uint64_t version;
  resnet18_status status = take_number(p, 1, &version);
  if (!status && (version < 2 || version > 5))
    return pickle_fail(p, "is written in a protocol other than 2 to 5");
  return status;
}

static resnet18_status op_frame(r18_pickle *p) {
  uint64_t length;
  resnet18_status status = take_number(p, 8, &length);
  if (!status && length > (uint64_t)(p->end - p->at))
    return fail_end(p);
  return status;
}

static resnet18_status op_stop(r18_pickle *p) {
  if (p->stacked.count != 1 || !has(p, 1))
    return pickle_fail(p, "ends with more or less than one value");
  p->stopped = true;
  return RESNET18_OK;
}

static resnet18_status op_mark(r18_pickle *p) {
  if (++p->depth > MAX_DEPTH)
    return pickle_fail(p, "nests too deeply");
  return push_kind(p, R18_PICKLE_MARK);
}

static resnet18_status op_none(r18_pickle *p) {
  return push_kind(p, R18_PICKLE_OTHER);
}

static resnet18_status op_true(r18_pickle *p) {
  return push_integer(p, R18_PICKLE_BOOL, 1);
}

static resnet18_status op_false(r18_pickle *p) {
  return push_integer(p, R18_PICKLE_BOOL, 0);
}

static resnet18_status push_unsigned(r18_pickle *p, size_t bytes) {
  uint64_t number;
  resnet18_status status = take_number(p, bytes, &number);
  return status ? status : push_integer(p, R18_PICKLE_INTEGER, (int64_t)number);
}

static resnet18_status op_binint1(r18_pickle *p) {
  return push_unsigned(p, 1);
}

static resnet18_status op_binint2(r18_pickle *p) {
  return push_unsigned(p, 2);
}

static resnet18_status op_binint(r18_pickle *p) {
  uint64_t number;
  resnet18_status status = take_number(p, 4, &number);
  return status ? status : push_integer(p, R18_PICKLE_INTEGER, (int32_t)(uint32_t)number);
}

/* Two's complement of any length; what does not fit into 64 bits is kept as bytes. */
static resnet18_status op_long1(r18_pickle *p) {
  r18_pickle_text text = {0};
  uint64_t number = 0;
  resnet18_status status = take_text(p, 1, &text);
  if (status)
    return status;
  if (text.length > 8)
    return push_new(p, (r18_pickle_value){.kind = R18_PICKLE_OTHER, .text = text});
  bool negative = text.length > 0 && text.byte[text.length - 1] >= 0x80;
  for (size_t i = 8; i > 0; i--)
    number = number << 8 | (i <= text.length ? text.byte[i - 1] : negative ? 0xff : 0);
  return push_integer(p, R18_PICKLE_INTEGER, (int64_t)number);
}

static resnet18_status op_binfloat(r18_pickle *p) {
  const unsigned char *ignored;
  resnet18_status status = take(p, 8, &ignored);
  return status ? status : push_kind(p, R18_PICKLE_OTHER);
}

static resnet18_status push_string(r18_pickle *p, size_t length_bytes) {
  r18_pickle_text text = {0};
  resnet18_status status = take_text(p, length_bytes, &text);
  return status ? status : push_new(p, (r18_pickle_value){.kind = R18_PICKLE_STRING, .text = text});
}

static resnet18_status op_string1(r18_pickle *p) {
  return push_string(p, 1);
}

static resnet18_status op_string4(r18_pickle *p) {
  return push_string(p, 4);
}

static resnet18_status op_string8(r18_pickle *p) {
  return push_string(p, 8);
}

/* ---- Containers ----------------------------------------------------------------------------------------- */

static resnet18_status op_empty_tuple(r18_pickle *p) {
  return push_chain(p, R18_PICKLE_TUPLE);
}

static resnet18_status op_empty_list(r18_pickle *p) {
  return push_chain(p, R18_PICKLE_LIST);
}

static resnet18_status op_empty_dict(r18_pickle *p) {
  return push_chain(p, R18_PICKLE_DICT);
}

/* Replaces the `count` topmost values by a tuple of them. */
static resnet18_status make_tuple(r18_pickle *p, size_t count) {
  resnet18_status status = push_chain(p, R18_PICKLE_TUPLE);
  if (status)
    return status;
  uint32_t tuple = p->stack[--p->stacked.count];
  for (size_t i = p->stacked.count - count; i < p->stacked.count && !status; i++)
    status = append(p, tuple, R18_PICKLE_NONE, p->stack[i]);
  p->stacked.count -= count;
  return status ? status : push(p, tuple);
}

static resnet18_status op_tuple(r18_pickle *p) {
  size_t first;
  resnet18_status status = find_mark(p, &first);
  if (!status)
    status = make_tuple(p, p->stacked.count - first);
  if (status)
    return status;
  uint32_t tuple = top(p, 0);
  cut_to_mark(p, first);
  return push(p, tuple);
}

static resnet18_status tuple_of(r18_pickle *p, size_t count) {
  resnet18_status status = need(p, count);
  return status ? status : make_tuple(p, count);
}

static resnet18_status op_tuple1(r18_pickle *p) {
  return tuple_of(p, 1);
}

static resnet18_status op_tuple2(r18_pickle *p) {
  return tuple_of(p, 2);
}

static resnet18_status op_tuple3(r18_pickle *p) {
  return tuple_of(p, 3);
}

/* Moves the values from position `first` on into the container of `kind` at position `target`; `step` is 1 for members
 * and 2 for keys and their values. */
static resnet18_status move_into(r18_pickle *p, r18_pickle_kind kind, size_t target, size_t first, size_t step) {
  uint32_t container = p->stack[target];
  resnet18_status status = RESNET18_OK;
  if (p->value[container].kind != kind)
    return pickle_fail(p, "puts members into something that cannot hold them");
  if ((p->stacked.count - first) % step != 0)
    return pickle_fail(p, "has a key without a value");
  for (size_t i = first; i < p->stacked.count && !status; i += step)
    status = append(p, container, step == 2 ? p->stack[i] : R18_PICKLE_NONE, p->stack[i + step - 1]);
  return status;
}

static resnet18_status move_one(r18_pickle *p, r18_pickle_kind kind, size_t step) {
  resnet18_status status = need(p, step + 1);
  if (!status)
    status = move_into(p, kind, p->stacked.count - step - 1, p->stacked.count - step, step);
  if (!status)
    p->stacked.count -= step;
  return status;
}

static resnet18_status move_marked(r18_pickle *p, r18_pickle_kind kind, size_t step) {
  size_t first;
  resnet18_status status = find_mark(p, &first);
  if (!status && first < 2)
    status = pickle_fail(p, "takes more from its stack than there is");
  if (!status)
    status = move_into(p, kind, first - 2, first, step);
  if (!status)
    cut_to_mark(p, first);
  return status;
}

static resnet18_status op_append(r18_pickle *p) {
  return move_one(p, R18_PICKLE_LIST, 1);
}

static resnet18_status op_appends(r18_pickle *p) {
  return move_marked(p, R18_PICKLE_LIST, 1);
}

static resnet18_status op_setitem(r18_pickle *p) {
  return move_one(p, R18_PICKLE_DICT, 2);
}

static resnet18_status op_setitems(r18_pickle *p) {
  return move_marked(p, R18_PICKLE_DICT, 2);
}

/* ---- Memo and globals ----------------------------------------------------------------------------------- */

static resnet18_status put(r18_pickle *p, uint64_t index) {
  resnet18_status status = need(p, 1);
  /* Python numbers them in order, so there are fewer than bytes; a number alone must not cost memory. */
  if (!status && (index >= MAX_MEMO || index >= (uint64_t)(p->at - p->start)))
    status = pickle_fail(p, "has a memo that is too large");
  while (!status && p->memos.count <= index) {
    status = grow(p, &p->memo, &p->memos, sizeof *p->memo, MAX_MEMO, "values in its memo");
    if (!status)
      p->memo[p->memos.count++] = R18_PICKLE_NONE;
  }
  if (!status)
    p->memo[index] = top(p, 0);
  return status;
}

static resnet18_status get(r18_pickle *p, size_t bytes) {
  uint64_t index;
  resnet18_status status = take_number(p, bytes, &index);
  if (!status && (index >= p->memos.count || p->memo[index] == R18_PICKLE_NONE))
    status = pickle_fail(p, "takes a value from its memo that is not there");
  return status ? status : push(p, p->memo[index]);
}

static resnet18_status put_at(r18_pickle *p, size_t bytes) {
  uint64_t index;
  resnet18_status status = take_number(p, bytes, &index);
  return status ? status : put(p, index);
}

static resnet18_status op_binput(r18_pickle *p) {
  return put_at(p, 1);
}

static resnet18_status op_long_binput(r18_pickle *p) {
  return put_at(p, 4);
}

static resnet18_status op_memoize(r18_pickle *p) {
  return put(p, p->memos.count);
}

static resnet18_status op_binget(r18_pickle *p) {
  return get(p, 1);
}

static resnet18_status op_long_binget(r18_pickle *p) {
  return get(p, 4);
}

static resnet18_status op_global(r18_pickle *p) {
  r18_pickle_text module, name;
  resnet18_status status = take_line(p, &module);
  if (!status)
    status = take_line(p, &name);
  return status ? status : push_global(p, module, name);
}

static resnet18_status op_stack_global(r18_pickle *p) {
  resnet18_status status = need(p, 2);
  if (status)
    return status;
  const r18_pickle_value *name = &p->value[top(p, 0)], *module = &p->value[top(p, 1)];
  if (name->kind != R18_PICKLE_STRING || module->kind != R18_PICKLE_STRING)
    return pickle_fail(p, "names a global with something that is not a string");
  p->stacked.count -= 2;
  return push_global(p, module->text, name->text);
}

/* ---- The machine ---------------------------------------------------------------------------------------- */

/* Python's opcodes; those without a function are refused. */
static const struct {
  unsigned char code;
  const char *name;
  resnet18_status (*obey)(r18_pickle *pickle);
} opcodes[] = {
    {0x80, "PROTO", op_proto},
    {0x95, "FRAME", op_frame},
    {'.', "STOP", op_stop},
    {'(', "MARK", op_mark},
    {'N', "NONE", op_none},
    {0x88, "NEWTRUE", op_true},
    {0x89, "NEWFALSE", op_false},
    {'K', "BININT1", op_binint1},
    {'M', "BININT2", op_binint2},
    {'J', "BININT", op_binint},
    {0x8a, "LONG1", op_long1},
    {'G', "BINFLOAT", op_binfloat},
    {'U', "SHORT_BINSTRING", op_string1},
    {'T', "BINSTRING", op_string4},
    {0x8c, "SHORT_BINUNICODE", op_string1},
    {'X', "BINUNICODE", op_string4},
    {0x8d, "BINUNICODE8", op_string8},
    {')', "EMPTY_TUPLE", op_empty_tuple},
    {0x85, "TUPLE1", op_tuple1},
    {0x86, "TUPLE2", op_tuple2},
    {0x87, "TUPLE3", op_tuple3},
    {'t', "TUPLE", op_tuple},
    {']', "EMPTY_LIST", op_empty_list},
    {'a', "APPEND", op_append},
    {'e', "APPENDS", op_appends},
    {'}', "EMPTY_DICT", op_empty_dict},
    {'s', "SETITEM", op_setitem},
    {'u', "SETITEMS", op_setitems},
    {'q', "BINPUT", op_binput},
    {'r', "LONG_BINPUT", op_long_binput},
    {0x94, "MEMOIZE", op_memoize},
    {'h', "BINGET", op_binget},
    {'j', "LONG_BINGET", op_long_binget},
    {'c', "GLOBAL", op_global},
    {0x93, "STACK_GLOBAL", op_stack_global},
    {'R', "REDUCE", op_reduce},
    {'b', "BUILD", op_build},
    {'Q', "BINPERSID", op_binpersid},
    {'P', "PERSID", NULL},
    {'i', "INST", NULL},
    {'o', "OBJ", NULL},
    {0x81, "NEWOBJ", NULL},
    {0x92, "NEWOBJ_EX", NULL},
    {0x82, "EXT1", NULL},
    {0x83, "EXT2", NULL},
    {0x84, "EXT4", NULL},
    {'0', "POP", NULL},
    {'1', "POP_MARK", NULL},
    {'2', "DUP", NULL},
    {'I', "INT", NULL},
    {'L', "LONG", NULL},
    {0x8b, "LONG4", NULL},
    {'F', "FLOAT", NULL},
    {'S', "STRING", NULL},
    {'V', "UNICODE", NULL},
    {'B', "BINBYTES", NULL},
    {'C', "SHORT_BINBYTES", NULL},
    {0x8e, "BINBYTES8", NULL},
    {0x96, "BYTEARRAY8", NULL},
    {0x97, "NEXT_BUFFER", NULL},
    {0x98, "READONLY_BUFFER", NULL},
    {'d', "DICT", NULL},
    {'l', "LIST", NULL},
    {0x8f, "EMPTY_SET", NULL},
    {0x90, "ADDITEMS", NULL},
    {0x91, "FROZENSET", NULL},
    {'g', "GET", NULL},
    {'p', "PUT", NULL},
};

static resnet18_status step(r18_pickle *p) {
  const unsigned char *code = NULL;
  p->op = p->at;
  resnet18_status status = take(p, 1, &code);
  if (status)
    return status;
  for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++) {
    if (opcodes[i].code != *code)
      continue;
    if (opcodes[i].obey)
      return opcodes[i].obey(p);
    return r18_fail(p->error, RESNET18_ERROR_FORMAT, "%s: the pickle opcode %s at byte %zu is not allowed", p->source,
                    opcodes[i].name, (size_t)(p->op - p->start));
  }
  return r18_fail(p->error, RESNET18_ERROR_FORMAT, "%s: the pickle has an unknown opcode 0x%02x at byte %zu", p->source,
                  *code, (size_t)(p->op - p->start));
}

resnet18_status r18_pickle_run(const char *source, const unsigned char *data, size_t size, r18_pickle *pickle,
                               resnet18_error *error) {
  size = size < MAX_BYTES ? size : MAX_BYTES;
  *pickle = (r18_pickle){.source = source, .error = error, .start = data, .at = data, .op = data, .end = data + size};
  resnet18_status status = RESNET18_OK;
  if (size == 0 || data[0] != 0x80)
    status = pickle_fail(pickle, "does not begin with its protocol");
  while (!status && !pickle->stopped)
    status = step(pickle);
  return status;
}

void r18_pickle_clear(r18_pickle *pickle) {
  free(pickle->value);
  free(pickle->cell);
  free(pickle->storage);
  free(pickle->tensor);
  free(pickle->stack);
  free(pickle->memo);
  *pickle = (r18_pickle){0};
}

uint32_t r18_pickle_root(const r18_pickle *pickle) {
  return pickle->stack[0];
}

bool r18_pickle_is(const r18_pickle *pickle, uint32_t value, const char *text) {
  return pickle->value[value].kind == R18_PICKLE_STRING && text_is(pickle->value[value].text, text);
}

uint32_t r18_pickle_get(const r18_pickle *pickle, uint32_t dict, const char *key) {
  uint32_t found = R18_PICKLE_NONE;
  if (pickle->value[dict].kind != R18_PICKLE_DICT)
    return found;
  for (uint32_t cell = pickle->value[dict].chain.first; cell != R18_PICKLE_NONE; cell = pickle->cell[cell].next)
    if (r18_pickle_is(pickle, pickle->cell[cell].key, key))
      found = pickle->cell[cell].value;
  return found;
}
