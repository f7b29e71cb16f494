/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PyTorch checkpoints: a pickle that says which tensors there are, and their bytes beside it.
 *
 * Since torch 1.6 that is a zip archive: NAME/data.pkl, NAME/data/KEY for each storage, NAME/byteorder. Before, it was
 * one file: a magic number, the protocol, the machine's properties, the tensors and the keys of the storages, each a
 * pickle, then for each key the number of its elements in 8 bytes, and the elements.
 *
 * A checkpoint is a state_dict, or a dict with one under "state_dict" or "model", as training scripts write it. If all
 * names begin with "module." (DataParallel), that is taken off. */
#include "error.h"
#include "pickle.h"
#include "tensors.h"
#include "text.h"
#include "zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY = 20 }; /* digits of 2^64 */

/* Finds the bytes of a storage that has none yet. */
typedef struct checkpoint checkpoint;
typedef resnet18_status (*storage_finder)(const checkpoint *c, r18_pickle_storage *storage);

struct checkpoint {
  r18_tensors *tensors;
  resnet18_error *error;
  r18_pickle pickle; /* the one with the tensors */
  storage_finder find;
  r18_zip zip;
  const unsigned char *folder; /* in the zip archive */
  size_t folder_length;
};

static resnet18_status checkpoint_fail(const checkpoint *c, const char *what) {
  return r18_fail(c->error, RESNET18_ERROR_FORMAT, "%s: %s", c->tensors->source, what);
}

static unsigned dtype_bytes(r18_dtype dtype) {
  return dtype == R18_F32 ? 4 : dtype == R18_I64 ? 8 : 2;
}

/* ---- The state_dict ------------------------------------------------------------------------------------- */

static resnet18_status named_fail(const checkpoint *c, r18_pickle_text name, const char *what) {
  int length = name.length < 200 ? (int)name.length : 200;
  return r18_fail(c->error, RESNET18_ERROR_FORMAT, "%s: entry '%.*s' of the checkpoint %s", c->tensors->source, length,
                  (const char *)name.byte, what);
}

/* The dict that holds the tensors. */
static resnet18_status find_state(const checkpoint *c, uint32_t *state) {
  static const char *const wrappers[] = {"state_dict", "model"};
  *state = r18_pickle_root(&c->pickle);
  if (r18_pickle_kind_of(&c->pickle, *state) != R18_PICKLE_DICT)
    return checkpoint_fail(c, "the checkpoint is not a dict of tensors");
  for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
    uint32_t inner = r18_pickle_get(&c->pickle, *state, wrappers[i]);
    if (inner != R18_PICKLE_NONE && r18_pickle_kind_of(&c->pickle, inner) == R18_PICKLE_DICT) {
      *state = inner;
      break;
    }
  }
  return RESNET18_OK;
}

static resnet18_status check_name(const checkpoint *c, r18_pickle_text name) {
  for (size_t i = 0, step; i < name.length; i += step) {
    step = r18_utf8_length(name.byte + i, name.length - i);
    if (step == 0 || name.byte[i] < 0x20)
      return named_fail(c, name, "has a name that is not text");
  }
  if (name.length == 0 || name.length >= R18_MAX_NAME)
    return named_fail(c, name, "has a name that is empty or too long");
  return RESNET18_OK;
}

/* Number of elements, of a shape whose product is known to fit. */
static uint64_t element_count(const r18_pickled_tensor *tensor) {
  uint64_t count = 1;
  for (unsigned i = 0; i < tensor->dims; i++)
    count *= tensor->shape[i];
  return count;
}

/* Finds the tensor's bytes in its storage, and fills `out`. */
static resnet18_status place_tensor(checkpoint *c, r18_pickle_text name, const r18_pickled_tensor *tensor,
                                    r18_tensor *out) {
  r18_pickle_storage *storage = &c->pickle.storage[tensor->storage];
  if (tensor->dims > R18_MAX_DIMS)
    return named_fail(c, name, "has more than 4 dimensions");
  if (!tensor->contiguous)
    return named_fail(c, name, "is not contiguous in memory; save tensor.contiguous() instead");
  const uint64_t count = element_count(tensor);
  if (tensor->offset > storage->count || count > storage->count - tensor->offset)
    return named_fail(c, name, "reaches behind the end of its storage");
  resnet18_status status = storage->data ? RESNET18_OK : c->find(c, storage);
  if (status)
    return status;
  const unsigned bytes = dtype_bytes(storage->dtype);
  *out = (r18_tensor){.dtype = storage->dtype, .dims = tensor->dims, .bytes = (size_t)(count * bytes)};
  memcpy(out->name, name.byte, name.length);
  memcpy(out->shape, tensor->shape, sizeof out->shape);
  out->data = storage->data + tensor->offset * bytes;
  return RESNET18_OK;
}

static resnet18_status take_entry(checkpoint *c, const r18_pickle_cell *entry) {
  static const r18_pickle_text nameless = {(const unsigned char *)"?", 1};
  const r18_pickle_value *key = &c->pickle.value[entry->key], *value = &c->pickle.value[entry->value];
  r18_tensors *t = c->tensors;
  if (key->kind != R18_PICKLE_STRING)
    return named_fail(c, nameless, "has a key that is not a string");
  resnet18_status status = check_name(c, key->text);
  if (status)
    return status;
  if (value->kind != R18_PICKLE_TENSOR)
    return named_fail(c, key->text, "is not a tensor");
  if (t->count == R18_MAX_TENSORS)
    return r18_fail(c->error, RESNET18_ERROR_FORMAT, "%s: has more than %d tensors", t->source, R18_MAX_TENSORS);
  r18_tensor *out = &t->tensor[t->count];
  status = place_tensor(c, key->text, &c->pickle.tensor[value->integer], out);
  if (!status && r18_tensors_find(t, out->name))
    status = named_fail(c, key->text, "occurs twice");
  t->count += !status;
  if (!status)
    r18_tensor_release(t, out); /* its checksum has touched all of it */
  return status;
}

static void strip_prefix(r18_tensors *tensors) {
  static const char prefix[] = "module.";
  const size_t length = sizeof prefix - 1;
  for (size_t i = 0; i < tensors->count; i++)
    if (strncmp(tensors->tensor[i].name, prefix, length) != 0 || !tensors->tensor[i].name[length])
      return;
  for (size_t i = 0; i < tensors->count; i++) {
    char *name = tensors->tensor[i].name;
    memmove(name, name + length, strlen(name + length) + 1);
  }
}

static resnet18_status take_tensors(checkpoint *c) {
  uint32_t state;
  resnet18_status status = find_state(c, &state);
  if (status)
    return status;
  c->tensors->tensor = calloc(R18_MAX_TENSORS, sizeof *c->tensors->tensor);
  if (!c->tensors->tensor)
    return r18_fail_memory(c->error, R18_MAX_TENSORS * sizeof *c->tensors->tensor);
  uint32_t cell = c->pickle.value[state].chain.first;
  for (; cell != R18_PICKLE_NONE && !status; cell = c->pickle.cell[cell].next)
    status = take_entry(c, &c->pickle.cell[cell]);
  if (!status && c->tensors->count == 0)
    status = checkpoint_fail(c, "the checkpoint has no tensors");
  if (!status)
    strip_prefix(c->tensors);
  return status;
}

/* The key as a string; it becomes part of an entry's name, so it must be a plain number. */
static resnet18_status storage_key(const checkpoint *c, const r18_pickle_storage *storage, char key[MAX_KEY + 1]) {
  bool good = storage->key.length > 0 && storage->key.length <= MAX_KEY;
  for (size_t i = 0; good && i < storage->key.length; i++)
    good = storage->key.byte[i] >= '0' && storage->key.byte[i] <= '9';
  if (!good) {
    int length = storage->key.length < 100 ? (int)storage->key.length : 100;
    return r18_fail(c->error, RESNET18_ERROR_FORMAT, "%s: the storage key '%.*s' is not a number", c->tensors->source,
                    length, (const char *)storage->key.byte);
  }
  memcpy(key, storage->key.byte, storage->key.length);
  key[storage->key.length] = '\0';
  return RESNET18_OK;
}

/* ---- Zip archives --------------------------------------------------------------------------------------- */

static resnet18_status find_in_zip(const checkpoint *c, r18_pickle_storage *storage) {
  char key[MAX_KEY + 1], name[MAX_KEY + 8];
  resnet18_status status = storage_key(c, storage, key);
  if (status)
    return status;
  snprintf(name, sizeof name, "data/%s", key);
  const r18_zip_entry *entry = r18_zip_find(&c->zip, c->folder, c->folder_length, name);
  if (!entry)
    return r18_fail(c->error, RESNET18_ERROR_FORMAT, "%s: the zip entry 'data/%s' is missing", c->tensors->source, key);
  const unsigned bytes = dtype_bytes(storage->dtype);
  if (entry->size % bytes != 0 || entry->size / bytes != storage->count)
    return r18_fail(c->error, RESNET18_ERROR_FORMAT,
                    "%s: the zip entry 'data/%s' has %zu bytes, but the storage has %ju elements of %u bytes",
                    c->tensors->source, key, entry->size, (uintmax_t)storage->count, bytes);
  status = r18_zip_check(c->tensors->source, entry, c->error);
  if (!status)
    storage->data = entry->data;
  return status;
}

/* The archive has one folder, which is named for the file that was saved. */
static resnet18_status find_folder(checkpoint *c) {
  static const char pickle_name[] = "data.pkl";
  for (size_t i = 0; i < c->zip.count; i++) {
    const r18_zip_entry *entry = &c->zip.entry[i];
    const unsigned char *slash = memchr(entry->name, '/', entry->name_length);
    size_t length = slash ? (size_t)(slash - entry->name) : 0;
    if (!slash || entry->name_length != length + sizeof pickle_name ||
        memcmp(slash + 1, pickle_name, sizeof pickle_name - 1) != 0)
      continue;
    if (c->folder)
      return checkpoint_fail(c, "the zip archive has more than one data.pkl");
    c->folder = entry->name;
    c->folder_length = length;
  }
  if (!c->folder)
    return checkpoint_fail(c, "is a zip archive without data.pkl, so not a PyTorch checkpoint");
  if (r18_zip_find(&c->zip, c->folder, c->folder_length, "constants.pkl"))
    return checkpoint_fail(c, "is a TorchScript program, not a checkpoint; save its state_dict() with torch.save");
  return RESNET18_OK;
}

static resnet18_status check_byte_order(const checkpoint *c) {
  const r18_zip_entry *entry = r18_zip_find(&c->zip, c->folder, c->folder_length, "byteorder");
  if (!entry) /* torch before 2.1: little-endian machines */
    return RESNET18_OK;
  resnet18_status status = r18_zip_check(c->tensors->source, entry, c->error);
  if (!status && (entry->size != 6 || memcmp(entry->data, "little", 6) != 0))
    status = checkpoint_fail(c, "the checkpoint's byte order is not little-endian");
  return status;
}

static resnet18_status read_zip(checkpoint *c) {
  const r18_tensors *t = c->tensors;
  resnet18_status status = r18_zip_read(t->source, t->base, t->size, &c->zip, c->error);
  if (!status)
    status = find_folder(c);
  if (!status)
    status = check_byte_order(c);
  if (status)
    return status;
  const r18_zip_entry *entry = r18_zip_find(&c->zip, c->folder, c->folder_length, "data.pkl");
  c->find = find_in_zip;
  status = r18_zip_check(t->source, entry, c->error);
  if (!status)
    status = r18_pickle_run(t->source, entry->data, entry->size, &c->pickle, c->error);
  if (!status && c->pickle.at != entry->data + entry->size)
    status = checkpoint_fail(c, "something follows the pickle in data.pkl");
  return status ? status : take_tensors(c);
}

/* ---- The format before ---------------------------------------------------------------------------------- */

/* torch.serialization's MAGIC_NUMBER 0x1950a86a20f9469cfc6c, as LONG1 has it. */
static const unsigned char legacy_magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
enum { LEGACY_PROTOCOL = 1001 };

/* Runs the pickle at *at, and moves *at behind it. The caller clears `pickle`. */
static resnet18_status next_pickle(const checkpoint *c, const unsigned char **at, r18_pickle *pickle) {
  const unsigned char *end = c->tensors->base + c->tensors->size;
  resnet18_status status = r18_pickle_run(c->tensors->source, *at, (size_t)(end - *at), pickle, c->error);
  if (!status)
    *at = pickle->at;
  return status;
}

/* What the three small pickles at the file's start must say. */
static resnet18_status check_magic(const checkpoint *c, const r18_pickle *pickle) {
  const r18_pickle_value *root = &pickle->value[r18_pickle_root(pickle)];
  if (root->kind != R18_PICKLE_OTHER || root->text.length != sizeof legacy_magic ||
      memcmp(root->text.byte, legacy_magic, sizeof legacy_magic) != 0)
    return checkpoint_fail(c, "is a pickle, but not a PyTorch checkpoint");
  return RESNET18_OK;
}

static resnet18_status check_protocol(const checkpoint *c, const r18_pickle *pickle) {
  const r18_pickle_value *root = &pickle->value[r18_pickle_root(pickle)];
  if (root->kind != R18_PICKLE_INTEGER || root->integer != LEGACY_PROTOCOL)
    return checkpoint_fail(c, "the checkpoint's protocol is not 1001");
  return RESNET18_OK;
}

static resnet18_status check_system(const checkpoint *c, const r18_pickle *pickle) {
  uint32_t little = r18_pickle_get(pickle, r18_pickle_root(pickle), "little_endian");
  if (little == R18_PICKLE_NONE || r18_pickle_kind_of(pickle, little) != R18_PICKLE_BOOL ||
      !pickle->value[little].integer)
    return checkpoint_fail(c, "the checkpoint's byte order is not little-endian");
  return RESNET18_OK;
}

static resnet18_status check_preamble(const checkpoint *c, const unsigned char **at) {
  static resnet18_status (*const checks[])(const checkpoint *, const r18_pickle *) = {check_magic, check_protocol,
                                                                                      check_system};
  resnet18_status status = RESNET18_OK;
  for (size_t i = 0; i < sizeof checks / sizeof *checks && !status; i++) {
    r18_pickle pickle;
    status = next_pickle(c, at, &pickle);
    if (!status)
      status = checks[i](c, &pickle);
    r18_pickle_clear(&pickle);
  }
  return status;
}

/* A storage's bytes lie at *at: the number of its elements, then they. */
static resnet18_status take_storage(const checkpoint *c, r18_pickle_storage *storage, const unsigned char **at) {
  const size_t left = (size_t)(c->tensors->base + c->tensors->size - *at);
  const unsigned bytes = dtype_bytes(storage->dtype);
  uint64_t count = 0;
  char key[MAX_KEY + 1];
  resnet18_status status = storage_key(c, storage, key);
  if (status)
    return status;
  for (int i = 7; i >= 0 && left >= 8; i--)
    count = count << 8 | (*at)[i];
  if (left < 8 || count > (left - 8) / bytes)
    return r18_fail(c->error, RESNET18_ERROR_FORMAT, "%s: the file ends before the end of storage %s",
                    c->tensors->source, key);
  if (count != storage->count)
    return r18_fail(c->error, RESNET18_ERROR_FORMAT, "%s: storage %s has %ju elements instead of %ju",
                    c->tensors->source, key, (uintmax_t)count, (uintmax_t)storage->count);
  storage->data = *at + 8;
  *at = storage->data + count * bytes;
  return RESNET18_OK;
}

/* The main pickle's storage of this key that has no bytes yet. */
static r18_pickle_storage *storage_of_key(checkpoint *c, r18_pickle_text key) {
  for (size_t i = 0; i < c->pickle.storages.count; i++) {
    r18_pickle_storage *storage = &c->pickle.storage[i];
    if (!storage->data && storage->key.length == key.length && memcmp(storage->key.byte, key.byte, key.length) == 0)
      return storage;
  }
  return NULL;
}

/* Walks the list of keys and the storages after it. */
static resnet18_status take_storages(checkpoint *c, const r18_pickle *keys, const unsigned char *at) {
  const r18_pickle_value *list = &keys->value[r18_pickle_root(keys)];
  resnet18_status status = RESNET18_OK;
  if (list->kind != R18_PICKLE_LIST)
    return checkpoint_fail(c, "the checkpoint's storage keys are not a list");
  for (uint32_t cell = list->chain.first; cell != R18_PICKLE_NONE && !status; cell = keys->cell[cell].next) {
    const r18_pickle_value *key = &keys->value[keys->cell[cell].value];
    r18_pickle_storage *storage = key->kind == R18_PICKLE_STRING ? storage_of_key(c, key->text) : NULL;
    if (!storage)
      return checkpoint_fail(c, "the checkpoint lists a storage twice, or one that no tensor uses");
    status = take_storage(c, storage, &at);
  }
  if (!status && at != c->tensors->base + c->tensors->size)
    status = checkpoint_fail(c, "something follows the last storage");
  return status;
}

static resnet18_status find_nowhere(const checkpoint *c, r18_pickle_storage *storage) {
  char key[MAX_KEY + 1];
  resnet18_status status = storage_key(c, storage, key);
  if (status)
    return status;
  return r18_fail(c->error, RESNET18_ERROR_FORMAT, "%s: storage %s is missing", c->tensors->source, key);
}

static resnet18_status read_legacy(checkpoint *c) {
  const unsigned char *at = c->tensors->base;
  r18_pickle keys = {0};
  resnet18_status status = check_preamble(c, &at);
  if (!status)
    status = next_pickle(c, &at, &c->pickle);
  if (!status)
    status = next_pickle(c, &at, &keys);
  if (!status)
    status = take_storages(c, &keys, at);
  c->find = find_nowhere;
  if (!status)
    status = take_tensors(c);
  r18_pickle_clear(&keys);
  return status;
}

resnet18_status r18_checkpoint_read(r18_tensors *tensors, resnet18_error *error) {
  checkpoint c = {.tensors = tensors, .error = error};
  resnet18_status status = tensors->base[0] == 'P' ? read_zip(&c) : read_legacy(&c);
  r18_pickle_clear(&c.pickle);
  r18_zip_clear(&c.zip);
  return status ? status : r18_ok(error);
}
