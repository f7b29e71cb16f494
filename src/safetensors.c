/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The safetensors format (https://github.com/huggingface/safetensors): 8 bytes with the length of a header, the header
 * in JSON, the tensors' bytes. The header is read by a parser for exactly this document: an object of objects, so that
 * nothing nests deeper than the format does. */
#include "error.h"
#include "tensors.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER = 1 << 20, MAX_METADATA = 64, LENGTH_BYTES = 8 };

typedef struct {
  const char *source;
  const unsigned char *start, *at, *end;
  resnet18_error *error;
} json;

/* A tensor's place in the data that follows the header. */
typedef struct {
  uint64_t begin, end;
} span;

static const r18_dtype dtypes[] = {R18_F32, R18_F16, R18_BF16, R18_I64, R18_I8};

/* ---- JSON ----------------------------------------------------------------------------------------------- */

static resnet18_status json_fail(const json *j, const char *what) {
  return r18_fail(j->error, RESNET18_ERROR_FORMAT, "%s: the header is not valid at byte %zu: %s", j->source,
                  LENGTH_BYTES + (size_t)(j->at - j->start), what);
}

static void json_skip_space(json *j) {
  while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r'))
    j->at++;
}

/* Whether the next character is `c`; takes it then. */
static bool json_take(json *j, char c) {
  json_skip_space(j);
  if (j->at == j->end || *j->at != (unsigned char)c)
    return false;
  j->at++;
  return true;
}

static resnet18_status json_expect(json *j, char c) {
  char what[] = "'?' is expected here";
  if (json_take(j, c))
    return RESNET18_OK;
  what[1] = c;
  return json_fail(j, what);
}

static bool json_hex(json *j, uint32_t *unit) {
  *unit = 0;
  if (j->end - j->at < 4)
    return false;
  for (int i = 0; i < 4; i++) {
    unsigned char c = *j->at++;
    uint32_t digit = c >= '0' && c <= '9'   ? c - '0'
                     : c >= 'a' && c <= 'f' ? c - 'a' + 10
                     : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                            : 16;
    if (digit > 15)
      return false;
    *unit = *unit << 4 | digit;
  }
  return true;
}

/* What follows "\u": one code point, of two units where the first is a high surrogate. U+0000 is refused too. */
static bool json_code_point(json *j, uint32_t *code) {
  uint32_t low;
  if (!json_hex(j, code) || *code == 0 || (*code >= 0xdc00 && *code <= 0xdfff))
    return false;
  if (*code < 0xd800 || *code > 0xdbff)
    return true;
  if (j->end - j->at < 2 || j->at[0] != '\\' || j->at[1] != 'u')
    return false;
  j->at += 2;
  if (!json_hex(j, &low) || low < 0xdc00 || low > 0xdfff)
    return false;
  *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
  return true;
}

static size_t encode_utf8(uint32_t code, unsigned char out[4]) {
  if (code < 0x80) {
    out[0] = (unsigned char)code;
    return 1;
  }
  size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (size_t i = length - 1; i > 0; i--, code >>= 6)
    out[i] = (unsigned char)(0x80 | (code & 0x3f));
  out[0] = (unsigned char)(lead[length] | code);
  return length;
}

/* One character of a string, escapes resolved. *length is 0 at the closing quote. */
static resnet18_status json_character(json *j, unsigned char out[4], size_t *length) {
  static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  uint32_t code;
  *length = 0;
  if (j->at == j->end)
    return json_fail(j, "a string has no end");
  if (*j->at == '"') {
    j->at++;
    return RESNET18_OK;
  }
  if (*j->at < 0x20)
    return json_fail(j, "a control character in a string");
  if (*j->at != '\\') {
    *length = r18_utf8_length(j->at, (size_t)(j->end - j->at));
    if (*length == 0)
      return json_fail(j, "a string is not UTF-8");
    memcpy(out, j->at, *length);
    j->at += *length;
    return RESNET18_OK;
  }
  j->at++;
  const char *escape = j->at < j->end && *j->at ? strchr(escapes, *j->at) : NULL;
  if (escape) {
    j->at++;
    out[0] = (unsigned char)meanings[escape - escapes];
    *length = 1;
    return RESNET18_OK;
  }
  if (j->at == j->end || *j->at++ != 'u' || !json_code_point(j, &code))
    return json_fail(j, "an escape sequence in a string is not valid");
  *length = encode_utf8(code, out);
  return RESNET18_OK;
}

/* Reads a string into out[room]; `out` NULL checks and skips it. */
static resnet18_status json_string(json *j, char *out, size_t room) {
  unsigned char character[4];
  size_t used = 0, length;
  resnet18_status status = json_expect(j, '"');
  while (!status) {
    status = json_character(j, character, &length);
    if (status || length == 0)
      break;
    if (!out)
      continue;
    if (used + length >= room)
      return json_fail(j, "a name is too long");
    memcpy(out + used, character, length);
    used += length;
  }
  if (out)
    out[used] = '\0';
  return status;
}

/* A whole number without sign, fraction or exponent. */
static resnet18_status json_integer(json *j, uint64_t *value) {
  json_skip_space(j);
  const unsigned char *first = j->at;
  *value = 0;
  while (j->at < j->end && *j->at >= '0' && *j->at <= '9') {
    unsigned digit = *j->at - '0';
    if (*value > ((uint64_t)INT64_MAX - digit) / 10)
      return json_fail(j, "a number is too large");
    *value = *value * 10 + digit;
    j->at++;
  }
  if (j->at == first)
    return json_fail(j, "a whole number is expected here");
  if (*first == '0' && j->at - first > 1)
    return json_fail(j, "a number begins with 0");
  if (j->at < j->end && (*j->at == '.' || *j->at == 'e' || *j->at == 'E'))
    return json_fail(j, "a number is not written as a whole number");
  return RESNET18_OK;
}

/* [n, n, ...] with at most `room` numbers. */
static resnet18_status json_integers(json *j, uint64_t *value, unsigned room, unsigned *count) {
  resnet18_status status = json_expect(j, '[');
  *count = 0;
  if (status || json_take(j, ']'))
    return status;
  do {
    if (*count == room)
      return json_fail(j, "a list is too long");
    status = json_integer(j, &value[*count]);
    if (status)
      return status;
    ++*count;
  } while (json_take(j, ','));
  return json_expect(j, ']');
}

/* ---- Header --------------------------------------------------------------------------------------------- */

static resnet18_status read_metadata(json *j) {
  char(*key)[R18_MAX_NAME] = calloc(MAX_METADATA, sizeof *key);
  size_t count = 0;
  if (!key)
    return r18_fail_memory(j->error, MAX_METADATA * sizeof *key);
  resnet18_status status = json_expect(j, '{');
  bool more = !status && !json_take(j, '}');
  while (more && !status) {
    if (count == MAX_METADATA)
      status = json_fail(j, "__metadata__ has too many entries");
    else if (!(status = json_string(j, key[count], sizeof key[count])) && !(status = json_expect(j, ':')))
      status = json_string(j, NULL, 0);
    for (size_t i = 0; i < count && !status; i++)
      if (strcmp(key[i], key[count]) == 0)
        status = json_fail(j, "__metadata__ has the same key twice");
    count++;
    more = !status && json_take(j, ',');
    if (!status && !more)
      status = json_expect(j, '}');
  }
  free(key);
  return status;
}

static resnet18_status tensor_fail(const json *j, const char *name, const char *what) {
  return r18_fail(j->error, RESNET18_ERROR_FORMAT, "%s: tensor '%s' %s", j->source, name, what);
}

static resnet18_status read_dtype(json *j, r18_tensor *tensor) {
  char name[16];
  resnet18_status status = json_string(j, name, sizeof name);
  if (status)
    return status;
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
    if (strcmp(name, r18_dtype_name(dtypes[i])) == 0) {
      tensor->dtype = dtypes[i];
      return RESNET18_OK;
    }
  return r18_fail(j->error, RESNET18_ERROR_FORMAT,
                  "%s: tensor '%s' has the dtype '%s' instead of F32, F16, BF16, I8 or I64", j->source, tensor->name,
                  name);
}

/* One of the three properties; `seen` has a bit for each. */
static resnet18_status read_property(json *j, r18_tensor *tensor, span *place, unsigned *seen) {
  static const char *const names[] = {"dtype", "shape", "data_offsets"};
  char name[R18_MAX_NAME];
  uint64_t offset[2];
  unsigned which = 0, count;
  resnet18_status status = json_string(j, name, sizeof name);
  if (!status)
    status = json_expect(j, ':');
  if (status)
    return status;
  while (which < 3 && strcmp(name, names[which]) != 0)
    which++;
  if (which == 3)
    return r18_fail(j->error, RESNET18_ERROR_FORMAT, "%s: tensor '%s' has an unknown property '%s'", j->source,
                    tensor->name, name);
  if (*seen & 1u << which)
    return r18_fail(j->error, RESNET18_ERROR_FORMAT, "%s: tensor '%s' has the property '%s' twice", j->source,
                    tensor->name, name);
  *seen |= 1u << which;
  if (which == 0)
    return read_dtype(j, tensor);
  if (which == 1)
    return json_integers(j, tensor->shape, R18_MAX_DIMS, &tensor->dims);
  status = json_integers(j, offset, 2, &count);
  if (!status && count != 2)
    status = tensor_fail(j, tensor->name, "has data_offsets that are not two numbers");
  if (!status)
    *place = (span){offset[0], offset[1]};
  return status;
}

/* Bytes of dtype * shape; false if that is more than a file can have. */
static bool tensor_bytes(const r18_tensor *tensor, uint64_t *bytes) {
  uint64_t product = r18_dtype_bytes(tensor->dtype);
  for (unsigned i = 0; i < tensor->dims; i++)
    if (__builtin_mul_overflow(product, tensor->shape[i], &product) || product > INT64_MAX)
      return false;
  *bytes = product;
  return true;
}

static resnet18_status check_tensor(const json *j, r18_tensor *tensor, const span *place, uint64_t data_size) {
  uint64_t bytes;
  if (!tensor_bytes(tensor, &bytes))
    return tensor_fail(j, tensor->name, "has a shape whose product overflows");
  if (place->end < place->begin)
    return tensor_fail(j, tensor->name, "ends before it begins");
  if (place->end - place->begin != bytes)
    return r18_fail(j->error, RESNET18_ERROR_FORMAT,
                    "%s: tensor '%s' has %ju bytes of data, but its dtype and shape need %ju", j->source, tensor->name,
                    (uintmax_t)(place->end - place->begin), (uintmax_t)bytes);
  if (place->end > data_size)
    return r18_fail(j->error, RESNET18_ERROR_FORMAT, "%s: tensor '%s' ends %ju bytes behind the end of the file",
                    j->source, tensor->name, (uintmax_t)(place->end - data_size));
  tensor->bytes = (size_t)bytes;
  tensor->data = j->end + place->begin;
  return RESNET18_OK;
}

static resnet18_status read_tensor(json *j, r18_tensor *tensor, span *place, uint64_t data_size) {
  unsigned seen = 0;
  resnet18_status status = json_expect(j, '{');
  bool more = !status && !json_take(j, '}');
  while (more && !status) {
    status = read_property(j, tensor, place, &seen);
    more = !status && json_take(j, ',');
    if (!status && !more)
      status = json_expect(j, '}');
  }
  if (status)
    return status;
  if (seen != 7)
    return tensor_fail(j, tensor->name,
                       !(seen & 1)   ? "has no dtype"
                       : !(seen & 2) ? "has no shape"
                                     : "has no data_offsets");
  return check_tensor(j, tensor, place, data_size);
}

/* One "name": {...}. */
static resnet18_status read_entry(json *j, r18_tensors *tensors, span *place, uint64_t data_size, bool *metadata) {
  char name[R18_MAX_NAME];
  resnet18_status status = json_string(j, name, sizeof name);
  if (!status)
    status = json_expect(j, ':');
  if (status)
    return status;
  if (strcmp(name, "__metadata__") == 0) {
    if (*metadata)
      return json_fail(j, "__metadata__ occurs twice");
    *metadata = true;
    return read_metadata(j);
  }
  if (r18_tensors_find(tensors, name))
    return tensor_fail(j, name, "occurs twice");
  if (tensors->count == R18_MAX_TENSORS)
    return r18_fail(j->error, RESNET18_ERROR_FORMAT, "%s: has more than %d tensors", j->source, R18_MAX_TENSORS);
  r18_tensor *tensor = &tensors->tensor[tensors->count];
  memcpy(tensor->name, name, sizeof name);
  status = read_tensor(j, tensor, &place[tensors->count], data_size);
  tensors->count += !status;
  return status;
}

static resnet18_status read_header(json *j, r18_tensors *tensors, span *place, uint64_t data_size) {
  bool metadata = false;
  resnet18_status status = json_expect(j, '{');
  bool more = !status && !json_take(j, '}');
  while (more && !status) {
    status = read_entry(j, tensors, place, data_size, &metadata);
    more = !status && json_take(j, ',');
    if (!status && !more)
      status = json_expect(j, '}');
  }
  json_skip_space(j);
  if (!status && j->at != j->end)
    status = json_fail(j, "something follows the last bracket");
  if (!status && tensors->count == 0)
    status = r18_fail(j->error, RESNET18_ERROR_FORMAT, "%s: has no tensors", j->source);
  return status;
}

/* ---- Layout --------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b) {
  const r18_tensor *x = a, *y = b;
  if (x->data != y->data)
    return x->data < y->data ? -1 : 1;
  return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Sorts the tensors by place: they must cover the data without overlap, hole or rest. */
static resnet18_status check_layout(r18_tensors *tensors, const unsigned char *data, resnet18_error *error) {
  const unsigned char *end = tensors->base + tensors->size;
  const char *before = NULL;
  qsort(tensors->tensor, tensors->count, sizeof *tensors->tensor, by_place);
  for (size_t i = 0; i < tensors->count; i++) {
    const r18_tensor *tensor = &tensors->tensor[i];
    if (tensor->data < data)
      return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: tensor '%s' overlaps tensor '%s'", tensors->source,
                      tensor->name, before);
    if (tensor->data > data)
      return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: %zu bytes before tensor '%s' belong to no tensor",
                      tensors->source, (size_t)(tensor->data - data), tensor->name);
    data = tensor->data + tensor->bytes;
    before = tensor->name;
  }
  if (data != end)
    return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: %zu bytes follow the last tensor", tensors->source,
                    (size_t)(end - data));
  return RESNET18_OK;
}

static uint64_t little_endian64(const unsigned char *bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; i--)
    value = value << 8 | bytes[i];
  return value;
}

static resnet18_status check_length(const r18_tensors *tensors, uint64_t *length, resnet18_error *error) {
  if (tensors->size < LENGTH_BYTES + 2)
    return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: has only %zu bytes, too few for a safetensors file",
                    tensors->source, tensors->size);
  *length = little_endian64(tensors->base);
  if (*length > MAX_HEADER)
    return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: claims a header of %ju bytes, more than the %d allowed",
                    tensors->source, (uintmax_t)*length, MAX_HEADER);
  if (*length > tensors->size - LENGTH_BYTES)
    return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: claims a header of %ju bytes, but ends after %zu",
                    tensors->source, (uintmax_t)*length, tensors->size - LENGTH_BYTES);
  if (*length == 0 || tensors->base[LENGTH_BYTES] != '{')
    return r18_fail(error, RESNET18_ERROR_FORMAT, "%s: the header does not begin with '{'", tensors->source);
  return RESNET18_OK;
}

resnet18_status r18_safetensors_read(r18_tensors *tensors, resnet18_error *error) {
  uint64_t length = 0;
  resnet18_status status = check_length(tensors, &length, error);
  if (status)
    return status;
  span *place = calloc(R18_MAX_TENSORS, sizeof *place);
  tensors->tensor = calloc(R18_MAX_TENSORS, sizeof *tensors->tensor);
  if (!place || !tensors->tensor) {
    status = r18_fail_memory(error, R18_MAX_TENSORS * sizeof *tensors->tensor);
    goto out;
  }
  const unsigned char *header = tensors->base + LENGTH_BYTES, *data = header + length;
  json j = {.source = tensors->source, .start = header, .at = header, .end = data, .error = error};
  status = read_header(&j, tensors, place, tensors->size - LENGTH_BYTES - length);
  if (!status)
    status = check_layout(tensors, data, error);
  if (!status)
    r18_ok(error);
out:
  free(place);
  return status;
}
