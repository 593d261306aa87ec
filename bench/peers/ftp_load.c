/* Load for an FTP server: one thread for each session, all logged in as alice, or as nobody, before the clock starts. Prints what it counts per second, and how many there were.
 *
 *     ftp_load PORT retr PATH TIMES      mebibytes of a file that is brought again and again; nothing is done with them
 *     ftp_load PORT stor PATH TIMES SIZE mebibytes of a file of SIZE mebibytes that is sent again and again, and deleted each time
 *     ftp_load PORT files FOLDER COUNT SESSIONS   files FOLDER/0, FOLDER/1 ..., each brought over a data connection of its own
 *     ftp_load PORT login SESSIONS       logins, so many begun at once, in sixty rounds of which the last thirty count
 *     ftp_load PORT hold SESSIONS        says "held", and keeps the sessions until its input ends
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECE (1 << 20)

static int port;
static long each;
static atomic_long next_file;
static const char *folder;
static pthread_barrier_t start;
static double began;
static atomic_int has_begun;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static int dial(int to) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(to)};
  inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
  int s, one = 1;
  /* A server may say its port a moment before it listens. */
  for (int tries = 0; (s = socket(AF_INET, SOCK_STREAM, 0)) < 0 || connect(s, (struct sockaddr *)&a, sizeof a); tries++) {
    if (errno != ECONNREFUSED || tries == 100) fail("connect", strerror(errno));
    close(s);
    usleep(50000);
  }
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return s;
}

struct session {
  int fd;
  char held[8192];
  int length;
  char line[8192];
};

/* The next line, without its end. */
static void read_line(struct session *s) {
  for (;;) {
    char *end = memchr(s->held, '\n', s->length);
    if (end) {
      int n = end - s->held + 1;
      memcpy(s->line, s->held, n);
      s->line[n - 1] = 0;
      s->length -= n;
      memmove(s->held, s->held + n, s->length);
      return;
    }
    long n = recv(s->fd, s->held + s->length, sizeof s->held - s->length, 0);
    if (n <= 0) fail("control connection", n ? strerror(errno) : "ended");
    s->length += n;
  }
}

/* The code of the next reply, whose last line is in s->line. */
static int reply(struct session *s) {
  do read_line(s);
  while (strlen(s->line) < 4 || s->line[3] == '-' || atoi(s->line) < 100);
  return atoi(s->line);
}

static void say(struct session *s, const char *command, const char *argument) {
  char text[4096];
  int n = snprintf(text, sizeof text, "%s%s%s\r\n", command, *argument ? " " : "", argument);
  if (send(s->fd, text, n, MSG_NOSIGNAL) != n) fail(command, strerror(errno));
}

static void ask(struct session *s, const char *command, const char *argument, int first) {
  say(s, command, argument);
  if (reply(s) / 100 != first) fail(command, s->line);
}

static void log_in(struct session *s) {
  s->length = 0;
  s->fd = dial(port);
  reply(s);
  say(s, "USER", "alice");
  if (reply(s) / 100 == 3) {
    say(s, "PASS", "secret");
    if (reply(s) / 100 == 2) return;
  }
  /* Servers that know the users of their machine alone. */
  ask(s, "USER", "anonymous", 3);
  ask(s, "PASS", "nobody@example.org", 2);
}

/* Opens a data connection, and has a command use it. */
static int transfer(struct session *s, const char *command, const char *path) {
  int high = 0, low = 0;
  ask(s, "PASV", "", 2);
  char *at = strchr(s->line, '(');
  if (!at || sscanf(at, "(%*d,%*d,%*d,%*d,%d,%d)", &high, &low) != 2) fail("PASV", s->line);
  int data = dial(high * 256 + low);
  ask(s, command, path, 1);
  return data;
}

static long bring(struct session *s, const char *path) {
  int data = transfer(s, "RETR", path);
  long all = 0, n;
  /* The kernel throws it away: no load is lighter. */
  while ((n = recv(data, 0, PIECE, MSG_TRUNC)) > 0) all += n;
  if (n < 0) fail("RETR", strerror(errno));
  close(data);
  if (reply(s) / 100 != 2) fail("RETR", s->line);
  return all;
}

static void sends(struct session *s, const char *path, long bytes) {
  static char piece[PIECE];
  int data = transfer(s, "STOR", path);
  while (bytes > 0) {
    long n = send(data, piece, bytes < PIECE ? bytes : PIECE, MSG_NOSIGNAL);
    if (n <= 0) fail("STOR", strerror(errno));
    bytes -= n;
  }
  close(data);
  if (reply(s) / 100 != 2) fail("STOR", s->line);
}

/* Has all begin together. The first to go on takes the time: another may get its turn when much has been done already. */
static void begin(void) {
  pthread_barrier_wait(&start);
  if (!atomic_exchange(&has_begun, 1)) began = now();
}

static void *files(void *unused) {
  struct session s;
  char path[512];
  log_in(&s);
  ask(&s, "TYPE", "I", 2);
  begin();
  for (;;) {
    long number = atomic_fetch_add(&next_file, 1);
    if (number >= each) break;
    snprintf(path, sizeof path, "%s/%ld", folder, number);
    if (bring(&s, path) != 1024) fail(path, "is not of 1 KiB");
  }
  close(s.fd);
  return unused;
}

static void *logs_in(void *session) {
  begin();
  log_in(session);
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 4) fail("ftp_load", "what is to be done?");
  port = atoi(argv[1]);
  const char *mode = argv[2];
  if (!strcmp(mode, "retr") || !strcmp(mode, "stor")) {
    static struct session s;
    long times = atol(argv[4]), bytes = 0;
    log_in(&s);
    ask(&s, "TYPE", "I", 2);
    double took = 0;
    /* Once more before that counts: a hypervisor may have to find the memory first that the file is kept in, which is then used again. */
    for (long n = -1; n < times; n++) {
      began = now();
      if (mode[0] == 'r') bytes += bring(&s, argv[3]);
      else {
        sends(&s, argv[3], atol(argv[5]) << 20);
        bytes += atol(argv[5]) << 20;
      }
      if (n < 0) bytes = 0;
      else took += now() - began;
      /* The clock stands still meanwhile. */
      if (mode[0] == 's') ask(&s, "DELE", argv[3], 2);
    }
    double all = bytes / 1048576.0;
    printf("%f %f\n", all / took, all);
    return 0;
  }
  int sessions = atoi(argv[argc - 1]);
  pthread_t *threads = calloc(sessions, sizeof *threads);
  struct session *all = calloc(sessions, sizeof *all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 1 << 17);
  if (!strcmp(mode, "hold")) {
    for (int n = 0; n < sessions; n++) log_in(all + n);
    printf("held\n");
    fflush(stdout);
    while (getchar() != EOF) {}
    return 0;
  }
  int is_files = !strcmp(mode, "files");
  if (is_files) {
    folder = argv[3];
    each = atol(argv[4]);
  }
  pthread_barrier_init(&start, 0, sessions + 1);
  double took = 0;
  /* Of logins, the first rounds are for warming up: a server in JavaScript compiles what is called often while it goes on, and a server that is used has done so. */
  int rounds = is_files ? 1 : 60, warm = rounds / 2;
  for (int round = 0; round < rounds; round++) {
    has_begun = 0;
    for (int n = 0; n < sessions; n++) {
      if (pthread_create(threads + n, &attributes, is_files ? files : logs_in, all + n)) fail("thread", strerror(errno));
    }
    begin();
    for (int n = 0; n < sessions; n++) pthread_join(threads[n], 0);
    if (round >= warm) took += now() - began;
    if (!is_files) for (int n = 0; n < sessions; n++) close(all[n].fd);
  }
  double count = is_files ? each : (double)sessions * (rounds - warm);
  printf("%f %f\n", count / took, count);
  return 0;
}
