/* An upstream that speaks OpenAI chat completions over HTTP/1.1 keep-alive, on loopback alone.
 *
 *   mock NAME=EVENTS:PER_WRITE:INTERVAL_US …
 *
 * The request's `model` picks the behaviour: EVENTS 0 answers one JSON of about 1.2 KB; else a stream of EVENTS
 * server-sent events, each an HTTP chunk of its own, PER_WRITE to a write, a write every INTERVAL_US (0: as fast
 * as the reader reads). The first event names the role, the last three are finish, usage and [DONE].
 * Prints its port, then serves until it is told to stop. Every answer is made before the first call arrives.
 */
#include "loopback.h"

#define BEHAVIOURS 8
#define REQUEST_LIMIT 16384
#define WORDS 7
#define CONTENT "{\"id\":\"chatcmpl-BenchBenchBenchBenchBenchBe\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"%s\"," \
  "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0123456789\",\"choices\":[%s]%s}"
#define USAGE "{\"prompt_tokens\":190,\"completion_tokens\":%d,\"total_tokens\":%d," \
  "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0}," \
  "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}"

struct conn;
struct text { char *data; size_t size; };

struct behaviour {
  const char *name;
  int events, per_write;
  int64_t interval, phase;
  struct text plain, head, words, tail;
  size_t word_size; /* all words are of one length, and so are their events */
};

struct conn {
  int fd, left;            /* left: content events still to write */
  size_t have;             /* bytes of request */
  struct behaviour *plays; /* the stream being written, if any */
  int64_t due;
  int place;               /* in `waiting`, counted from 1; 0: nowhere */
  const char *pending;     /* what the socket did not take yet */
  size_t pending_size;
  char request[REQUEST_LIMIT + 1];
};

static struct behaviour behaviours[BEHAVIOURS];
static int behaviour_count, epoll, timer;
static struct conn *conns[LARGEST_DESCRIPTOR];
static struct conn *waiting[LARGEST_DESCRIPTOR + 1]; /* a heap of streams, the next one due at 1 */
static int waiting_count;

static struct text text_of(const char *format, ...) {
  struct text text;
  va_list arguments;
  va_start(arguments, format);
  int size = vasprintf(&text.data, format, arguments);
  va_end(arguments);
  if (size < 0) die("out of memory");
  text.size = (size_t)size;
  return text;
}

static struct text chunk(struct text event) {
  return text_of("%zx\r\ndata: %s\n\n\r\n", event.size + 8, event.data);
}

static struct text joined(struct text text, struct text more) { return text_of("%s%s", text.data, more.data); }

/* Streams say different words in turn: some proxies take an endless repetition for a fault of the model. */
static const char *const words[WORDS] = {"alpha", "bravo", "delta", "hotel", "india", "kilos", "oscar"};

static void prepare(struct behaviour *b) {
  if (b->events == 0) {
    struct text usage = text_of(USAGE, 64, 254);
    char prose[560] = "";
    while (strlen(prose) < 540) strcat(prose, "It depends on ");
    struct text body = text_of("{\"id\":\"chatcmpl-BenchBenchBenchBenchBenchBe\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"%s\","
      "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,"
      "\"finish_reason\":\"stop\"}],\"usage\":%s,\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0123456789\"}",
      b->name, prose, usage.data);
    b->plain = text_of("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", body.size, body.data);
    return;
  }
  int tokens = b->events - 4;
  struct text usage = text_of(",\"usage\":" USAGE, tokens, 190 + tokens);
  const char *none = ",\"usage\":null";
  struct text role = text_of(CONTENT, b->name, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}", none);
  struct text finish = text_of(CONTENT, b->name, "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}", none);
  struct text paid = text_of(CONTENT, b->name, "", usage.data);
  b->head = joined(text_of("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n"), chunk(role));
  b->words = text_of("");
  for (int i = 0; i < b->per_write + WORDS; i++) {
    struct text choice = text_of("{\"index\":0,\"delta\":{\"content\":\" %s\"},\"logprobs\":null,\"finish_reason\":null}", words[i % WORDS]);
    struct text event = chunk(text_of(CONTENT, b->name, choice.data, none));
    b->word_size = event.size;
    b->words = joined(b->words, event);
  }
  b->tail = joined(joined(joined(chunk(finish), chunk(paid)), chunk(text_of("[DONE]"))), text_of("0\r\n\r\n"));
}

static void place(struct conn *c, int at) {
  for (; at > 1 && waiting[at / 2]->due > c->due; at /= 2) (waiting[at] = waiting[at / 2])->place = at;
  for (int child; (child = 2 * at) <= waiting_count; at = child) {
    if (child < waiting_count && waiting[child + 1]->due < waiting[child]->due) child++;
    if (waiting[child]->due >= c->due) break;
    (waiting[at] = waiting[child])->place = at;
  }
  (waiting[at] = c)->place = at;
}

static void queue(struct conn *c, int64_t due) {
  c->due = due;
  place(c, ++waiting_count);
}

static void unqueue(struct conn *c) {
  struct conn *last = waiting[waiting_count];
  int at = c->place;
  if (at == 0) return;
  c->place = 0;
  waiting_count--;
  if (last != c) place(last, at);
}

static void drop(struct conn *c) {
  unqueue(c);
  conns[c->fd] = NULL;
  close(c->fd);
  free(c);
}

/* False when the peer is gone and the connection with it. What is not taken stays pending and is tried on EPOLLOUT. */
static int put(struct conn *c, const char *data, size_t size) {
  ssize_t taken = send(c->fd, data, size, MSG_NOSIGNAL);
  if (taken < 0) {
    if (errno != EAGAIN) { drop(c); return 0; }
    taken = 0;
  }
  if ((size_t)taken < size) {
    c->pending = data + taken;
    c->pending_size = size - (size_t)taken;
    watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT);
  }
  return 1;
}

/* The next write of a stream that is due. */
static void play(struct conn *c) {
  struct behaviour *b = c->plays;
  if (c->left == 0) {
    c->plays = NULL;
    put(c, b->tail.data, b->tail.size);
    return;
  }
  int count = c->left < b->per_write ? c->left : b->per_write;
  const char *first = b->words.data + b->word_size * (size_t)(c->left % WORDS);
  c->left -= count;
  if (!put(c, first, b->word_size * (size_t)count)) return;
  if (c->pending_size == 0) queue(c, b->interval ? c->due + b->interval : now_ns());
}

static void start(struct conn *c, struct behaviour *b) {
  if (b->events == 0) { put(c, b->plain.data, b->plain.size); return; }
  c->plays = b;
  c->left = b->events - 4;
  if (!put(c, b->head.data, b->head.size)) return;
  /* Golden-ratio phases: streams that start together don't beat together, as real ones don't. */
  b->phase = b->interval ? (b->phase + (int64_t)(0.6180339887 * (double)b->interval)) % b->interval : 0;
  c->due = now_ns() + b->phase;
  if (c->pending_size == 0) queue(c, c->due);
}

static void refuse(struct conn *c, const char *status) {
  char answer[128];
  int size = snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
  if (send(c->fd, answer, (size_t)size, MSG_NOSIGNAL) < 0 && errno != EAGAIN) errno = 0;
  drop(c);
}

static struct behaviour *asked_for(const char *body) {
  const char *model = strstr(body, "\"model\"");
  if (!model) return NULL;
  model += 7 + strspn(model + 7, " :");
  if (*model++ != '"') return NULL;
  size_t size = strcspn(model, "\"");
  for (int i = 0; i < behaviour_count; i++)
    if (strlen(behaviours[i].name) == size && !memcmp(behaviours[i].name, model, size)) return &behaviours[i];
  return NULL;
}

/* One whole request in the buffer is answered; a client that pipelines here is out of contract and is refused. */
static void serve(struct conn *c) {
  c->request[c->have] = 0;
  char *end = strstr(c->request, "\r\n\r\n");
  if (!end) {
    if (c->have == REQUEST_LIMIT) refuse(c, "413 Content Too Large");
    return;
  }
  *end = 0;
  char *length = strcasestr(c->request, "\r\ncontent-length:");
  size_t size = length ? strtoul(length + 17, NULL, 10) : 0, begin = (size_t)(end + 4 - c->request);
  *end = '\r';
  if (!length) { refuse(c, "411 Length Required"); return; }
  if (size > REQUEST_LIMIT - begin) { refuse(c, "413 Content Too Large"); return; }
  if (c->have < begin + size) return;
  struct behaviour *b = asked_for(end + 4);
  if (c->have > begin + size || c->plays || c->pending_size) refuse(c, "400 Bad Request");
  else if (!b) refuse(c, "404 Not Found");
  else { c->have = 0; start(c, b); }
}

static void readable(struct conn *c) {
  ssize_t got = recv(c->fd, c->request + c->have, REQUEST_LIMIT - c->have, 0);
  if (got > 0) { c->have += (size_t)got; serve(c); }
  else if (got == 0 || errno != EAGAIN) drop(c);
}

static void writable(struct conn *c) {
  const char *data = c->pending;
  size_t size = c->pending_size;
  c->pending_size = 0;
  watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN);
  if (put(c, data, size) && c->pending_size == 0 && c->plays) queue(c, c->plays->interval ? c->due : now_ns());
}

static void welcome(int listener) {
  for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
    struct conn *c = fd < LARGEST_DESCRIPTOR ? calloc(1, sizeof *c) : NULL;
    if (!c) { close(fd); continue; }
    c->fd = fd;
    conns[fd] = c;
    no_delay(fd);
    watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
  }
}

/* Every stream that is due gets one write, so that a fast one cannot starve the rest; returns when to look again. */
static int64_t play_what_is_due(void) {
  for (int64_t now = now_ns(); waiting_count && waiting[1]->due <= now;) {
    struct conn *c = waiting[1];
    unqueue(c);
    play(c);
  }
  return waiting_count ? waiting[1]->due : 0;
}

static void parse(char *argument) {
  if (behaviour_count == BEHAVIOURS) die("at most %d behaviours", BEHAVIOURS);
  struct behaviour *b = &behaviours[behaviour_count++];
  b->name = strsep(&argument, "=");
  const char *events = strsep(&argument, ":"), *per_write = strsep(&argument, ":");
  if (!events || !per_write || !argument) die("expected NAME=EVENTS:PER_WRITE:INTERVAL_US");
  b->events = (int)bounded("EVENTS", events, 0, 100000);
  if (b->events && b->events < 5) die("a stream has at least 5 events: role, content, finish, usage, [DONE]");
  b->per_write = (int)bounded("PER_WRITE", per_write, 1, 1000);
  b->interval = (int64_t)bounded("INTERVAL_US", argument, 0, 60e6) * 1000;
  prepare(b);
}

int main(int count, char **arguments) {
  for (int i = 1; i < count; i++) parse(arguments[i]);
  if (behaviour_count == 0) die("usage: mock NAME=EVENTS:PER_WRITE:INTERVAL_US …");
  settle_in();
  struct sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0) die("listen: %s", strerror(errno));
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);

  epoll = epoll_create1(0);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN);
  watch(epoll, EPOLL_CTL_ADD, timer, EPOLLIN | EPOLLET);
  struct epoll_event events[512];
  for (int64_t armed = 0;;) {
    int64_t next = play_what_is_due();
    int busy = next && next <= now_ns();
    if (!busy && next != armed) wake_at(timer, armed = next);
    int ready = epoll_wait(epoll, events, 512, busy ? 0 : -1);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) welcome(listener);
      else if (fd == timer) armed = 0;
      else {
        if (conns[fd] && events[i].events & EPOLLOUT) writable(conns[fd]);
        if (conns[fd] && events[i].events & ~(uint32_t)EPOLLOUT) readable(conns[fd]);
      }
    }
  }
}
