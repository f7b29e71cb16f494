/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The spool on disk: order and counts, what a killed process leaves, damaged files, full disks. Line number n says n,
 * so that whatever is read can be told from what was written. */
#include "crc32c.h"
#include "rig.h"
#include "spool.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT GST_RESNET18_SPOOL_SMALLEST

/* ---- Helpers ------------------------------------------------------------------------------------------- */

static gchar *make_folder(void) {
  gchar *folder = g_dir_make_tmp("spool-XXXXXX", NULL);
  assert_non_null(folder);
  return folder;
}

static void for_each_file(const gchar *folder, void (*what)(const gchar *path, gpointer data), gpointer data) {
  GDir *dir = g_dir_open(folder, 0, NULL);
  const gchar *name;
  while ((name = g_dir_read_name(dir))) {
    gchar *path = g_build_filename(folder, name, NULL);
    what(path, data);
    g_free(path);
  }
  g_dir_close(dir);
}

static void remove_file(const gchar *path, gpointer data) {
  unlink(path);
}

static void remove_folder(gchar *folder) {
  for_each_file(folder, remove_file, NULL);
  assert_int_equal(rmdir(folder), 0);
  g_free(folder);
}

static GstResnet18Spool *open_spool(const gchar *folder) {
  GError *error = NULL;
  GstResnet18Spool *spool = gst_resnet18_spool_open(folder, LIMIT, &error);
  if (!spool)
    fail_msg("%s", error->message);
  return spool;
}

/* Line n: its number, and up to some 600 bytes that follow from it. */
static GString *line_of(guint64 n) {
  GString *line = g_string_new(NULL);
  g_string_printf(line, "line %" G_GUINT64_FORMAT " ", n);
  for (guint i = 0; i < n * 7919 % 600; i++)
    g_string_append_c(line, (gchar)('a' + (n + i) % 26));
  return line;
}

static gboolean append(GstResnet18Spool *spool, guint64 n, GError **error) {
  GString *line = line_of(n);
  const gboolean done = gst_resnet18_spool_append(spool, line->str, line->len, error);
  g_string_free(line, TRUE);
  return done;
}

static void append_all(GstResnet18Spool *spool, guint64 from, guint64 to) {
  for (guint64 n = from; n <= to; n++)
    assert_true(append(spool, n, NULL));
}

static gboolean is_line(const GstResnet18SpoolLine *line, guint64 n) {
  GString *wanted = line_of(n);
  const gboolean same = line->length == wanted->len && memcmp(line->data, wanted->str, wanted->len) == 0;
  g_string_free(wanted, TRUE);
  return same;
}

/* The next line is number n and says so. */
static void assert_next(GstResnet18Spool *spool, guint64 n) {
  GstResnet18SpoolLine line;
  assert_true(gst_resnet18_spool_next(spool, &line));
  assert_int_equal(line.number, n);
  assert_true(is_line(&line, n));
}

static void assert_end(GstResnet18Spool *spool) {
  GstResnet18SpoolLine line;
  assert_false(gst_resnet18_spool_next(spool, &line));
}

static void assert_counts(GstResnet18Spool *spool, guint64 recovered, guint64 spooled, guint64 dropped) {
  GstResnet18SpoolCounts counts;
  gst_resnet18_spool_count(spool, &counts);
  assert_int_equal(counts.recovered, recovered);
  assert_int_equal(counts.spooled, spooled);
  assert_int_equal(counts.dropped, dropped);
}

static void count_segment(const gchar *path, gpointer data) {
  *(guint *)data += g_str_has_suffix(path, ".lines");
}

static guint count_segments(const gchar *folder) {
  guint n = 0;
  for_each_file(folder, count_segment, &n);
  return n;
}

static void add_size(const gchar *path, gpointer data) {
  struct stat status;
  assert_int_equal(stat(path, &status), 0);
  *(guint64 *)data += (guint64)status.st_size;
}

/* ---- In good order ------------------------------------------------------------------------------------- */

/* RFC 3720, appendix B.4, and the check value of the catalogues. */
static void the_check_sum_is_crc32c(void **state) {
  guint8 bytes[32];
  assert_int_equal(gst_resnet18_crc32c(0, "123456789", 9), 0xe3069283);
  memset(bytes, 0, sizeof bytes);
  assert_int_equal(gst_resnet18_crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
  memset(bytes, 0xff, sizeof bytes);
  assert_int_equal(gst_resnet18_crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8)i;
  assert_int_equal(gst_resnet18_crc32c(0, bytes, sizeof bytes), 0x46dd794e);
  assert_int_equal(gst_resnet18_crc32c(gst_resnet18_crc32c(0, bytes, 11), bytes + 11, 21), 0x46dd794e);
}

static void what_goes_in_comes_out(void **state) {
  gchar *folder = make_folder();
  GstResnet18Spool *spool = open_spool(folder);
  assert_end(spool);
  append_all(spool, 1, 1000);
  assert_true(count_segments(folder) > 2);
  for (guint64 n = 1; n <= 1000; n++)
    assert_next(spool, n);
  assert_end(spool);
  gst_resnet18_spool_acknowledge(spool, 400);
  assert_int_equal(gst_resnet18_spool_floor(spool), 400);
  assert_counts(spool, 0, 600, 0);
  gst_resnet18_spool_rewind(spool);
  assert_next(spool, 401);
  /* Later lines are found by a reader that had reached the end. */
  gst_resnet18_spool_acknowledge(spool, 999);
  assert_next(spool, 1000);
  assert_end(spool);
  append_all(spool, 1001, 1001);
  assert_next(spool, 1001);
  gst_resnet18_spool_acknowledge(spool, 5000); /* no such line */
  assert_counts(spool, 0, 2, 0);
  gst_resnet18_spool_acknowledge(spool, 1001);
  assert_counts(spool, 0, 0, 0);
  gst_resnet18_spool_free(spool);
  assert_int_equal(count_segments(folder), 0);
  remove_folder(folder);
}

static void a_restart_goes_on_where_it_was(void **state) {
  gchar *folder = make_folder();
  GstResnet18Spool *spool = open_spool(folder);
  GstResnet18SpoolLine line;
  guint64 salt;
  append_all(spool, 1, 700);
  gst_resnet18_spool_acknowledge(spool, 123);
  gst_resnet18_spool_rewind(spool);
  assert_true(gst_resnet18_spool_next(spool, &line));
  salt = line.salt;
  gst_resnet18_spool_free(spool);
  spool = open_spool(folder);
  assert_counts(spool, 577, 577, 0);
  append_all(spool, 701, 800);
  for (guint64 n = 124; n <= 800; n++)
    assert_next(spool, n);
  gst_resnet18_spool_rewind(spool);
  assert_true(gst_resnet18_spool_next(spool, &line));
  assert_true(line.salt == salt);
  gst_resnet18_spool_acknowledge(spool, 800);
  gst_resnet18_spool_free(spool);
  spool = open_spool(folder);
  assert_counts(spool, 0, 0, 0);
  append_all(spool, 801, 801);
  assert_next(spool, 801);
  gst_resnet18_spool_free(spool);
  remove_folder(folder);
}

static void the_oldest_go_when_the_bound_is_reached(void **state) {
  gchar *folder = make_folder();
  GstResnet18Spool *spool = open_spool(folder);
  GstResnet18SpoolCounts counts;
  guint64 size = 0;
  append_all(spool, 1, 20000);
  gst_resnet18_spool_count(spool, &counts);
  assert_int_equal(counts.spooled + counts.dropped, 20000);
  for_each_file(folder, add_size, &size);
  assert_true(size <= LIMIT + 1024);
  assert_true(size > LIMIT * 7 / 8);
  for (guint64 n = counts.dropped + 1; n <= 20000; n++)
    assert_next(spool, n);
  assert_end(spool);
  gst_resnet18_spool_free(spool);
  spool = open_spool(folder);
  assert_counts(spool, counts.spooled, counts.spooled, 0);
  /* A reader is carried along. */
  assert_next(spool, counts.dropped + 1);
  append_all(spool, 20001, 40000);
  gst_resnet18_spool_count(spool, &counts);
  assert_int_equal(counts.recovered + counts.appended, counts.spooled + counts.dropped);
  assert_next(spool, 40000 - counts.spooled + 1);
  gst_resnet18_spool_free(spool);
  remove_folder(folder);
}

static void a_line_too_long_is_dropped(void **state) {
  gchar *folder = make_folder();
  GstResnet18Spool *spool = open_spool(folder);
  gchar *line = g_strnfill(LIMIT / 16, 'x');
  assert_true(gst_resnet18_spool_append(spool, line, LIMIT / 16, NULL));
  assert_counts(spool, 0, 0, 1);
  append_all(spool, 1, 1);
  assert_next(spool, 1);
  g_free(line);
  gst_resnet18_spool_free(spool);
  remove_folder(folder);
}

static void a_folder_has_one_user(void **state) {
  gchar *folder = make_folder();
  GstResnet18Spool *spool = open_spool(folder);
  GError *error = NULL;
  assert_null(gst_resnet18_spool_open(folder, LIMIT, &error));
  assert_non_null(strstr(error->message, folder));
  assert_non_null(strstr(error->message, "used by another"));
  g_clear_error(&error);
  gst_resnet18_spool_free(spool);
  gst_resnet18_spool_free(open_spool(folder));
  remove_folder(folder);
  assert_null(gst_resnet18_spool_open("/dev/null/spool", LIMIT, &error));
  assert_non_null(strstr(error->message, "/dev/null/spool"));
  g_clear_error(&error);
}

/* Files of others are left alone, and not followed. */
static void foreign_files_are_left_alone(void **state) {
  gchar *folder = make_folder(), *other = g_build_filename(folder, "notes.lines", NULL);
  gchar *link = g_build_filename(folder, "0000000000000001.lines", NULL);
  GError *error = NULL;
  assert_true(g_file_set_contents(other, "mine", -1, NULL));
  gst_resnet18_spool_free(open_spool(folder));
  assert_true(g_file_test(other, G_FILE_TEST_EXISTS));
  assert_int_equal(symlink("notes.lines", link), 0);
  assert_null(gst_resnet18_spool_open(folder, LIMIT, &error));
  assert_non_null(error);
  g_clear_error(&error);
  assert_true(g_file_test(other, G_FILE_TEST_EXISTS));
  g_free(other);
  g_free(link);
  remove_folder(folder);
}

/* ---- Killed -------------------------------------------------------------------------------------------- */

typedef struct {
  volatile guint64 appended, acknowledged; /* when the calls had returned */
} Progress;

static void write_until_killed(const gchar *folder, Progress *progress) {
  GstResnet18Spool *spool = gst_resnet18_spool_open(folder, LIMIT, NULL);
  GstResnet18SpoolCounts counts;
  guint64 n;
  if (!spool)
    _exit(1);
  gst_resnet18_spool_count(spool, &counts);
  n = gst_resnet18_spool_floor(spool) + counts.spooled;
  for (;;) {
    GstResnet18SpoolLine line;
    for (guint i = 0; i < 3; i++) {
      if (!append(spool, ++n, NULL))
        _exit(1);
      progress->appended = n;
    }
    for (guint i = 0; i < (n / 100) % 6 && gst_resnet18_spool_next(spool, &line); i++) {
      if (!is_line(&line, line.number))
        _exit(1);
      gst_resnet18_spool_acknowledge(spool, line.number);
      progress->acknowledged = line.number;
    }
  }
}

static void a_kill_loses_nothing(void **state) {
  gchar *folder = make_folder();
  Progress *progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (guint round = 0; round < rig_rounds(60, 1000); round++) {
    const pid_t pid = fork();
    GstResnet18Spool *spool;
    GstResnet18SpoolCounts counts;
    guint64 floor, last;
    int status;
    if (pid == 0)
      write_until_killed(folder, progress);
    g_usleep(200 + g_random_int_range(0, 30000));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    spool = open_spool(folder);
    gst_resnet18_spool_count(spool, &counts);
    assert_int_equal(counts.dropped, 0);
    floor = gst_resnet18_spool_floor(spool);
    last = floor + counts.spooled;
    /* What the killed process was told, or one call further. The bound may have dropped some, which raises the floor.
     */
    assert_in_range(last, progress->appended, progress->appended + 1);
    assert_true(floor >= progress->acknowledged);
    for (guint64 n = floor + 1; n <= last; n++)
      assert_next(spool, n);
    assert_end(spool);
    gst_resnet18_spool_free(spool);
  }
  assert_true(progress->appended > 100);
  munmap(progress, sizeof *progress);
  remove_folder(folder);
}

/* ---- Damaged ------------------------------------------------------------------------------------------- */

typedef struct {
  GPtrArray *names, *contents; /* gchar *, GBytes */
} Folder;

static void keep_file(const gchar *path, gpointer data) {
  Folder *kept = data;
  gchar *text;
  gsize length;
  assert_true(g_file_get_contents(path, &text, &length, NULL));
  g_ptr_array_add(kept->names, g_strdup(path));
  g_ptr_array_add(kept->contents, g_bytes_new_take(text, length));
}

static void restore(const gchar *folder, const Folder *kept) {
  for_each_file(folder, remove_file, NULL);
  for (guint i = 0; i < kept->names->len; i++) {
    gsize length;
    const gchar *data = g_bytes_get_data(kept->contents->pdata[i], &length);
    FILE *file = fopen(kept->names->pdata[i], "wb");
    assert_int_equal(fwrite(data, 1, length, file), length);
    fclose(file);
  }
}

/* One of the things that happen to files. */
static void damage(const gchar *path, GRand *rand) {
  struct stat status;
  const gint fd = open(path, O_RDWR);
  gchar bytes[64];
  off_t at;
  guint n = (guint)g_rand_int_range(rand, 1, (gint)sizeof bytes);
  assert_int_equal(fstat(fd, &status), 0);
  at = status.st_size ? (off_t)(g_rand_int(rand) % (guint)status.st_size) : 0;
  for (guint i = 0; i < n; i++)
    bytes[i] = (gchar)g_rand_int(rand);
  switch (g_rand_int_range(rand, 0, 6)) {
  case 0: /* cut off */
    assert_int_equal(ftruncate(fd, at), 0);
    break;
  case 1: /* longer, with zeros, as after a power cut */
    assert_int_equal(ftruncate(fd, status.st_size + at), 0);
    break;
  case 2: /* noise at the end */
    assert_int_equal(pwrite(fd, bytes, n, status.st_size), n);
    break;
  case 3: /* noise */
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    break;
  case 4: /* a length of nearly 4 GiB, or another header field */
    memset(bytes, 0xff, 8);
    assert_int_equal(pwrite(fd, bytes, 4, at < 64 ? at : 32), 4);
    break;
  default: /* one bit */
    assert_int_equal(pread(fd, bytes, 1, at), status.st_size ? 1 : 0);
    bytes[0] ^= (gchar)(1 << n % 8);
    assert_int_equal(pwrite(fd, bytes, 1, at), 1);
  }
  close(fd);
}

/* Whatever is read is what was written, in order, and the counts add up; and it can be used. */
static void assert_sane(const gchar *folder, guint64 newest) {
  GstResnet18Spool *spool = open_spool(folder);
  GstResnet18SpoolCounts counts;
  GstResnet18SpoolLine line;
  guint64 before = 0, read = 0;
  while (gst_resnet18_spool_next(spool, &line)) {
    assert_true(line.number > before && line.number <= newest);
    assert_true(is_line(&line, line.number));
    before = line.number;
    read++;
  }
  gst_resnet18_spool_count(spool, &counts);
  assert_int_equal(read, counts.spooled);
  assert_int_equal(counts.recovered, counts.spooled + counts.dropped);
  assert_true(counts.recovered <= newest);
  assert_true(gst_resnet18_spool_append(spool, "new", 3, NULL));
  assert_true(gst_resnet18_spool_next(spool, &line));
  assert_true(line.number > before);
  assert_int_equal(line.length, 3);
  gst_resnet18_spool_acknowledge(spool, line.number);
  assert_counts(spool, counts.recovered, 0, counts.dropped);
  gst_resnet18_spool_free(spool);
}

static void damage_is_cut_out(void **state) {
  gchar *folder = make_folder();
  GstResnet18Spool *spool = open_spool(folder);
  Folder kept = {g_ptr_array_new_with_free_func(g_free), g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref)};
  GRand *rand = g_rand_new_with_seed(18);
  append_all(spool, 1, 600);
  gst_resnet18_spool_acknowledge(spool, 10);
  gst_resnet18_spool_free(spool);
  for_each_file(folder, keep_file, &kept);
  for (guint round = 0; round < rig_rounds(300, 20000); round++) {
    restore(folder, &kept);
    for (gint n = g_rand_int_range(rand, 1, 4); n > 0; n--)
      damage(kept.names->pdata[g_rand_int_range(rand, 0, (gint)kept.names->len)], rand);
    assert_sane(folder, 600);
  }
  /* Every length that the first segment can be cut to, near its beginning. */
  for (gint length = 0; length < 400; length++) {
    restore(folder, &kept);
    for (guint i = 0; i < kept.names->len; i++)
      if (g_str_has_suffix(kept.names->pdata[i], "0001.lines"))
        assert_int_equal(truncate(kept.names->pdata[i], length), 0);
    assert_sane(folder, 600);
  }
  g_rand_free(rand);
  g_ptr_array_free(kept.names, TRUE);
  g_ptr_array_free(kept.contents, TRUE);
  remove_folder(folder);
}

/* Lines lost in the middle are counted one by one; those before and after are read. */
static void damage_in_the_middle_is_counted(void **state) {
  gchar *folder = make_folder(), *path = g_build_filename(folder, "0000000000000001.lines", NULL);
  GstResnet18Spool *spool = open_spool(folder);
  GstResnet18SpoolLine line;
  guint64 second = 0;
  append_all(spool, 1, 600);
  gst_resnet18_spool_free(spool);
  assert_int_equal(truncate(path, 20000), 0);
  spool = open_spool(folder);
  for (guint64 n = 1; gst_resnet18_spool_next(spool, &line); n++) {
    if (line.number != n && !second)
      second = line.number - n;
    else
      assert_int_equal(line.number, n);
    n = line.number;
    assert_true(is_line(&line, n));
  }
  assert_true(second > 0);
  assert_counts(spool, 600, 600 - second, second);
  gst_resnet18_spool_free(spool);
  g_free(path);
  remove_folder(folder);
}

/* Files that are damaged or deleted while they are in use. */
static void damage_in_use_is_counted(void **state) {
  gchar *folder = make_folder();
  GstResnet18Spool *spool = open_spool(folder);
  GstResnet18SpoolCounts counts;
  GstResnet18SpoolLine line;
  guint64 read = 0;
  append_all(spool, 1, 600);
  assert_next(spool, 1);
  for_each_file(folder, remove_file, NULL);
  gst_resnet18_spool_rewind(spool);
  while (gst_resnet18_spool_next(spool, &line))
    read++;
  assert_int_equal(read, 0);
  assert_counts(spool, 0, 0, 600);
  assert_true(append(spool, 601, NULL));
  assert_next(spool, 601);
  gst_resnet18_spool_count(spool, &counts);
  assert_int_equal(counts.appended, 601);
  gst_resnet18_spool_free(spool);
  remove_folder(folder);
}

/* ---- Full ---------------------------------------------------------------------------------------------- */

/* No file may be longer than 10,000 bytes: there are more of them, and nothing is lost; none may be longer than a
 * header: nothing is taken, and that is said; then all is well again. */
static void a_limit_of_file_sizes_is_lived_with(void **state) {
  gchar *folder = make_folder();
  GstResnet18Spool *spool = open_spool(folder);
  struct rlimit before, limit;
  GError *error = NULL;
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  limit = (struct rlimit){10000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  append_all(spool, 1, 300);
  assert_counts(spool, 0, 300, 0);
  assert_true(count_segments(folder) > 8);
  gst_resnet18_spool_acknowledge(spool, 300);
  limit.rlim_cur = 40;
  setrlimit(RLIMIT_FSIZE, &limit);
  for (guint i = 0; i < 10; i++) {
    assert_false(append(spool, 301, &error));
    assert_non_null(strstr(error->message, folder));
    g_clear_error(&error);
  }
  setrlimit(RLIMIT_FSIZE, &before);
  append_all(spool, 301, 320);
  for (guint64 n = 301; n <= 320; n++)
    assert_next(spool, n);
  assert_counts(spool, 0, 20, 0);
  gst_resnet18_spool_free(spool);
  signal(SIGXFSZ, SIG_DFL);
  remove_folder(folder);
}

/* In a process of its own, which has a file system of 300 kB. Exit status 77: that is not allowed here. */
static void use_full_disk(const gchar *folder) {
  GstResnet18Spool *spool;
  GstResnet18SpoolCounts counts;
  GstResnet18SpoolLine line;
  guint64 n = 5000, read = 0;
  if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) != 0 ||
      mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("spool", folder, "tmpfs", 0, "size=300k") != 0)
    _exit(77);
  spool = gst_resnet18_spool_open(folder, LIMIT, NULL);
  for (guint64 i = 1; i <= n; i++)
    if (!append(spool, i, NULL))
      _exit(2);
  gst_resnet18_spool_count(spool, &counts);
  if (counts.dropped == 0 || counts.dropped + counts.spooled != n || counts.spooled < 200)
    _exit(3);
  while (gst_resnet18_spool_next(spool, &line))
    if (!is_line(&line, counts.dropped + ++read))
      _exit(4);
  if (read != counts.spooled)
    _exit(5);
  /* With a broker that takes everything, nothing is lost on a full disk. */
  gst_resnet18_spool_acknowledge(spool, n);
  for (guint64 i = n + 1; i <= 2 * n; i++) {
    if (!append(spool, i, NULL) || !gst_resnet18_spool_next(spool, &line) || !is_line(&line, i))
      _exit(6);
    gst_resnet18_spool_acknowledge(spool, i);
  }
  read = counts.dropped;
  gst_resnet18_spool_count(spool, &counts);
  _exit(counts.dropped == read && counts.spooled == 0 ? 0 : 7);
}

static void on_a_full_disk_the_oldest_go(void **state) {
  gchar *folder = make_folder();
  const pid_t pid = fork();
  int status;
  if (pid == 0)
    use_full_disk(folder);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  remove_folder(folder);
  if (WEXITSTATUS(status) == 77) {
    print_message("a file system of its own cannot be mounted here\n");
    skip();
  }
  assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_check_sum_is_crc32c),
      cmocka_unit_test(what_goes_in_comes_out),
      cmocka_unit_test(a_restart_goes_on_where_it_was),
      cmocka_unit_test(the_oldest_go_when_the_bound_is_reached),
      cmocka_unit_test(a_line_too_long_is_dropped),
      cmocka_unit_test(a_folder_has_one_user),
      cmocka_unit_test(foreign_files_are_left_alone),
      cmocka_unit_test(a_kill_loses_nothing),
      cmocka_unit_test(damage_is_cut_out),
      cmocka_unit_test(damage_in_the_middle_is_counted),
      cmocka_unit_test(damage_in_use_is_counted),
      cmocka_unit_test(a_limit_of_file_sizes_is_lived_with),
      cmocka_unit_test(on_a_full_disk_the_oldest_go),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
