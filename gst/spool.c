/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The spool: segments, the position, and what is done when they are damaged.
 *
 * A segment "%016x.lines" is named after the number of its first line. All numbers are little-endian.
 *   magic[8] salt:u64 first:u64 crc:u32 (of the 24 bytes before) zero:u32
 *   then for each line    length:u32 crc:u32 (of length, number and the line) number:u64 the line
 * "position" holds two slots at 0 and 512, written in turns, so that one is whole after a power cut:
 *   magic[8] turn:u64 floor:u64 crc:u32 (of the 24 bytes before) zero:u32 */
#include "spool.h"

#include "crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SEGMENT_MAGIC "R18LINES"
#define POSITION_MAGIC "R18PLACE"
#define HEADER 32
#define RECORD 16
#define LARGEST_SEGMENT (4u << 20)
#define SLOT 512
/* Each start begins a segment, so that a process which is started again and again can leave many small ones. */
#define MOST_SEGMENTS 4096
/* No count of lines comes near it; a number above it is damage. */
#define LARGEST_NUMBER (G_MAXUINT64 >> 2)

typedef struct {
  guint64 first, salt;
  guint64 count; /* lines, numbered without a gap */
  gsize end;     /* bytes in use */
} Segment;

struct _GstResnet18Spool {
  gchar *folder;
  gint folder_fd, lock_fd, position_fd;
  guint64 limit;
  gsize segment_limit;
  GArray *segments; /* Segment, oldest first */
  guint64 bytes;    /* of all of them */
  gint active_fd;   /* of the last segment, -1 = the next line begins a new one */
  gboolean unsynced, position_unsynced;

  guint64 floor; /* as in gst_resnet18_spool_floor */
  guint64 turn;
  guint64 last; /* number given last */

  guint64 read_number; /* read next */
  gint read_fd;        /* of the segment that starts with read_first, -1 = none */
  guint64 read_first;
  gsize read_offset;
  GByteArray *read_data;

  GstResnet18SpoolCounts counts;
};

/* ---- Bytes and files ----------------------------------------------------------------------------------- */

static void put32(guint8 *at, guint32 value) {
  value = GUINT32_TO_LE(value);
  memcpy(at, &value, sizeof value);
}

static void put64(guint8 *at, guint64 value) {
  value = GUINT64_TO_LE(value);
  memcpy(at, &value, sizeof value);
}

static guint32 get32(const guint8 *at) {
  guint32 value;
  memcpy(&value, at, sizeof value);
  return GUINT32_FROM_LE(value);
}

static guint64 get64(const guint8 *at) {
  guint64 value;
  memcpy(&value, at, sizeof value);
  return GUINT64_FROM_LE(value);
}

/* A segment's header or a slot of the position: a magic word, two numbers, a check sum. */
static void fill_head(guint8 head[HEADER], const char *magic, guint64 a, guint64 b) {
  memcpy(head, magic, 8);
  put64(head + 8, a);
  put64(head + 16, b);
  put32(head + 24, gst_resnet18_crc32c(0, head, 24));
  put32(head + 28, 0);
}

static gboolean parse_head(const guint8 head[HEADER], const char *magic, guint64 *a, guint64 *b) {
  *a = get64(head + 8);
  *b = get64(head + 16);
  return memcmp(head, magic, 8) == 0 && get32(head + 24) == gst_resnet18_crc32c(0, head, 24);
}

static guint32 record_crc(guint32 length, guint64 number, const void *data) {
  guint8 head[12];
  put32(head, length);
  put64(head + 4, number);
  return gst_resnet18_crc32c(gst_resnet18_crc32c(0, head, sizeof head), data, length);
}

static gboolean read_at(gint fd, void *data, gsize length, gsize offset) {
  for (gsize done = 0; done < length;) {
    const ssize_t n = pread(fd, (guint8 *)data + done, length - done, (off_t)(offset + done));
    if (n > 0)
      done += (gsize)n;
    else if (n == 0 || errno != EINTR)
      return FALSE;
  }
  return TRUE;
}

/* 0 or an errno. */
static gint write_at(gint fd, const void *data, gsize length, gsize offset) {
  for (gsize done = 0; done < length;) {
    const ssize_t n = pwrite(fd, (const guint8 *)data + done, length - done, (off_t)(offset + done));
    if (n > 0)
      done += (gsize)n;
    else if (n == 0)
      return EIO;
    else if (errno != EINTR)
      return errno;
  }
  return 0;
}

static void close_fd(gint *fd) {
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

static gboolean fail(const GstResnet18Spool *s, const gchar *doing, gint number, GError **error) {
  g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(number), "cannot %s the spool \"%s\": %s", doing, s->folder,
              g_strerror(number));
  return FALSE;
}

/* ---- Position ------------------------------------------------------------------------------------------ */

/* If it fails, lines that were acknowledged come again after a restart; there is no more to be done about it. */
static void write_position(GstResnet18Spool *s) {
  guint8 slot[HEADER];
  s->turn++;
  fill_head(slot, POSITION_MAGIC, s->turn, s->floor);
  s->position_unsynced = TRUE;
  if (write_at(s->position_fd, slot, sizeof slot, s->turn % 2 * SLOT) != 0)
    s->turn--;
}

static void sync_position(GstResnet18Spool *s) {
  if (s->position_unsynced && fdatasync(s->position_fd) == 0)
    s->position_unsynced = FALSE;
}

/* FALSE if no slot is whole. */
static gboolean read_position(GstResnet18Spool *s) {
  gboolean found = FALSE;
  for (guint i = 0; i < 2; i++) {
    guint8 slot[HEADER];
    guint64 turn, floor;
    if (!read_at(s->position_fd, slot, sizeof slot, i * SLOT) || !parse_head(slot, POSITION_MAGIC, &turn, &floor) ||
        floor > LARGEST_NUMBER || (found && turn < s->turn))
      continue;
    s->turn = turn;
    s->floor = floor;
    found = TRUE;
  }
  return found;
}

/* ---- Segments ------------------------------------------------------------------------------------------ */

static Segment *segment(const GstResnet18Spool *s, guint i) {
  return &g_array_index(s->segments, Segment, i);
}

static guint64 after(const Segment *seg) {
  return seg->first + seg->count;
}

static void name_segment(gchar name[32], guint64 first) {
  g_snprintf(name, 32, "%016" G_GINT64_MODIFIER "x.lines", first);
}

static gint open_segment(const GstResnet18Spool *s, guint64 first, gint flags) {
  gchar name[32];
  name_segment(name, first);
  return openat(s->folder_fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

static void unlink_segment(const GstResnet18Spool *s, guint64 first) {
  gchar name[32];
  name_segment(name, first);
  unlinkat(s->folder_fd, name, 0);
}

static gboolean is_active(const GstResnet18Spool *s, guint i) {
  return s->active_fd >= 0 && i + 1 == s->segments->len;
}

/* Lines of the segment above the floor. */
static guint64 unread_of(const GstResnet18Spool *s, const Segment *seg) {
  const guint64 from = MAX(seg->first, s->floor + 1);
  return after(seg) > from ? after(seg) - from : 0;
}

static void remove_segment(GstResnet18Spool *s, guint i) {
  Segment *seg = segment(s, i);
  if (is_active(s, i))
    close_fd(&s->active_fd);
  if (s->read_fd >= 0 && s->read_first == seg->first)
    close_fd(&s->read_fd);
  s->bytes -= seg->end;
  unlink_segment(s, seg->first);
  g_array_remove_index(s->segments, i);
}

/* Raises the floor; the lines it passes have been acknowledged or dropped. */
static void raise_floor(GstResnet18Spool *s, guint64 number) {
  guint64 passed = 0;
  for (guint i = 0; i < s->segments->len && segment(s, i)->first <= number; i++) {
    Segment upto = *segment(s, i);
    upto.count = MIN(upto.count, number - upto.first + 1);
    passed += unread_of(s, &upto);
  }
  s->counts.spooled -= passed;
  s->floor = number;
  write_position(s);
}

/* The position is on the disk before the lines it passes are gone: else a power cut would make them look lost. */
static void remove_passed(GstResnet18Spool *s, gboolean active_too) {
  while (s->segments->len > 0 && after(segment(s, 0)) <= s->floor + 1 && (active_too || !is_active(s, 0))) {
    sync_position(s);
    remove_segment(s, 0);
  }
}

/* The oldest segment, with what it holds; FALSE if there is none that may go. */
static gboolean drop_oldest(GstResnet18Spool *s, gboolean active_too) {
  Segment *oldest;
  if (s->segments->len == 0 || (is_active(s, 0) && !active_too))
    return FALSE;
  oldest = segment(s, 0);
  if (is_active(s, 0) && oldest->count == 0)
    return FALSE;
  s->counts.dropped += unread_of(s, oldest);
  if (after(oldest) - 1 > s->floor)
    raise_floor(s, after(oldest) - 1);
  remove_passed(s, active_too);
  return TRUE;
}

static guint64 random_salt(void) {
  return (guint64)g_random_int() << 32 | g_random_int();
}

static gint begin_segment(GstResnet18Spool *s) {
  Segment seg = {.first = s->last + 1, .salt = random_salt(), .end = HEADER};
  guint8 head[HEADER];
  gint number;
  const gint fd = open_segment(s, seg.first, O_RDWR | O_CREAT | O_TRUNC);
  if (fd < 0)
    return errno;
  fill_head(head, SEGMENT_MAGIC, seg.salt, seg.first);
  number = write_at(fd, head, sizeof head, 0);
  if (number) {
    close(fd);
    unlink_segment(s, seg.first);
    return number;
  }
  close_fd(&s->active_fd);
  s->active_fd = fd;
  s->bytes += seg.end;
  s->unsynced = TRUE;
  fsync(s->folder_fd);
  g_array_append_val(s->segments, seg);
  return 0;
}

/* ---- Appending ----------------------------------------------------------------------------------------- */

static gint write_record(GstResnet18Spool *s, Segment *seg, const gchar *data, guint32 length) {
  guint8 *record = g_malloc(RECORD + length);
  const guint64 number = after(seg);
  gint result;
  put32(record, length);
  put32(record + 4, record_crc(length, number, data));
  put64(record + 8, number);
  memcpy(record + RECORD, data, length);
  result = write_at(s->active_fd, record, RECORD + length, seg->end);
  g_free(record);
  if (result) { /* a piece of it must not be there for the next start to judge */
    if (ftruncate(s->active_fd, (off_t)seg->end) != 0)
      close_fd(&s->active_fd);
    return result;
  }
  seg->end += RECORD + length;
  seg->count++;
  s->bytes += RECORD + length;
  s->last = number;
  s->counts.spooled++;
  s->counts.appended++;
  s->unsynced = TRUE;
  return 0;
}

static gint try_append(GstResnet18Spool *s, const gchar *data, guint32 length) {
  Segment *seg = s->active_fd >= 0 ? segment(s, s->segments->len - 1) : NULL;
  if (!seg || seg->end + RECORD + length > s->segment_limit) {
    gint number;
    if (seg && fdatasync(s->active_fd) != 0)
      return errno;
    number = begin_segment(s);
    if (number)
      return number;
    seg = segment(s, s->segments->len - 1);
  }
  return write_record(s, seg, data, length);
}

/* After a failure: whether another attempt has more room. */
static gboolean make_room(GstResnet18Spool *s, gint number) {
  /* The file has reached the system's limit, which says nothing of the next file. */
  if (number == EFBIG && s->active_fd >= 0 && segment(s, s->segments->len - 1)->count > 0) {
    close_fd(&s->active_fd);
    return TRUE;
  }
  return (number == ENOSPC || number == EDQUOT || number == EFBIG) && drop_oldest(s, TRUE);
}

static gboolean is_bounded(const GstResnet18Spool *s, gsize more) {
  return s->bytes + more <= s->limit && s->segments->len < MOST_SEGMENTS;
}

gboolean gst_resnet18_spool_append(GstResnet18Spool *s, const gchar *data, gsize length, GError **error) {
  gint number;
  if (length > s->segment_limit - HEADER - RECORD) {
    s->counts.appended++;
    s->counts.dropped++;
    return TRUE;
  }
  while (!is_bounded(s, HEADER + RECORD + length) && drop_oldest(s, FALSE))
    ;
  do
    number = try_append(s, data, (guint32)length);
  while (number != 0 && make_room(s, number));
  return number == 0 || fail(s, "write to", number, error);
}

/* ---- Reading ------------------------------------------------------------------------------------------- */

/* The record at `offset` of a file of `size` bytes, if it is whole and has the number. Its length is read into memory
 * only after it was found to be inside the file. */
static gboolean read_record(gint fd, gsize offset, gsize size, guint64 number, GByteArray *data) {
  guint8 head[RECORD];
  guint32 length;
  if (offset + RECORD > size || !read_at(fd, head, sizeof head, offset))
    return FALSE;
  length = get32(head);
  if (length > size - offset - RECORD || length > LARGEST_SEGMENT || get64(head + 8) != number)
    return FALSE;
  g_byte_array_set_size(data, length);
  return read_at(fd, data->data, length, offset + RECORD) && get32(head + 4) == record_crc(length, number, data->data);
}

/* The rest of a segment, from line `number` on, cannot be read. */
static void give_up(GstResnet18Spool *s, guint i, guint64 number) {
  Segment *seg = segment(s, i);
  const guint64 before = unread_of(s, seg);
  if (is_active(s, i))
    close_fd(&s->active_fd);
  seg->count = number - seg->first;
  s->counts.spooled -= before - unread_of(s, seg);
  s->counts.dropped += before - unread_of(s, seg);
}

/* Stands at the record of s->read_number in segment i. */
static gboolean seek(GstResnet18Spool *s, guint i) {
  const Segment *seg = segment(s, i);
  if (s->read_fd >= 0 && s->read_first == seg->first)
    return TRUE;
  close_fd(&s->read_fd);
  s->read_fd = open_segment(s, seg->first, O_RDONLY);
  s->read_first = seg->first;
  s->read_offset = HEADER;
  for (guint64 number = seg->first; s->read_fd >= 0 && number < s->read_number; number++) {
    if (!read_record(s->read_fd, s->read_offset, seg->end, number, s->read_data))
      return FALSE;
    s->read_offset += RECORD + s->read_data->len;
  }
  return s->read_fd >= 0;
}

/* The first segment with a line from s->read_number on, which then is a line of it; FALSE if there is none. */
static gboolean find(GstResnet18Spool *s, guint *i) {
  s->read_number = MAX(s->read_number, s->floor + 1);
  for (*i = 0; *i < s->segments->len; ++*i) {
    const Segment *seg = segment(s, *i);
    if (after(seg) <= s->read_number)
      continue;
    s->read_number = MAX(s->read_number, seg->first);
    return TRUE;
  }
  return FALSE;
}

gboolean gst_resnet18_spool_next(GstResnet18Spool *s, GstResnet18SpoolLine *line) {
  guint i;
  while (find(s, &i)) {
    const Segment *seg = segment(s, i);
    if (seek(s, i) && read_record(s->read_fd, s->read_offset, seg->end, s->read_number, s->read_data)) {
      s->read_offset += RECORD + s->read_data->len;
      *line = (GstResnet18SpoolLine){.number = s->read_number++,
                                     .salt = seg->salt,
                                     .data = (const gchar *)s->read_data->data,
                                     .length = s->read_data->len};
      return TRUE;
    }
    close_fd(&s->read_fd);
    give_up(s, i, s->read_number);
  }
  return FALSE;
}

void gst_resnet18_spool_rewind(GstResnet18Spool *s) {
  close_fd(&s->read_fd);
  s->read_number = s->floor + 1;
}

/* ---- Acknowledging, syncing, counting ------------------------------------------------------------------ */

void gst_resnet18_spool_acknowledge(GstResnet18Spool *s, guint64 number) {
  if (number <= s->floor || number > s->last)
    return;
  raise_floor(s, number);
  remove_passed(s, FALSE);
}

guint64 gst_resnet18_spool_floor(const GstResnet18Spool *s) {
  return s->floor;
}

gboolean gst_resnet18_spool_sync(GstResnet18Spool *s) {
  if (s->unsynced && s->active_fd >= 0 && fdatasync(s->active_fd) != 0)
    return FALSE;
  s->unsynced = FALSE;
  sync_position(s);
  return !s->position_unsynced;
}

void gst_resnet18_spool_count(const GstResnet18Spool *s, GstResnet18SpoolCounts *counts) {
  *counts = s->counts;
}

/* ---- Opening ------------------------------------------------------------------------------------------- */

/* The number in a segment's name; FALSE for names of other files. */
static gboolean parse_name(const gchar *name, guint64 *first) {
  gchar again[32], *end;
  *first = g_ascii_strtoull(name, &end, 16);
  name_segment(again, *first);
  return end == name + 16 && strcmp(name, again) == 0;
}

/* Counts the whole records, and cuts off what is after them. FALSE if the file is no segment. */
static gboolean scan(GstResnet18Spool *s, gint fd, Segment *seg) {
  guint8 head[HEADER];
  guint64 first;
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size < HEADER ||
      !read_at(fd, head, sizeof head, 0) || !parse_head(head, SEGMENT_MAGIC, &seg->salt, &first) || first != seg->first)
    return FALSE;
  seg->end = HEADER;
  while (seg->count < LARGEST_SEGMENT && read_record(fd, seg->end, (gsize)status.st_size, after(seg), s->read_data)) {
    seg->end += RECORD + s->read_data->len;
    seg->count++;
  }
  /* Where that is not allowed, the rest takes room and is passed over again by the next start. */
  if (seg->end < (gsize)status.st_size && ftruncate(fd, (off_t)seg->end) != 0)
    seg->end = (gsize)status.st_size;
  return seg->count > 0;
}

static gboolean recover_segment(GstResnet18Spool *s, guint64 first, GError **error) {
  Segment seg = {.first = first};
  gint fd = open_segment(s, first, O_RDWR);
  gboolean good;
  if (fd < 0)
    return fail(s, "read", errno, error);
  good = first > 0 && first <= LARGEST_NUMBER && scan(s, fd, &seg);
  close_fd(&fd);
  if (good) {
    g_array_append_val(s->segments, seg);
    s->bytes += seg.end;
  } else {
    unlink_segment(s, first);
  }
  return TRUE;
}

static gint by_number(gconstpointer a, gconstpointer b) {
  const guint64 left = *(const guint64 *)a, right = *(const guint64 *)b;
  return (left > right) - (left < right);
}

static GArray *list_segments(const GstResnet18Spool *s, GError **error) {
  GArray *firsts = g_array_new(FALSE, FALSE, sizeof(guint64));
  GDir *folder = g_dir_open(s->folder, 0, error);
  const gchar *name;
  guint64 first;
  while (folder && (name = g_dir_read_name(folder)))
    if (parse_name(name, &first))
      g_array_append_val(firsts, first);
  if (folder)
    g_dir_close(folder);
  g_array_sort(firsts, by_number);
  return firsts;
}

/* Numbers without a line, between the floor and the last segment, are lines that were damaged. Segments that claim
 * numbers of an earlier one are not of this spool. */
static void account(GstResnet18Spool *s, gboolean positioned) {
  guint64 expected = positioned ? s->floor + 1 : s->segments->len ? segment(s, 0)->first : 1;
  for (guint i = 0; i < s->segments->len;) {
    const Segment *seg = segment(s, i);
    if (i > 0 && seg->first < after(segment(s, i - 1))) {
      remove_segment(s, i);
      continue;
    }
    if (seg->first > expected)
      s->counts.dropped += seg->first - expected;
    expected = MAX(expected, after(seg));
    i++;
  }
  s->last = MAX(s->floor, expected - 1);
  if (!positioned && s->segments->len)
    s->floor = segment(s, 0)->first - 1;
  remove_passed(s, TRUE);
  for (guint i = 0; i < s->segments->len; i++)
    s->counts.recovered += unread_of(s, segment(s, i));
  s->counts.spooled = s->counts.recovered;
  s->counts.recovered += s->counts.dropped;
}

static gboolean recover(GstResnet18Spool *s, GError **error) {
  const gboolean positioned = read_position(s);
  GError *reason = NULL;
  GArray *firsts = list_segments(s, &reason);
  for (guint i = 0; i < firsts->len && !reason; i++)
    recover_segment(s, g_array_index(firsts, guint64, i), &reason);
  g_array_free(firsts, TRUE);
  if (reason) {
    g_propagate_error(error, reason);
    g_array_set_size(s->segments, 0);
    return FALSE;
  }
  account(s, positioned);
  write_position(s);
  gst_resnet18_spool_rewind(s);
  return TRUE;
}

static gint open_at(const GstResnet18Spool *s, const gchar *name) {
  return openat(s->folder_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

static gboolean open_folder(GstResnet18Spool *s, GError **error) {
  if (g_mkdir_with_parents(s->folder, 0700) != 0)
    return fail(s, "make", errno, error);
  s->folder_fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (s->folder_fd < 0)
    return fail(s, "open", errno, error);
  s->lock_fd = open_at(s, "lock");
  if (s->lock_fd < 0)
    return fail(s, "lock", errno, error);
  if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK)
      return fail(s, "lock", errno, error);
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_AGAIN,
                "the spool \"%s\" is used by another element or process; each needs one of its own", s->folder);
    return FALSE;
  }
  s->position_fd = open_at(s, "position");
  return s->position_fd >= 0 || fail(s, "open", errno, error);
}

GstResnet18Spool *gst_resnet18_spool_open(const gchar *folder, guint64 limit, GError **error) {
  GstResnet18Spool *s = g_new0(GstResnet18Spool, 1);
  s->folder = g_strdup(folder);
  s->folder_fd = s->lock_fd = s->position_fd = s->active_fd = s->read_fd = -1;
  s->limit = MAX(limit, GST_RESNET18_SPOOL_SMALLEST);
  s->segment_limit = (gsize)MIN(s->limit / 16, LARGEST_SEGMENT);
  s->segments = g_array_new(FALSE, FALSE, sizeof(Segment));
  s->read_data = g_byte_array_new();
  if (open_folder(s, error) && recover(s, error))
    return s;
  gst_resnet18_spool_free(s);
  return NULL;
}

void gst_resnet18_spool_free(GstResnet18Spool *s) {
  if (s->position_fd >= 0) {
    remove_passed(s, TRUE);
    gst_resnet18_spool_sync(s);
  }
  close_fd(&s->active_fd);
  close_fd(&s->read_fd);
  close_fd(&s->position_fd);
  close_fd(&s->lock_fd);
  close_fd(&s->folder_fd);
  g_array_free(s->segments, TRUE);
  g_byte_array_unref(s->read_data);
  g_free(s->folder);
  g_free(s);
}
