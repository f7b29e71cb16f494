/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* KServe requests, good and bad, and the answers to them. */
#include "kserve_answer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define CLASSES 1000
#define MOST 4 /* pictures */
#define NUMBERS (3 * 224 * 224)

/* ---- Numbers ---- */

static void test_numbers(void **state) {
  static const struct {
    const char *text;
    kserve_type type;
    int64_t shape[3];
    size_t rank;
    const char *reason; /* a part of it, or NULL: it is good */
    float numbers[6];
  } cases[] = {
      {"[1,2,3,4,5,6]", KSERVE_FP32, {1, 2, 3}, 3, NULL, {1, 2, 3, 4, 5, 6}},
      {"[[[1,2,3],[4,5,6]]]", KSERVE_FP32, {1, 2, 3}, 3, NULL, {1, 2, 3, 4, 5, 6}},
      {" [ [\n[1 , 2,3 ] ,[4,5,\t6] ]\r]", KSERVE_FP32, {1, 2, 3}, 3, NULL, {1, 2, 3, 4, 5, 6}},
      {"[-0.5,1e2,1.5E-1,0,-0,2e+1]", KSERVE_FP32, {6}, 1, NULL, {-0.5f, 100, 0.15f, 0, -0.0f, 20}},
      {"[0,255,7,128,1.0,2e1]", KSERVE_UINT8, {6}, 1, NULL, {0, 255, 7, 128, 1, 20}},
      {"[1,2,3]", KSERVE_FP32, {4}, 1, "fewer", {0}},
      {"[1,2,3,4,5]", KSERVE_FP32, {4}, 1, "more", {0}},
      {"[]", KSERVE_FP32, {1}, 1, "no number", {0}},
      {"[1,]", KSERVE_FP32, {2}, 1, "no number", {0}},
      {"[1 2]", KSERVE_FP32, {2}, 1, "no comma", {0}},
      {"[[1,2],[3]]", KSERVE_FP32, {2, 2}, 2, "fewer", {0}},
      {"[[1,2],[3,4],[5,6]]", KSERVE_FP32, {2, 2}, 2, "more", {0}},
      {"[[1,2,3,4]]", KSERVE_FP32, {2, 2}, 2, "more", {0}},
      {"[[1,2],3,4]", KSERVE_FP32, {2, 2}, 2, "nested", {0}},
      {"[1,[2]]", KSERVE_FP32, {2}, 1, "no number", {0}},
      {"[[[1,2]]]", KSERVE_FP32, {2}, 1, "no number", {0}},
      {"[01]", KSERVE_FP32, {1}, 1, "no number", {0}},
      {"[+1]", KSERVE_FP32, {1}, 1, "no number", {0}},
      {"[.5]", KSERVE_FP32, {1}, 1, "no number", {0}},
      {"[5.]", KSERVE_FP32, {1}, 1, "no number", {0}},
      {"[1e]", KSERVE_FP32, {1}, 1, "no number", {0}},
      {"[--1]", KSERVE_FP32, {1}, 1, "no number", {0}},
      {"[0x10]", KSERVE_FP32, {1}, 1, "not a list", {0}},
      {"[nan]", KSERVE_FP32, {1}, 1, "no number", {0}},
      {"[true]", KSERVE_FP32, {1}, 1, "no number", {0}},
      {"[1e39]", KSERVE_FP32, {1}, 1, "too large", {0}},
      {"[-1e400]", KSERVE_FP32, {1}, 1, "too large", {0}},
      {"[0.0000000000000000000000000000000000000000000000000000000000000000001]", KSERVE_FP32, {1}, 1, "digits", {0}},
      {"[256]", KSERVE_UINT8, {1}, 1, "0 to 255", {0}},
      {"[-1]", KSERVE_UINT8, {1}, 1, "0 to 255", {0}},
      {"[1.5]", KSERVE_UINT8, {1}, 1, "0 to 255", {0}},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    /* Memory that ends with the text and with the tensor, so that the sanitizer sees every step too far. */
    size_t length = strlen(cases[i].text), count = 1;
    char *text = malloc(length), reason[256] = "";
    memcpy(text, cases[i].text, length);
    size_t lead = cases[i].text[0] == ' ' ? 1 : 0; /* an array begins with its bracket */
    for (size_t k = 0; k < cases[i].rank; k++)
      count *= (size_t)cases[i].shape[k];
    void *out = malloc(count * (cases[i].type == KSERVE_FP32 ? 4 : 1));
    bool good = kserve_read_numbers(&(kserve_array){text + lead, length - lead}, cases[i].type, cases[i].shape,
                                    cases[i].rank, out, reason);
    if (good != !cases[i].reason || (!good && !strstr(reason, cases[i].reason)))
      fail_msg("%s: '%s'", cases[i].text, good ? "is read" : reason);
    for (size_t k = 0; good && k < count; k++)
      assert_float_equal(cases[i].type == KSERVE_FP32 ? ((float *)out)[k] : ((uint8_t *)out)[k], cases[i].numbers[k],
                         0);
    free(out);
    free(text);
  }
}

static void test_cut(void **state) {
  static const struct {
    const char *text, *rest; /* NULL: refused */
    size_t arrays;
  } cases[] = {
      {"{\"inputs\":[{\"data\":[1,2]}]}", "{\"inputs\":[{\"data\":0}]}", 1},
      {"{\"inputs\":[{\"data\" : [[1],[2]]},{\"data\":[3]}]}", "{\"inputs\":[{\"data\":0},{\"data\":1}]}", 2},
      {"{\"data\":[1,2]}", "{\"data\":[1,2]}", 0},
      {"{\"inputs\":[{\"name\":\"data\"}]}", "{\"inputs\":[{\"name\":\"data\"}]}", 0},
      {"{\"inputs\":[{\"name\":\"\\\"data\\\":[1]\"}]}", "{\"inputs\":[{\"name\":\"\\\"data\\\":[1]\"}]}", 0},
      {"{\"a\":{\"b\":{\"data\":[1]}}}", "{\"a\":{\"b\":{\"data\":[1]}}}", 0},
      {"{\"inputs\":[{\"data\":3}]}", NULL, 0},
      {"{\"inputs\":[{\"data\":\"x\"}]}", NULL, 0},
      {"{\"inputs\":[{\"data\":", NULL, 0},
      {"{\"inputs\":[{\"data\":[1,", NULL, 0},
      {"{\"inputs\":[{\"data\":[{}]}]}", NULL, 0},
      {"{\"inputs\":[{\"data\":[\"x\"]}]}", NULL, 0},
      {"{\"inputs\":[{\"data\":[[[[[[[[[1]]]]]]]]]}]}", NULL, 0},
      {"{\"inputs\":[{\"na", NULL, 0},
      {"{\"inputs\":[{\"na\\", NULL, 0},
      {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", NULL, 0},
      {"", "", 0},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    size_t length = strlen(cases[i].text);
    char *text = malloc(length ? length : 1), reason[256] = "";
    memcpy(text, cases[i].text, length);
    kserve_cut_text cut;
    bool good = kserve_cut(text, length, &cut, reason);
    if (good != (cases[i].rest != NULL) ||
        (good && (cut.length != strlen(cases[i].rest) || cut.count != cases[i].arrays ||
                  memcmp(cut.rest, cases[i].rest, cut.length) != 0)))
      fail_msg("%s: '%.*s'", cases[i].text, good ? (int)cut.length : 255, good ? cut.rest : reason);
    free(cut.rest);
    free(text);
  }
}

/* ---- Requests ---- */

#define SHAPE "\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,3,224,224]"
#define INPUT(more) "{\"inputs\":[{" SHAPE "," more "}]}"
#define BINARY "\"parameters\":{\"binary_data_size\":602112}"

/* The request whose JSON has NUMBERS zeros in place of each '#'; `tail` bytes of zeros behind. */
static GByteArray *make_body(const char *json, size_t tail, size_t *json_length) {
  GByteArray *body = g_byte_array_new();
  for (; *json; json++) {
    if (*json != '#')
      g_byte_array_append(body, (const guint8 *)json, 1);
    for (size_t i = 0; *json == '#' && i < NUMBERS; i++)
      g_byte_array_append(body, (const guint8 *)(i ? ",0" : "0"), i ? 2 : 1);
  }
  *json_length = body->len;
  g_byte_array_set_size(body, (guint)(body->len + tail));
  if (tail)
    memset(body->data + *json_length, 0, tail);
  return body;
}

static bool parse(const char *model, const char *json, size_t tail, kserve_request *request, char reason[static 256]) {
  size_t json_length;
  GByteArray *body = make_body(json, tail, &json_length);
  char header[32];
  snprintf(header, sizeof header, "%zu", json_length);
  /* Its own memory, for the sanitizer. */
  void *copy = malloc(body->len ? body->len : 1);
  if (body->len)
    memcpy(copy, body->data, body->len);
  reason[0] = 0;
  bool good =
      kserve_parse(kserve_find_model(model), copy, body->len, tail ? header : NULL, CLASSES, MOST, request, reason);
  free(copy);
  g_byte_array_unref(body);
  return good;
}

static void test_good_requests(void **state) {
  static const struct {
    const char *model, *json;
    size_t tail, pictures, outputs;
    kserve_output first;
    const char *id;
  } cases[] = {
      {"resnet18", INPUT("\"data\":[#]"), 0, 1, 2, {KSERVE_LOGITS, 0, false}, NULL},
      {"resnet18", INPUT(BINARY), 602112, 1, 2, {KSERVE_LOGITS, 0, false}, NULL},
      {"resnet18",
       "{\"id\":\"a\",\"outputs\":[],\"parameters\":{\"binary_data_output\":true},\"inputs\":[{" SHAPE "," BINARY "}]}",
       602112,
       1,
       2,
       {KSERVE_LOGITS, 0, true},
       "a"},
      {"resnet18",
       "{\"id\":\"\",\"outputs\":[{\"name\":\"features\"}],\"inputs\":[{" SHAPE "," BINARY "}]}",
       602112,
       1,
       1,
       {KSERVE_FEATURES, 0, false},
       ""},
      {"resnet18",
       "{\"outputs\":[{\"name\":\"logits\",\"parameters\":{\"classification\":5000,\"binary_data\":true}}],\"inputs\":["
       "{" SHAPE "," BINARY "}]}",
       602112,
       1,
       1,
       {KSERVE_LOGITS, CLASSES, true},
       NULL},
      {"resnet18",
       "{\"parameters\":{\"binary_data_output\":true},\"outputs\":[{\"name\":\"logits\",\"parameters\":{\"binary_"
       "data\":false}},"
       "{\"name\":\"features\"}],\"inputs\":[{" SHAPE "," BINARY "}],\"unheard\":{\"of\":[1,{}]}}",
       602112,
       1,
       2,
       {KSERVE_LOGITS, 0, false},
       NULL},
      {"resnet18-rgb",
       "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"UINT8\",\"shape\":[2,224,224,3],\"data\":[#,#]}]}",
       0,
       2,
       1,
       {KSERVE_LOGITS, 0, false},
       NULL},
      {"resnet18-rgb",
       "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"UINT8\",\"shape\":[4,224,224,3],\"parameters\":{\"binary_data_"
       "size\":602112}}]}",
       602112,
       4,
       1,
       {KSERVE_LOGITS, 0, false},
       NULL},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    kserve_request request;
    char reason[256];
    if (!parse(cases[i].model, cases[i].json, cases[i].tail, &request, reason))
      fail_msg("%s: %s", cases[i].json, reason);
    assert_int_equal(request.pictures, cases[i].pictures);
    assert_int_equal(request.output_count, cases[i].outputs);
    assert_int_equal(request.outputs[0].kind, cases[i].first.kind);
    assert_int_equal(request.outputs[0].classification, cases[i].first.classification);
    assert_int_equal(request.outputs[0].binary, cases[i].first.binary);
    if (cases[i].id)
      assert_string_equal(request.id, cases[i].id);
    else
      assert_null(request.id);
    kserve_request_clear(&request);
  }
}

static void test_bad_requests(void **state) {
  static const struct {
    const char *json;
    size_t tail;
    const char *reason; /* a part of it */
  } cases[] = {
      {"", 0, "cannot be read"},
      {"[]", 0, "not an object"},
      {"{}", 0, "\"inputs\" is not"},
      {"{\"inputs\":[]}", 0, "0 inputs"},
      {"{\"inputs\":[{},{}]}", 0, "2 inputs"},
      {"{\"inputs\":[3]}", 0, "called \"input\""},
      {"{\"inputs\":[{\"name\":\"x\"}]}", 0, "called \"input\""},
      {"{\"inputs\":[],\"inputs\":[]}", 0, "duplicate"},
      {"{\"id\":3,\"inputs\":[]}", 0, "\"id\""},
      {"{\"id\":\"a\\u0000b\",\"inputs\":[]}", 0, "cannot be read"},
      {"{\"parameters\":3}", 0, "\"parameters\" of the request"},
      {"{\"parameters\":{\"binary_data_output\":1}}", 0, "binary_data_output"},
      {"{\"outputs\":{}}", 0, "\"outputs\" is not a list"},
      {"{\"outputs\":[1]}", 0, "not an object"},
      {"{\"outputs\":[{\"name\":\"prob\"}]}", 0, "no such output"},
      {"{\"outputs\":[{\"name\":\"logits\"},{\"name\":\"logits\"}]}", 0, "twice"},
      {"{\"outputs\":[{\"name\":\"logits\",\"parameters\":[]}]}", 0, "\"parameters\" of logits"},
      {"{\"outputs\":[{\"name\":\"logits\",\"parameters\":{\"classification\":0}}]}", 0, "is 0"},
      {"{\"outputs\":[{\"name\":\"logits\",\"parameters\":{\"classification\":-1}}]}", 0, "whole number"},
      {"{\"outputs\":[{\"name\":\"logits\",\"parameters\":{\"classification\":1.5}}]}", 0, "whole number"},
      {"{\"outputs\":[{\"name\":\"logits\",\"parameters\":{\"shared_memory_region\":\"a\"}}]}", 0, "shared memory"},
      {INPUT("\"data\":[1,2]"), 0, "fewer"},
      {INPUT("\"data\":[#,1]"), 0, "more"},
      {INPUT("\"parameters\":{}"), 0, "neither"},
      {INPUT("\"d\\u0061ta\":0"), 0, "neither"},
      {INPUT("\"data\":[#]," BINARY), 602112, "both"},
      {INPUT("\"data\":[#]"), 4, "belong to no tensor"},
      {INPUT(BINARY), 602111, "should have 602112"},
      {INPUT(BINARY), 602116, "should have 602112"},
      {INPUT("\"parameters\":{\"binary_data_size\":4}"), 4, "should have 602112"},
      {INPUT("\"parameters\":{\"binary_data_size\":-4}"), 0, "whole number"},
      {INPUT("\"parameters\":{\"shared_memory_region\":\"a\"}"), 0, "shared memory"},
      {"{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP16\"}]}", 0, "not FP32"},
      {"{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[5,3,224,224]}]}", 0, "more than 4"},
      {"{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[9223372036854775807,3,224,224]}]}", 0,
       "more than 4"},
      {"{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[0,3,224,224]}]}", 0, "[N, 3, 224, 224]"},
      {"{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[-1,3,224,224]}]}", 0, "[N, 3, 224, 224]"},
      {"{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,224,224,3]}]}", 0, "[N, 3, 224, 224]"},
      {"{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[3,224,224]}]}", 0, "[N, 3, 224, 224]"},
      {"{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":\"x\"}]}", 0, "[N, 3, 224, 224]"},
      {"{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1.0,3,224,224]}]}", 0, "[N, 3, 224, 224]"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    kserve_request request;
    char reason[256];
    if (parse("resnet18", cases[i].json, cases[i].tail, &request, reason))
      fail_msg("%s: is taken", cases[i].json);
    if (!strstr(reason, cases[i].reason))
      fail_msg("%s: '%s', not '%s'", cases[i].json, reason, cases[i].reason);
    assert_null(request.data);
  }
}

/* What is no tensor has a limit of its own. */
static void test_large_rest(void **state) {
  GString *json = g_string_new("{\"id\":\"");
  for (size_t i = 0; i < KSERVE_MAX_REST; i++)
    g_string_append_c(json, 'x');
  g_string_append(json, "\"}");
  kserve_request request;
  char reason[256];
  assert_false(parse("resnet18", json->str, 0, &request, reason));
  assert_non_null(strstr(reason, "too large"));
  g_string_free(json, TRUE);
}

/* The length of the JSON comes from the client as well. */
static void test_json_length(void **state) {
  static const char *const bad[] = {"", "-1", "x", "1x", " 1", "999999", "18446744073709551616"};
  size_t length;
  GByteArray *body = make_body(INPUT(BINARY), 602112, &length);
  for (size_t i = 0; i < COUNT(bad); i++) {
    kserve_request request;
    char reason[256];
    assert_false(kserve_parse(&kserve_models[0], body->data, body->len, bad[i], CLASSES, MOST, &request, reason));
    assert_non_null(strstr(reason, "Inference-Header-Content-Length"));
  }
  g_byte_array_unref(body);
}

static void test_not_finite(void **state) {
  static const float bad[] = {NAN, INFINITY, -INFINITY};
  for (size_t i = 0; i < COUNT(bad); i++) {
    size_t length;
    GByteArray *body = make_body(INPUT(BINARY), 602112, &length);
    char header[32], reason[256];
    kserve_request request;
    snprintf(header, sizeof header, "%zu", length);
    memcpy(body->data + body->len - 4, &bad[i], 4);
    assert_false(kserve_parse(&kserve_models[0], body->data, body->len, header, CLASSES, MOST, &request, reason));
    assert_non_null(strstr(reason, "NaN"));
    g_byte_array_unref(body);
  }
}

/* Every shorter request is refused, or is whole without its last bytes of white space. */
static void test_cut_short(void **state) {
  static const char json[] =
      "{\"id\":\"a\",\"outputs\":[{\"name\":\"logits\",\"parameters\":{\"classification\":3}}],\"inputs\":[{" SHAPE
      ",\"data\":[[1,2],[3,4]]}]}";
  for (size_t length = 0; length < sizeof json; length++) {
    kserve_request request;
    char reason[256] = "", *copy = malloc(length ? length : 1);
    memcpy(copy, json, length);
    assert_false(kserve_parse(&kserve_models[0], copy, length, NULL, CLASSES, MOST, &request, reason));
    assert_true(reason[0] != 0);
    free(copy);
  }
}

/* ---- Answers ---- */

typedef struct {
  float logits[2 * CLASSES], features[2 * RESNET18_FEATURES];
  kserve_result result;
  resnet18_labels *labels;
} answer_case;

/* Class 281 leads in the first picture, 504 in the second; 7 and 9 are equal and second in both. */
static int make_answer_case(void **state) {
  answer_case *c = calloc(1, sizeof *c);
  for (size_t p = 0; p < 2; p++) {
    for (size_t i = 0; i < CLASSES; i++)
      c->logits[p * CLASSES + i] = -(float)i / 3;
    c->logits[p * CLASSES + (p ? 504 : 281)] = 9.25f;
    c->logits[p * CLASSES + 7] = c->logits[p * CLASSES + 9] = 5.5f;
    for (size_t i = 0; i < RESNET18_FEATURES; i++)
      c->features[p * RESNET18_FEATURES + i] = (float)i / 7 + (float)p;
  }
  c->result = (kserve_result){c->logits, c->features, CLASSES};
  resnet18_error error;
  assert_int_equal(resnet18_labels_load(NULL, CLASSES, &c->labels, &error), RESNET18_OK);
  *state = c;
  return 0;
}

static int free_answer_case(void **state) {
  answer_case *c = *state;
  resnet18_labels_unref(c->labels);
  free(c);
  return 0;
}

static json_t *answer_json(const GByteArray *answer, size_t length) {
  json_error_t error;
  json_t *root = json_loadb((const char *)answer->data, length ? length : answer->len, JSON_REJECT_DUPLICATES, &error);
  if (!root)
    fail_msg("the answer is no JSON: %s", error.text);
  return root;
}

static void test_answer_json(void **state) {
  answer_case *c = *state;
  kserve_request request = {.model = &kserve_models[0],
                            .id = "x",
                            .pictures = 2,
                            .output_count = 2,
                            .outputs = {{KSERVE_LOGITS, 0, false}, {KSERVE_FEATURES, 0, false}}};
  size_t length;
  char reason[256];
  GByteArray *answer = kserve_answer(&request, &c->result, c->labels, &length, reason);
  assert_non_null(answer);
  assert_int_equal(length, 0);
  json_t *root = answer_json(answer, 0);
  const char *id, *model, *names[2], *types[2];
  json_int_t shapes[2][2];
  json_t *data[2];
  assert_int_equal(json_unpack(root, "{s:s, s:s, s:[{s:s, s:s, s:[I, I], s:o}, {s:s, s:s, s:[I, I], s:o}]}", "id", &id,
                               "model_name", &model, "outputs", "name", &names[0], "datatype", &types[0], "shape",
                               &shapes[0][0], &shapes[0][1], "data", &data[0], "name", &names[1], "datatype", &types[1],
                               "shape", &shapes[1][0], &shapes[1][1], "data", &data[1]),
                   0);
  assert_string_equal(id, "x");
  assert_string_equal(names[0], "logits");
  assert_string_equal(names[1], "features");
  assert_string_equal(types[1], "FP32");
  assert_int_equal(shapes[0][0] * shapes[0][1], 2 * CLASSES);
  assert_int_equal(shapes[1][0] * shapes[1][1], 2 * RESNET18_FEATURES);
  for (size_t i = 0; i < 2 * CLASSES; i++)
    assert_true((float)json_number_value(json_array_get(data[0], i)) == c->logits[i]);
  for (size_t i = 0; i < 2 * RESNET18_FEATURES; i++)
    assert_true((float)json_number_value(json_array_get(data[1], i)) == c->features[i]);
  json_decref(root);
  g_byte_array_unref(answer);
}

static void test_answer_binary(void **state) {
  answer_case *c = *state;
  kserve_request request = {.model = &kserve_models[0],
                            .pictures = 2,
                            .output_count = 2,
                            .outputs = {{KSERVE_FEATURES, 0, true}, {KSERVE_LOGITS, 0, true}}};
  size_t length, features = sizeof c->features, logits = sizeof c->logits;
  char reason[256];
  GByteArray *answer = kserve_answer(&request, &c->result, c->labels, &length, reason);
  assert_int_equal(answer->len, length + features + logits);
  assert_memory_equal(answer->data + length, c->features, features);
  assert_memory_equal(answer->data + length + features, c->logits, logits);
  json_t *root = answer_json(answer, length);
  json_int_t sizes[2];
  assert_int_equal(json_unpack(root, "{s:[{s:{s:I}}, {s:{s:I}}]}", "outputs", "parameters", "binary_data_size",
                               &sizes[0], "parameters", "binary_data_size", &sizes[1]),
                   0);
  assert_int_equal(sizes[0], features);
  assert_int_equal(sizes[1], logits);
  json_decref(root);
  g_byte_array_unref(answer);
}

static void test_classification(void **state) {
  static const char *const wanted[] = {"9.250000:281:tabby",      "5.500000:7:cock", "5.500000:9:ostrich",
                                       "9.250000:504:coffee mug", "5.500000:7:cock", "5.500000:9:ostrich"};
  answer_case *c = *state;
  for (int binary = 0; binary < 2; binary++) {
    kserve_request request = {
        .model = &kserve_models[0], .pictures = 2, .output_count = 1, .outputs = {{KSERVE_LOGITS, 3, binary != 0}}};
    size_t length, at;
    char reason[256];
    GByteArray *answer = kserve_answer(&request, &c->result, c->labels, &length, reason);
    json_t *root = answer_json(answer, length), *data = NULL;
    const char *type;
    assert_int_equal(json_unpack(root, "{s:[{s:s, s?o}]}", "outputs", "datatype", &type, "data", &data), 0);
    assert_string_equal(type, "BYTES");
    at = length;
    for (size_t i = 0; i < COUNT(wanted); i++) {
      if (!binary) {
        assert_string_equal(json_string_value(json_array_get(data, i)), wanted[i]);
        continue;
      }
      guint32 n;
      memcpy(&n, answer->data + at, 4);
      assert_int_equal(GUINT32_FROM_LE(n), strlen(wanted[i]));
      assert_memory_equal(answer->data + at + 4, wanted[i], strlen(wanted[i]));
      at += 4 + strlen(wanted[i]);
    }
    assert_int_equal(binary ? at : answer->len, answer->len);
    json_decref(root);
    g_byte_array_unref(answer);
  }
}

/* All classes, in order: the same as sorting. */
static void test_all_classes(void **state) {
  answer_case *c = *state;
  kserve_request request = {
      .model = &kserve_models[0], .pictures = 1, .output_count = 1, .outputs = {{KSERVE_LOGITS, CLASSES, false}}};
  size_t length;
  char reason[256];
  GByteArray *answer = kserve_answer(&request, &c->result, c->labels, &length, reason);
  json_t *root = answer_json(answer, 0), *data;
  assert_int_equal(json_unpack(root, "{s:[{s:o}]}", "outputs", "data", &data), 0);
  assert_int_equal(json_array_size(data), CLASSES);
  double before = INFINITY;
  for (size_t i = 0; i < CLASSES; i++) {
    double value = strtod(json_string_value(json_array_get(data, i)), NULL);
    assert_true(value <= before);
    before = value;
  }
  json_decref(root);
  g_byte_array_unref(answer);
}

/* JSON has no infinity, binary tensors do. */
static void test_answer_not_finite(void **state) {
  answer_case *c = *state;
  size_t length;
  char reason[256] = "";
  kserve_request request = {
      .model = &kserve_models[0], .pictures = 1, .output_count = 1, .outputs = {{KSERVE_LOGITS, 0, false}}};
  c->logits[3] = INFINITY;
  assert_null(kserve_answer(&request, &c->result, c->labels, &length, reason));
  assert_non_null(strstr(reason, "so large"));
  request.outputs[0].binary = true;
  GByteArray *answer = kserve_answer(&request, &c->result, c->labels, &length, reason);
  assert_non_null(answer);
  g_byte_array_unref(answer);
}

/* ---- Metadata ---- */

static void test_metadata(void **state) {
  const kserve_facts facts = {"built-in", "int8", "avx2", 1000, 16};
  for (const kserve_model *model = kserve_models; model->name; model++) {
    json_t *metadata = kserve_model_metadata(model, &facts), *config = kserve_model_config(model, &facts), *outputs;
    json_int_t shape[4], dims[3], most;
    assert_non_null(metadata);
    assert_non_null(config);
    assert_int_equal(json_unpack(metadata, "{s:[{s:[I,I,I,I]}], s:o}", "inputs", "shape", &shape[0], &shape[1],
                                 &shape[2], &shape[3], "outputs", &outputs),
                     0);
    assert_int_equal(json_unpack(config, "{s:[{s:[I,I,I]}], s:I}", "input", "dims", &dims[0], &dims[1], &dims[2],
                                 "max_batch_size", &most),
                     0);
    assert_int_equal(shape[0], -1);
    assert_memory_equal(shape + 1, dims, sizeof dims);
    assert_int_equal(dims[0] * dims[1] * dims[2], NUMBERS);
    assert_int_equal(json_array_size(outputs), model->outputs);
    assert_int_equal(most, 16);
    json_decref(metadata);
    json_decref(config);
  }
  json_t *server = kserve_server_metadata();
  assert_int_equal(json_array_size(json_object_get(server, "extensions")), 3);
  json_decref(server);
  assert_null(kserve_find_model("resnet50"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_numbers),
      cmocka_unit_test(test_cut),
      cmocka_unit_test(test_good_requests),
      cmocka_unit_test(test_bad_requests),
      cmocka_unit_test(test_large_rest),
      cmocka_unit_test(test_json_length),
      cmocka_unit_test(test_not_finite),
      cmocka_unit_test(test_cut_short),
      cmocka_unit_test_setup_teardown(test_answer_json, make_answer_case, free_answer_case),
      cmocka_unit_test_setup_teardown(test_answer_binary, make_answer_case, free_answer_case),
      cmocka_unit_test_setup_teardown(test_classification, make_answer_case, free_answer_case),
      cmocka_unit_test_setup_teardown(test_all_classes, make_answer_case, free_answer_case),
      cmocka_unit_test_setup_teardown(test_answer_not_finite, make_answer_case, free_answer_case),
      cmocka_unit_test(test_metadata),
  };
  return cmocka_run_group_tests_name("kserve", tests, NULL, NULL);
}
