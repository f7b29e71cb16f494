/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration file: what is wrong with a text, line for line; what a good one makes. */
#include "config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- TOML ---------------------------------------------------------------------------------------------- */

/* One value, as text. */
static void show(const toml_value *v, GString *to) {
  switch (v->kind) {
  case TOML_STRING:
    g_string_append_printf(to, "'%s'", v->string);
    break;
  case TOML_INTEGER:
    g_string_append_printf(to, "%" G_GINT64_FORMAT, v->integer);
    break;
  case TOML_FLOAT:
    g_string_append_printf(to, "f%.12g", v->number);
    break;
  case TOML_BOOLEAN:
    g_string_append(to, v->boolean ? "true" : "false");
    break;
  default:
    g_string_append_c(to, v->kind == TOML_ARRAY ? '[' : '{');
    for (guint i = 0; i < v->items->len; i++) {
      const toml_value *item = v->items->pdata[i];
      g_string_append(to, i ? " " : "");
      if (item->name)
        g_string_append_printf(to, "%s=", item->name);
      show(item, to);
    }
    g_string_append_c(to, v->kind == TOML_ARRAY ? ']' : '}');
  }
}

static const struct {
  const char *text, *wanted;
} good_toml[] = {
    {"", "{}"},
    {"\xef\xbb\xbf# mark\n", "{}"},
    {"a=1", "{a=1}"},
    {"a = 1 # one\r\nb = 2\r\n", "{a=1 b=2}"},
    {"a = +1_000\nb = -0\nc = 0xdead_BEEF\nd = 0o755\ne = 0b1101", "{a=1000 b=0 c=3735928559 d=493 e=13}"},
    {"a = 9223372036854775807\nb = -9223372036854775808", "{a=9223372036854775807 b=-9223372036854775808}"},
    {"a = 1.5\nb = -2e3\nc = 6.5E-1\nd = 1_0.2_5\ne = +inf\nf = -inf",
     "{a=f1.5 b=f-2000 c=f0.65 d=f10.25 e=finf f=f-inf}"},
    {"a = true\nb = false", "{a=true b=false}"},
    {"a = \"x\\t\\\"\\\\\\u00e9\\U0001F600\"", "{a='x\t\"\\\xc3\xa9\xf0\x9f\x98\x80'}"},
    {"a = 'C:\\x\\n'\nb = ''", "{a='C:\\x\\n' b=''}"},
    {"a = \"\"\"\nx\n  y\"\"\"", "{a='x\n  y'}"},
    {"a = \"\"\"x \\\n   \n  y\"\"\"", "{a='x y'}"},
    {"a = \"\"\"\"x\"\"\"\"\"", "{a='\"x\"\"'}"},
    {"a = '''\nx'y''z\\'''", "{a='x'y''z\\'}"},
    {"a = [1, 2,\n # two\n 3,\n]\nb = []\nc = [[1], ['x']]", "{a=[1 2 3] b=[] c=[[1] ['x']]}"},
    {"a = {b = 1, c.d = 'x'}\ne = {}", "{a={b=1 c={d='x'}} e={}}"},
    {"a.b.c = 1\na.b.d = 2\n\"x y\".'z' = 3", "{a={b={c=1 d=2}} x y={z=3}}"},
    {"[a]\nx = 1\n[a.b]\ny = 2\n[ c . \"d\" ]\nz = 3", "{a={x=1 b={y=2}} c={d={z=3}}}"},
    {"[a.b]\nx = 1\n[a]\ny = 2", "{a={b={x=1} y=2}}"},
    {"[[a]]\nx = 1\n[[a]]\n[a.b]\ny = 2", "{a=[{x=1} {b={y=2}}]}"},
    {"1234 = 1\n- = 2\n\"\" = 3", "{1234=1 -=2 =3}"},
};

static void toml_is_read(void **state) {
  for (size_t i = 0; i < G_N_ELEMENTS(good_toml); i++) {
    problems *p = problems_new("f");
    toml_value *root = toml_read(good_toml[i].text, strlen(good_toml[i].text), p);
    GString *found = g_string_new(NULL);
    show(root, found);
    char *wrong = problems_text(p);
    assert_string_equal(wrong, "");
    assert_string_equal(found->str, good_toml[i].wanted);
    g_free(wrong);
    g_string_free(found, TRUE);
    toml_free(root);
    problems_free(p);
  }
}

static const struct {
  const char *text, *wanted;
} bad_toml[] = {
    {"a", "f:1: a: '=' is wanted, not the end of the file\n"},
    {"a =\nb = 1", "f:1: a: a value is wanted, not the end of the line\n"},
    {"a = 1 2", "f:1: the end of the line is wanted, not '2'\n"},
    {"= 1", "f:1: a name is wanted, not '='\n"},
    {"a = b", "f:1: a: 'b' is no value; a string needs quotes\n"},
    {"a = 01\nb = 1__0\nc = _1\nd = 1_\ne = 1.\nf = .5\ng = 1e\nh = +0x1\ni = 0x\nj = 0b2",
     "f:1: a: '01' is no value; a string needs quotes\n"
     "f:2: b: '1__0' is no value; a string needs quotes\n"
     "f:3: c: '_1' is no value; a string needs quotes\n"
     "f:4: d: '1_' is no value; a string needs quotes\n"
     "f:5: e: '1.' is no value; a string needs quotes\n"
     "f:6: f: '.5' is no value; a string needs quotes\n"
     "f:7: g: '1e' is no value; a string needs quotes\n"
     "f:8: h: '+0x1' is no value; a string needs quotes\n"
     "f:9: i: '0x' is no value; a string needs quotes\n"
     "f:10: j: '0b2' is no value; a string needs quotes\n"},
    {"a = 9223372036854775808\nb = 0xffffffffffffffff\nc = 1e999",
     "f:1: a: '9223372036854775808' is no value; a string needs quotes\n"
     "f:2: b: '0xffffffffffffffff' is no value; a string needs quotes\n"
     "f:3: c: '1e999' is no value; a string needs quotes\n"},
    {"a = 2024-02-30\nb = 07:32:00\nc = 1979-05-27T07:32:00Z",
     "f:1: a: '2024-02-30': dates and times are not used here\n"
     "f:2: b: '07:32:00': dates and times are not used here\n"
     "f:3: c: '1979-05-27T07:32:00Z': dates and times are not used here\n"},
    {"a = \"x\nb = 'y", "f:1: a: a closing \" is wanted, not the end of the line\n"
                        "f:2: b: a closing ' is wanted, not the end of the file\n"},
    {"a = \"\\x\"\nb = \"\\u12g4\"\nc = \"\\ud800\"\nd = \"\\u0000\"",
     "f:1: a: one of b t n f r \" \\ u U after a backslash is wanted, not 'x'\n"
     "f:2: b: a hexadecimal digit is wanted, not 'g'\n"
     "f:3: c: U+D800 cannot be in a string\n"
     "f:4: d: U+0000 cannot be in a string\n"},
    {"a = \"\"\"x\n\n", "f:1: a: \"\"\" is never closed\n"},
    {"a = 'x\x01'\n# \x02\nb = 1", "f:1: a: a closing ' is wanted, not U+0001\n"
                                   "f:2: a visible character is wanted, not U+0002\n"},
    {"a = [1,\n 2\n 3\n]\nb = x",
     "f:3: a: ',' or ']' is wanted, not '3'\nf:5: b: 'x' is no value; a string needs quotes\n"},
    {"a = [1, 2", "f:1: a: ',' or ']' is wanted, not the end of the file\n"},
    {"a = {b = 1,}", "f:1: a: a name is wanted, not '}'\n"},
    {"a = {b = 1\n}", "f:1: a: ',' or '}' is wanted, not the end of the line\n"},
    {"a = 1\na = 2", "f:2: a: is set already on line 1\n"},
    {"a.b = 1\na.b.c = 2", "f:2: a.b: nothing can be added to what was set on line 1\n"},
    {"[a]\n[a]", "f:2: a: is set already on line 1\n"},
    {"[a]\nb.c = 1\n[a.b]", "f:3: a.b: is set already on line 2\n"},
    {"a = {}\n[a.b]", "f:2: a: nothing can be added to what was set on line 1\n"},
    {"a = [{}]\n[[a]]", "f:2: a: is set already on line 1\n"},
    {"[[a]]\n[a]", "f:2: a: is set already on line 1\n"},
    {"[a]\n[[a]]", "f:2: a: is set already on line 1\n"},
    {"[a.b]\nx = 1\n[a]\nb.y = 2", "f:4: a.b: nothing can be added to what was set on line 1\n"},
    {"[a\nb = x\n[ ]\n[[c]\nd = 01", "f:1: ']' is wanted, not the end of the line\n"
                                     "f:2: b: 'x' is no value; a string needs quotes\n"
                                     "f:3: a name is wanted, not ']'\n"
                                     "f:4: ']]' is wanted, not ']'\n"
                                     "f:5: d: '01' is no value; a string needs quotes\n"},
    {"a = [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "f:1: a: values are nested more than 16 deep\n"},
    {"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1", "f:1: a key has 16 names at most\n"},
    {"a = 1\nb = \"\xff\"", "f:2: the text is not UTF-8\n"},
};

static void mistakes_in_toml_are_told(void **state) {
  for (size_t i = 0; i < G_N_ELEMENTS(bad_toml); i++) {
    problems *p = problems_new("f");
    toml_free(toml_read(bad_toml[i].text, strlen(bad_toml[i].text), p));
    char *found = problems_text(p);
    assert_string_equal(found, bad_toml[i].wanted);
    g_free(found);
    problems_free(p);
  }
}

static void large_files_are_refused(void **state) {
  char *text = g_strnfill(TOML_MOST_BYTES + 1, '\n');
  problems *p = problems_new("f");
  toml_free(toml_read(text, TOML_MOST_BYTES, p));
  assert_false(problems_any(p));
  toml_free(toml_read(text, TOML_MOST_BYTES + 1, p));
  char *found = problems_text(p);
  assert_string_equal(found, "f: the file has more than 1048576 bytes\n");
  g_free(found);
  g_free(text);
  problems_free(p);
}

static void a_hundred_problems_are_told(void **state) {
  GString *text = g_string_new(NULL);
  for (int i = 0; i < 103; i++)
    g_string_append(text, "x\n");
  problems *p = problems_new("f");
  toml_free(toml_read(text->str, text->len, p));
  char *found = problems_text(p);
  assert_true(g_str_has_suffix(found, "f:100: x: '=' is wanted, not the end of the line\nf: and 3 problems more\n"));
  g_free(found);
  g_string_free(text, TRUE);
  problems_free(p);
}

/* ---- The configuration --------------------------------------------------------------------------------- */

static const struct {
  const char *text, *wanted;
} bad_config[] = {
    {"port = 1\n[sever]\nx = 1\n[camera]\n", "/e/f:1: port: there is no such key\n"
                                             "/e/f:2: sever: there is no such key; did you mean 'server'?\n"},
    {"server = 1\ndefaults = 'x'\ncamera = []\nmodel.a = 1\n[[target]]\n",
     "/e/f:1: server: a table is wanted, not an integer\n"
     "/e/f:2: defaults: a table is wanted, not a string\n"
     "/e/f:3: camera: a table [camera.NAME] is wanted, not an array\n"
     "/e/f:4: model.a: a table [model.NAME] is wanted, not an integer\n"
     "/e/f:5: target: a table [target.NAME] is wanted, not [[...]]\n"},
    {"[server]\nport = 65536\nbatch = 0\nqueue = '1'\nthreads = 1.5\nbind = 1\nweights = ''\nprecision = 'fp16'\n"
     "verbose = 1\nmax-megapixels = 0\nmax_body = 1\nprot = 1\nconfig = 'x'\nmax-header = -9223372036854775808\n",
     "/e/f:2: server.port: must be 0 to 65535, not 65536\n"
     "/e/f:3: server.batch: must be 1 to 16, not 0\n"
     "/e/f:4: server.queue: an integer is wanted, not a string\n"
     "/e/f:5: server.threads: an integer is wanted, not a number\n"
     "/e/f:6: server.bind: a string is wanted, not an integer\n"
     "/e/f:7: server.weights: must not be empty\n"
     "/e/f:8: server.precision: must be auto, fp32 or int8, not 'fp16'\n"
     "/e/f:9: server.verbose: true or false is wanted, not an integer\n"
     "/e/f:10: server.max-megapixels: must be 0.01 to 256, not 0\n"
     "/e/f:11: server.max_body: there is no such key; did you mean 'max-body'?\n"
     "/e/f:12: server.prot: there is no such key; did you mean 'port'?\n"
     "/e/f:13: server.config: there is no such key\n"
     "/e/f:14: server.max-header: must be 512 to 65536, not -9223372036854775808\n"},
    {"[server]\nprecision = \"\\n\\u0007aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\u00e9\"",
     "/e/f:2: server.precision: must be auto, fp32 or int8, not "
     "'??aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xef\xbf\xbd'\n"},
    {"[server]\nport = 1\nport = 2\n[server]\n", "/e/f:3: server.port: is set already on line 2\n"
                                                 "/e/f:4: server: is set already on line 1\n"},
    {"[camera.\"a b\"]\nuri = 'x'\n[camera.ok]\n[camera.\"\"]\nuri = 'x'\n",
     "/e/f:1: camera.\"a b\": a name is 1 to 64 letters, digits, '-' and '_'\n"
     "/e/f:3: camera.ok: the key uri is missing\n"
     "/e/f:4: camera.\"\": a name is 1 to 64 letters, digits, '-' and '_'\n"},
    {"[camera]\na.uri = 'rstp://h/x'\nb.uri = 'rtsp://'\nc.uri = 'rtsp://u:%zz@h'\nd.uri = 5\ne.uri = 'http://h:x/'\n"
     "f.uri = '://x'\ng.uri = ''\n",
     "/e/f:2: camera.a.uri: 'rstp' is none of the schemes rtsp, http, file, v4l2, srt, rtmp, udp and their kin\n"
     "/e/f:3: camera.b.uri: names no host\n"
     "/e/f:4: camera.c.uri: is no URI; special characters in a user name or password are written as %XX\n"
     "/e/f:5: camera.d.uri: a string is wanted, not an integer\n"
     "/e/f:6: camera.e.uri: is no URI; special characters in a user name or password are written as %XX\n"
     "/e/f:7: camera.f.uri: '' is none of the schemes rtsp, http, file, v4l2, srt, rtmp, udp and their kin\n"
     "/e/f:8: camera.g.uri: must not be empty\n"},
    {"[camera.a]\nuri = 'x'\nmodel = 'm'\ntargets = ['t', 't', 'home', 5, 'hom']\n[target.home]\nlocation = 'x'\n"
     "[camera.b]\nuri = 'x'\ntargets = 'home'\nmodel = 1\n[camera.c]\nuri = 'x'\ntargets = ['hom']\nmodel = 'flowrs'\n"
     "[model.flowers]\n",
     "/e/f:3: camera.a.model: there is no [model.m]\n"
     "/e/f:4: camera.a.targets: 't' is named twice\n"
     "/e/f:4: camera.a.targets: a string is wanted, not an integer\n"
     "/e/f:9: camera.b.targets: an array of strings is wanted, not a string\n"
     "/e/f:10: camera.b.model: a string is wanted, not an integer\n"
     "/e/f:13: camera.c.targets: there is no [target.hom]; did you mean 'home'?\n"
     "/e/f:14: camera.c.model: there is no [model.flowrs]; did you mean 'flowers'?\n"},
    {"[camera.a]\nuri = 'x'\nmax-rate = -1\ninterval = 0\nroi = '1,2,3'\ncrop = 'middle'\nthreshold = 1.01\ntop-k = "
     "21\n"
     "groups = 'yes'\nsmoothing = nan\nlatency = 1e3\ntransport = 'quic'\nfps = 5\nhysteresis = inf\nno-frame-timeout "
     "= 2\nretry = 'now'\n",
     "/e/f:3: camera.a.max-rate: must be 0 to 1000, not -1\n"
     "/e/f:4: camera.a.interval: must be 1 to 1000000000, not 0\n"
     "/e/f:5: camera.a.roi: must be \"x,y,w,h\" in pixels or in parts of the frame\n"
     "/e/f:6: camera.a.crop: must be center, squash or letterbox, not 'middle'\n"
     "/e/f:7: camera.a.threshold: must be 0 to 1, not 1.01\n"
     "/e/f:8: camera.a.top-k: must be 1 to 20, not 21\n"
     "/e/f:9: camera.a.groups: true or false is wanted, not a string\n"
     "/e/f:10: camera.a.smoothing: must be 0 to 3600, not nan\n"
     "/e/f:11: camera.a.latency: an integer is wanted, not a number\n"
     "/e/f:12: camera.a.transport: must be auto, tcp or udp, not 'quic'\n"
     "/e/f:13: camera.a.fps: there is no such key\n"
     "/e/f:14: camera.a.hysteresis: must be 0 to 1, not inf\n"
     "/e/f:15: camera.a.no-frame-timeout: must be 3 to 3600, not 2\n"
     "/e/f:16: camera.a.retry: must be patient or quick, not 'now'\n"},
    {"[defaults]\nuri = 'x'\nmodel = 'm'\nroi = 'x'\n", "/e/f:2: defaults.uri: each camera has its own\n"
                                                        "/e/f:3: defaults.model: there is no [model.m]\n"
                                                        "/e/f:4: defaults.roi: must be \"x,y,w,h\" in pixels or in "
                                                        "parts of the frame\n"},
    {"[target.a]\n[target.b]\nlocation = 'amqp://h/x'\n[target.c]\nlocation = 'mqtt://h/a/+/b'\n[target.d]\n"
     "location = 'nats://h'\nclient-id = 'x'\nspool-size = 1\ndrain-timeout = 6\nappend = true\n",
     "/e/f:1: target.a: the key location is missing\n"
     "/e/f:3: target.b.location: \"amqp\" is none of mqtt, mqtts, nats, natss, kafka, kafkas\n"
     "/e/f:5: target.c.location: \"a/+/b\" is no topic to write to: it has \"+\" or \"#\", or begins with \"$\"\n"
     "/e/f:7: target.d.location: it has no topic; \"nats://HOST/TOPIC\" is wanted\n"
     "/e/f:8: target.d.client-id: must have {camera} in it: each camera needs one of its own\n"
     "/e/f:9: target.d.spool-size: must be 1048576 to 1e+15, not 1\n"
     "/e/f:10: target.d.drain-timeout: must be 0 to 5, not 6\n"
     "/e/f:11: target.d.append: there is no such key\n"},
    {"[target.a]\nlocation = 'log/{stream}.jsonl'\n[target.b]\nlocation = 'mqtt://h/{camera}/{name}'\ndevice-name = "
     "'{Camera}'\nclient-id = 'x-{id}'\n[target.c]\nlocation = '{}{ a }{camera}{x'\n",
     "/e/f:2: target.a.location: {stream} stands for nothing; {camera} stands for the camera's name\n"
     "/e/f:4: target.b.location: {name} stands for nothing; {camera} stands for the camera's name\n"
     "/e/f:5: target.b.device-name: {Camera} stands for nothing; {camera} stands for the camera's name\n"
     "/e/f:6: target.b.client-id: {id} stands for nothing; {camera} stands for the camera's name\n"},
    {"[target.a]\nlocation = 'x'\n[target.b]\nlocation = 'y'\n[target.c]\nlocation = '../e/{camera}'\n[target.d]\n"
     "location = '{camera}'\n[target.e]\nlocation = 'mqtt://h/x'\n[target.f]\nlocation = '/dev/null'\n[target.g]\n"
     "location = 'unix:s'\n[target.h]\nlocation = '-'\n[defaults]\ntargets = ['a', 'e', 'f', 'g', 'h']\n[camera.k]\n"
     "uri = 'x'\n[camera.l]\nuri = 'x'\n[camera.m]\nuri = 'x'\n[camera.n]\nuri = 'x'\ntargets = ['b']\n[camera.o]\n"
     "uri = 'x'\ntargets = ['b']\nenabled = false\n[camera.p]\nuri = 'x'\ntargets = ['c', 'd']\n",
     "/e/f:2: target.a.location: cameras k and l would write to the same file; each has its own with {camera} in its "
     "name\n"
     "/e/f:8: target.d.location: camera p has two targets that are the same file\n"},
    /* What cannot be read does not hide what is wrong elsewhere. */
    {"[camera.a]\nuri = rtsp://h/x\nthreshold = 2\n[camera.b]\nuri = 'x'\ntargets = ['x'\n[server]\nport = -1\n",
     "/e/f:2: camera.a.uri: 'rtsp:' is no value; a string needs quotes\n"
     "/e/f:3: camera.a.threshold: must be 0 to 1, not 2\n"
     "/e/f:7: camera.b.targets: ',' or ']' is wanted, not '['\n"
     "/e/f:8: server.port: must be 0 to 65535, not -1\n"},
};

static void mistakes_in_the_configuration_are_told(void **state) {
  for (size_t i = 0; i < G_N_ELEMENTS(bad_config); i++) {
    settings s = settings_default();
    GPtrArray *cameras;
    char *found = config_parse("/e/f", bad_config[i].text, strlen(bad_config[i].text), &s, &cameras);
    assert_non_null(found);
    assert_string_equal(found, bad_config[i].wanted);
    assert_null(cameras);
    /* Nothing of it was taken. */
    const settings untouched = settings_default();
    for (const setting *row = settings_table; row->field.name; row++)
      assert_true(settings_same(&s, &untouched, row));
    g_free(found);
    settings_clear(&s);
  }
}

static GPtrArray *read_cameras(const char *text, settings *s) {
  GPtrArray *cameras;
  *s = settings_default();
  char *wrong = config_parse("/e/f", text, strlen(text), s, &cameras);
  if (wrong)
    fail_msg("%s", wrong);
  return cameras;
}

static void settings_are_taken(void **state) {
  settings s;
  GPtrArray *cameras =
      read_cameras("[server]\nport = 1\nbind = '::1'\nweights = 'w.pth'\ntls-key = '/k'\nverbose = true\n"
                   "max-megapixels = 5\nprecision = 'int8'\ntoken-file = '../t'\nmax-body = 2048\n",
                   &s);
  assert_int_equal(s.port, 1);
  assert_string_equal(s.bind, "::1");
  assert_string_equal(s.weights, "/e/w.pth");
  assert_string_equal(s.tls_key, "/k");
  assert_string_equal(s.token_file, "/t");
  assert_string_equal(s.precision, "int8");
  assert_true(s.verbose);
  assert_true(s.max_megapixels == 5);
  assert_int_equal(s.max_body, 2048);
  assert_int_equal(s.queue, settings_default().queue);
  assert_int_equal(cameras->len, 0);
  g_ptr_array_unref(cameras);
  settings_clear(&s);
}

static void show_properties(const GArray *properties, GString *to) {
  for (guint i = 0; i < properties->len; i++) {
    const spec_property *p = &g_array_index(properties, spec_property, i);
    g_string_append_printf(to, " %s=%s", p->name, p->value);
  }
}

/* A camera as one line, its targets as further ones. */
static char *describe(const camera_spec *spec) {
  GString *text = g_string_new(NULL);
  g_string_printf(text, "%s %s %s %d %d %d %s %g:", spec->name, spec->uri, spec->transport ? spec->transport : "-",
                  spec->latency, spec->loop, spec->has_model, retry_manners[spec->supervision.manner],
                  spec->supervision.no_frame_timeout);
  show_properties(spec->classify, text);
  for (guint i = 0; i < spec->targets->len; i++) {
    const spec_target *target = spec->targets->pdata[i];
    g_string_append_printf(text, "\n  %s:", target->name);
    show_properties(target->properties, text);
  }
  return g_string_free(text, FALSE);
}

static const char fleet[] =
    "[model.flowers]\nweights = 'f.pth'\nlabels = 'f.txt'\n"
    "[target.log]\nlocation = 'log/{camera}.jsonl'\n"
    "[target.home]\nlocation = 'mqtt://h/cameras/{camera}'\ndevice-name = 'Camera {camera}'\n"
    "client-id = 'r-{camera}'\nspool = '/var/spool'\ndrain-timeout = 0.5\n"
    "[defaults]\ntargets = ['log']\nmax-rate = 2.5\nlatency = 100\n"
    "[camera.door]\nuri = 'rtsp://u:p@h/x'\ntransport = 'tcp'\nsmoothing = 1\ngroups = false\nretry = 'quick'\n"
    "[camera.yard]\nuri = 'v.mp4'\nloop = true\nmodel = 'flowers'\ntargets = ['home', 'log']\n"
    "max-rate = 1\ntransport = 'auto'\nroi = '0,0,0.5,1'\nno-frame-timeout = 4.5\n"
    "[camera.off]\nuri = 'x'\nenabled = false\n"
    "[camera.bare]\nuri = '/x y.mp4'\ntargets = []\n";
static const char *const fleet_cameras[] = {
    "door rtsp://u:p@h/x tcp 100 0 0 quick 20: overlay=true groups=false max-rate=2500/1000 smoothing=1000000000\n"
    "  log: location=/e/log/door.jsonl stream-name=door",
    "yard file:///e/v.mp4 - 100 1 1 patient 4.5: weights=/e/f.pth labels=/e/f.txt overlay=true groups=true "
    "max-rate=1000/1000 "
    "roi=0,0,0.5,1\n"
    "  home: location=mqtt://h/cameras/yard device-name=Camera yard client-id=r-yard drain-timeout=500000000 "
    "stream-name=yard spool=/var/spool/home.yard\n"
    "  log: location=/e/log/yard.jsonl stream-name=yard",
    "bare file:///x%20y.mp4 - 100 0 0 patient 20: overlay=true groups=true max-rate=2500/1000",
};

static void cameras_are_made(void **state) {
  settings s;
  GPtrArray *cameras = read_cameras(fleet, &s), *again;
  assert_int_equal(cameras->len, G_N_ELEMENTS(fleet_cameras));
  for (guint i = 0; i < cameras->len; i++) {
    char *found = describe(cameras->pdata[i]);
    assert_string_equal(found, fleet_cameras[i]);
    g_free(found);
  }
  settings_clear(&s);
  again = read_cameras(fleet, &s);
  for (guint i = 0; i < cameras->len; i++)
    for (guint j = 0; j < cameras->len; j++)
      assert_int_equal(camera_spec_equal(cameras->pdata[i], again->pdata[j]), i == j);
  g_ptr_array_unref(again);
  g_ptr_array_unref(cameras);
  settings_clear(&s);
}

/* Each change of the file that makes a camera another one. */
static void changes_are_seen(void **state) {
  static const char *const changes[][2] = {
      {"rtsp://u:p@h/x", "rtsp://u:p@h/y"},
      {"'tcp'", "'udp'"},
      {"latency = 100", "latency = 101"},
      {"smoothing = 1", "smoothing = 2"},
      {"log/{", "logs/{"},
      {"targets = ['log']", "targets = []"},
      {"retry = 'quick'", "retry = 'patient'"},
      {"retry = 'quick'", "retry = 'quick'\nno-frame-timeout = 21"},
      {"groups = false", "loop = true"},
      {"max-rate = 2.5", ""},
      {"groups = false", "model = 'flowers'"},
  };
  settings s, unused;
  GPtrArray *before = read_cameras(fleet, &s);
  for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
    char **parts = g_strsplit(fleet, changes[i][0], -1), *text = g_strjoinv(changes[i][1], parts);
    GPtrArray *after = read_cameras(text, &unused);
    assert_false(camera_spec_equal(before->pdata[0], after->pdata[0]));
    g_ptr_array_unref(after);
    settings_clear(&unused);
    g_strfreev(parts);
    g_free(text);
  }
  g_ptr_array_unref(before);
  settings_clear(&s);
}

static void files_that_cannot_be_read(void **state) {
  settings s = settings_default();
  GPtrArray *cameras;
  char *wrong = config_read("/nonexistent/f.toml", &s, &cameras);
  assert_non_null(wrong);
  assert_true(g_str_has_prefix(wrong, "/nonexistent/f.toml: ") && g_str_has_suffix(wrong, "\n"));
  g_free(wrong);
  wrong = config_read("/", &s, &cameras);
  assert_non_null(wrong);
  g_free(wrong);
  wrong = config_read("/dev/zero", &s, &cameras);
  assert_string_equal(wrong, "/dev/zero: the file has more than 1048576 bytes\n");
  g_free(wrong);
  settings_clear(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(toml_is_read),
      cmocka_unit_test(mistakes_in_toml_are_told),
      cmocka_unit_test(large_files_are_refused),
      cmocka_unit_test(a_hundred_problems_are_told),
      cmocka_unit_test(mistakes_in_the_configuration_are_told),
      cmocka_unit_test(settings_are_taken),
      cmocka_unit_test(cameras_are_made),
      cmocka_unit_test(changes_are_seen),
      cmocka_unit_test(files_that_cannot_be_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
