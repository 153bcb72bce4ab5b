/* A load generator for one server on loopback: closed loop (as many calls at once as connections) or open loop.
 *
 *   load --port N --request FILE [--connections N] [--seconds S] [--calls N] [--rate R] [--stream] [--refusals] [--drain S]
 *
 * FILE holds one whole HTTP request, sent as it is. In the open loop (--rate) call n is due at start + n/rate whether
 * or not earlier calls came back, and its latency counts from then: a stalled server is not spared the calls it kept
 * waiting. A call counts when it came back whole with status 200 (a stream: with [DONE]). After too many others it gives
 * up, unless --refusals says that they are to be expected. Prints one JSON object.
 */
#include "answer.h"
#include "loopback.h"
#include "percentile.h"

#define MOST_CALLS 5000000
#define MOST_ERRORS 1000
#define STATUSES 600
#define READ_SIZE 262144

struct conn {
  int fd;
  int64_t due;        /* latency counts from here */
  int busy, connecting, sees_first;
  size_t sent;
  struct answer answer;
};

static struct { int port, connections, stream, refusals; double seconds, rate, drain; long calls; const char *request; } asked = {
  .connections = 1, .seconds = 10, .drain = 30, .calls = MOST_CALLS};
static char *request;
static size_t request_size;
static int epoll, timer;
static struct conn *conns, **idle, *by_descriptor[LARGEST_DESCRIPTOR];
static int idle_count, in_flight, peak_in_flight;
static uint32_t *latencies, *firsts, *lags;
static long started, completed, firsts_count, opened;
static uint64_t events, bytes;
static long status_errors[STATUSES], connect_errors, closed_errors, broken_errors, unfinished_errors, timeout_errors;
static long errors;

static void read_options(int count, char **arguments) {
  for (int i = 1; i < count; i++) {
    const char *name = arguments[i];
    if (!strcmp(name, "--stream")) { asked.stream = 1; continue; }
    if (!strcmp(name, "--refusals")) { asked.refusals = 1; continue; }
    const char *value = i + 1 < count ? arguments[++i] : "";
    if (!strcmp(name, "--port")) asked.port = (int)bounded(name, value, 1, 65535);
    else if (!strcmp(name, "--request")) asked.request = value;
    else if (!strcmp(name, "--connections")) asked.connections = (int)bounded(name, value, 1, 20000);
    else if (!strcmp(name, "--seconds")) asked.seconds = bounded(name, value, 0.01, 600);
    else if (!strcmp(name, "--calls")) asked.calls = (long)bounded(name, value, 1, MOST_CALLS);
    else if (!strcmp(name, "--rate")) asked.rate = bounded(name, value, 0.1, 200000);
    else if (!strcmp(name, "--drain")) asked.drain = bounded(name, value, 0, 600);
    else die("unknown option %s", name);
  }
  if (!asked.port || !asked.request) die("usage: load --port N --request FILE [--connections N] [--seconds S] [--calls N] [--rate R] [--stream] [--refusals] [--drain S]");
}

static void read_request(void) {
  FILE *file = fopen(asked.request, "rb");
  request = malloc(1 << 20);
  if (!file || !request) die("%s: %s", asked.request, strerror(errno));
  request_size = fread(request, 1, 1 << 20, file);
  if (request_size == 0 || request_size == 1 << 20) die("%s: expected 1 byte to 1 MiB", asked.request);
  fclose(file);
}

static uint32_t microseconds(int64_t from, int64_t to) {
  int64_t passed = (to - from) / 1000;
  return passed < 0 ? 0 : passed > UINT32_MAX ? UINT32_MAX : (uint32_t)passed;
}

static void hang_up(struct conn *c) {
  if (c->fd < 0) return;
  by_descriptor[c->fd] = NULL;
  close(c->fd);
  c->fd = -1;
}

static void rest(struct conn *c) {
  c->busy = 0;
  in_flight--;
  idle[idle_count++] = c;
}

static void finish(struct conn *c, long *error) {
  if (error) { ++*error; ++errors; }
  else {
    latencies[completed++] = microseconds(c->due, now_ns());
    events += c->answer.events;
    bytes += c->answer.bytes;
  }
  if (error || c->answer.closes) hang_up(c);
  rest(c);
}

static void dial(struct conn *c) {
  struct sockaddr_in address = loopback(asked.port);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0 || c->fd >= LARGEST_DESCRIPTOR) die("no descriptor left: ask for fewer connections (ulimit -n)");
  by_descriptor[c->fd] = c;
  opened++;
  no_delay(c->fd);
  c->connecting = 1;
  watch(epoll, EPOLL_CTL_ADD, c->fd, EPOLLOUT);
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) finish(c, &connect_errors);
}

static void send_request(struct conn *c) {
  int waited = c->sent > 0;
  ssize_t taken = send(c->fd, request + c->sent, request_size - c->sent, MSG_NOSIGNAL);
  if (taken < 0 && errno != EAGAIN) { finish(c, &closed_errors); return; }
  c->sent += taken > 0 ? (size_t)taken : 0;
  if (c->sent < request_size) watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT);
  else if (waited) watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN);
}

static void start_call(int64_t due) {
  struct conn *c = idle[--idle_count];
  if (++in_flight > peak_in_flight) peak_in_flight = in_flight;
  lags[started++] = microseconds(due, now_ns());
  c->due = due;
  c->busy = c->sees_first = 1;
  c->sent = 0;
  expect_answer(&c->answer);
  if (c->fd < 0) dial(c); else send_request(c);
}

static void judge(struct conn *c) {
  struct answer *a = &c->answer;
  if (a->bytes && c->sees_first) { c->sees_first = 0; firsts[firsts_count++] = microseconds(c->due, now_ns()); }
  if (a->reading == BROKEN) finish(c, &broken_errors);
  else if (a->reading == COMPLETE) {
    long *status = &status_errors[a->status < STATUSES && a->status > 0 ? a->status : 0];
    if (a->status != 200 && asked.refusals) {
      ++*status;
      if (a->closes) hang_up(c);
      rest(c);
    }
    else if (a->status != 200) finish(c, status);
    else finish(c, asked.stream && !a->done ? &unfinished_errors : NULL);
  }
}

static void readable(struct conn *c) {
  static char buffer[READ_SIZE];
  ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0 || !c->busy) {
    /* A server may close a connection that rests; one that closes, or speaks, at any other time is at fault. */
    if (c->busy) finish(c, &closed_errors); else hang_up(c);
    return;
  }
  read_answer(&c->answer, buffer, (size_t)got);
  judge(c);
}

static void writable(struct conn *c) {
  if (c->connecting) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    c->connecting = 0;
    if (error) { finish(c, &connect_errors); return; }
    watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN);
  }
  if (c->busy && c->sent < request_size) send_request(c);
}

/* Starts what may start now; returns when the next call is due (0: when a connection is free, or never). */
static int64_t start_calls(int64_t begin) {
  int64_t end = begin + (int64_t)(asked.seconds * SECOND), now = now_ns();
  while (started < asked.calls && errors < MOST_ERRORS && idle_count) {
    int64_t due = asked.rate > 0 ? begin + (int64_t)((double)started / asked.rate * SECOND) : now;
    if (due >= end) { asked.calls = started; return 0; }
    if (due > now) return due;
    start_call(due);
  }
  if (now >= end && asked.rate == 0) asked.calls = started;
  return 0;
}

static void run(int64_t begin) {
  struct epoll_event ready[512];
  int64_t armed = 0, last = begin + (int64_t)((asked.seconds + asked.drain) * SECOND);
  for (;;) {
    int64_t next = start_calls(begin);
    int over = started >= asked.calls || errors >= MOST_ERRORS;
    if (over && in_flight == 0) return;
    if (now_ns() > last) break;
    if (next && next != armed) wake_at(timer, armed = next);
    int count = epoll_wait(epoll, ready, 512, 100);
    for (int i = 0; i < count; i++) {
      int fd = ready[i].data.fd;
      if (fd == timer) { armed = 0; continue; }
      if (by_descriptor[fd] && ready[i].events & EPOLLOUT) writable(by_descriptor[fd]);
      if (by_descriptor[fd] && ready[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) readable(by_descriptor[fd]);
    }
  }
  for (int i = 0; i < asked.connections; i++)
    if (conns[i].busy) finish(&conns[i], &timeout_errors);
}

static void print_samples(const char *name, uint32_t *samples, long count) {
  double sum = 0;
  for (long i = 0; i < count; i++) sum += samples[i];
  sort_samples(samples, (size_t)count);
  printf(",\"%s\":{\"mean\":%.1f", name, count ? sum / (double)count : 0);
  static const struct { const char *name; unsigned per_mille; } wanted[] = {{"p50", 500}, {"p90", 900}, {"p99", 990}, {"max", 1000}};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
    printf(",\"%s\":%u", wanted[i].name, percentile(samples, (size_t)count, wanted[i].per_mille));
  printf("}");
}

static void print_errors(void) {
  struct { const char *name; long count; } kinds[] = {{"connect", connect_errors}, {"closed", closed_errors}, {"broken", broken_errors},
                                                      {"unfinished", unfinished_errors}, {"timeout", timeout_errors}};
  const char *comma = "";
  printf(",\"errors\":{");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (kinds[i].count) { printf("%s\"%s\":%ld", comma, kinds[i].name, kinds[i].count); comma = ","; }
  for (int i = 0; i < STATUSES; i++)
    if (status_errors[i]) { printf("%s\"%d\":%ld", comma, i, status_errors[i]); comma = ","; }
  printf("}");
}

static void *room(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (!memory) die("out of memory");
  return memory;
}

int main(int count, char **arguments) {
  read_options(count, arguments);
  settle_in();
  read_request();
  conns = room((size_t)asked.connections, sizeof *conns);
  idle = room((size_t)asked.connections, sizeof *idle);
  latencies = room((size_t)asked.calls, sizeof *latencies);
  firsts = room((size_t)asked.calls, sizeof *firsts);
  lags = room((size_t)asked.calls, sizeof *lags);
  for (int i = asked.connections - 1; i >= 0; i--) { conns[i].fd = -1; idle[idle_count++] = &conns[i]; }
  epoll = epoll_create1(0);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  watch(epoll, EPOLL_CTL_ADD, timer, EPOLLIN | EPOLLET);

  int64_t begin = now_ns();
  run(begin);
  double seconds = (double)(now_ns() - begin) / SECOND;
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  printf("{\"started\":%ld,\"calls\":%ld,\"seconds\":%.6f,\"events\":%lu,\"bytes\":%lu,\"cpu_seconds\":%.6f,\"peak_in_flight\":%d,\"connections_opened\":%ld",
         started, completed, seconds, (unsigned long)events, (unsigned long)bytes, cpu, peak_in_flight, opened);
  print_errors();
  print_samples("latency_us", latencies, completed);
  print_samples("first_byte_us", firsts, firsts_count);
  print_samples("lag_us", lags, started);
  printf("}\n");
}
