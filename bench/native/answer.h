/* Reads HTTP/1.1 answers as their bytes arrive, and counts what is in them: bytes, server-sent events, [DONE]. */
#ifndef ANSWER_H
#define ANSWER_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strcasestr */
#endif
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_LIMIT 4096
#define LINE_LIMIT 14 /* long enough to tell "data: [DONE]" from a longer line */

enum reading { HEAD, FIXED, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, COMPLETE, BROKEN };

struct answer {
  enum reading reading;
  int status, closes, done; /* closes: the server keeps the connection no longer; done: [DONE] was seen */
  uint64_t left, bytes, events;
  int head_size, line_size;
  char head[HEAD_LIMIT + 1], line[LINE_LIMIT + 1];
};

static inline void expect_answer(struct answer *a) {
  a->reading = HEAD;
  a->status = a->closes = a->done = a->head_size = a->line_size = 0;
  a->left = a->bytes = a->events = 0;
}

/* An event ends at an empty line; a line is remembered only as far as it takes to know it. */
static inline void count_events(struct answer *a, const char *data, size_t size) {
  a->bytes += size;
  for (const char *end = data + size; data < end;) {
    const char *stop = memchr(data, '\n', (size_t)(end - data));
    size_t length = (size_t)((stop ? stop : end) - data), room = (size_t)(LINE_LIMIT - a->line_size);
    size_t kept = length < room ? length : room;
    memcpy(a->line + a->line_size, data, kept);
    a->line_size += (int)kept;
    if (!stop) return;
    if (a->line_size && a->line[a->line_size - 1] == '\r') a->line_size--;
    if (a->line_size == 0) a->events++;
    else if (a->line_size == 12 && !memcmp(a->line, "data: [DONE]", 12)) a->done = 1;
    a->line_size = 0;
    data = stop + 1;
  }
}

static inline void read_head(struct answer *a) {
  a->head[a->head_size] = 0;
  if (strncmp(a->head, "HTTP/1.1 ", 9)) { a->reading = BROKEN; return; }
  a->status = atoi(a->head + 9);
  const char *length = strcasestr(a->head, "\r\ncontent-length:");
  a->closes = strcasestr(a->head, "\r\nconnection: close") != NULL;
  if (strcasestr(a->head, "\r\ntransfer-encoding: chunked")) a->reading = CHUNK_SIZE;
  else if (length) a->left = strtoull(length + 17, NULL, 10), a->reading = a->left ? FIXED : COMPLETE;
  else a->reading = BROKEN;
}

/* One byte of framing: head, chunk sizes and what stands between them. */
static inline void read_framing(struct answer *a, char byte) {
  switch (a->reading) {
    case HEAD:
      if (a->head_size == HEAD_LIMIT) { a->reading = BROKEN; return; }
      a->head[a->head_size++] = byte;
      if (byte == '\n' && a->head_size >= 4 && !memcmp(a->head + a->head_size - 4, "\r\n\r\n", 4)) {
        read_head(a);
        a->head_size = 0;
      }
      return;
    case CHUNK_SIZE:
      if (byte == '\n') a->reading = a->left ? CHUNK_DATA : TRAILER, a->head_size = 0;
      else if (byte >= '0' && byte <= '9') a->left = a->left * 16 + (uint64_t)(byte - '0');
      else if ((byte | 32) >= 'a' && (byte | 32) <= 'f') a->left = a->left * 16 + (uint64_t)((byte | 32) - 'a' + 10);
      else if (byte != '\r') a->reading = BROKEN;
      return;
    case CHUNK_END:
      if (byte == '\n') a->reading = CHUNK_SIZE;
      else if (byte != '\r') a->reading = BROKEN;
      return;
    case TRAILER:
      if (byte == '\n') { if (a->head_size == 0) a->reading = COMPLETE; a->head_size = 0; }
      else if (byte != '\r') a->head_size = 1;
      return;
    default: a->reading = BROKEN;
  }
}

/* Bytes after the end of the answer are nobody's: the answer is then broken, not complete. */
static inline void read_answer(struct answer *a, const char *data, size_t size) {
  while (size && a->reading != BROKEN) {
    if (a->reading != FIXED && a->reading != CHUNK_DATA) { read_framing(a, *data++); size--; continue; }
    size_t take = size < a->left ? size : (size_t)a->left;
    count_events(a, data, take);
    data += take;
    size -= take;
    a->left -= take;
    if (a->left == 0) a->reading = a->reading == FIXED ? COMPLETE : CHUNK_END;
  }
}
#endif
