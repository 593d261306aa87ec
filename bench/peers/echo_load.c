/* Load for an echo server: C connections, each with D messages of S bytes under way, for T seconds after half a second of warming up.
 * Prints messages per second, and how many there were in all. Address: a port on 127.0.0.1, or the path of a UNIX socket. With -DTLS it speaks TLS, and believes any certificate.
 *
 *     cc -O2 -o echo_load echo_load.c && ./echo_load 8007 50 64 1 2
 *     cc -O2 -DTLS -o echo_load_tls echo_load.c -lssl -lcrypto
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#ifdef TLS
#include <openssl/ssl.h>
#endif

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static int dial(const char *where) {
  if (where[0] == '/') {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strncpy(a.sun_path, where, sizeof a.sun_path - 1);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(s, (struct sockaddr *)&a, sizeof a)) return -1;
    return s;
  }
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(where))};
  inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
  int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  if (connect(s, (struct sockaddr *)&a, sizeof a)) return -1;
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return s;
}

struct peer {
  int fd;
  long owed;    /* bytes that are to be sent */
  long partial; /* bytes received of a message that is not complete */
  int blocked;
#ifdef TLS
  SSL *ssl;
#endif
};

#ifdef TLS
/* As read and write do: -1 with EAGAIN when there is nothing to be done now. */
static long again(struct peer *p, int n) {
  if (n > 0) return n;
  int why = SSL_get_error(p->ssl, n);
  errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
  return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}
static long put(struct peer *p, const char *data, long n) { return again(p, SSL_write(p->ssl, data, n)); }
static long get(struct peer *p, char *in, long n) { return again(p, SSL_read(p->ssl, in, n)); }

static void secure(struct peer *p) {
  static SSL_CTX *ctx;
  if (!ctx) {
    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  p->ssl = SSL_new(ctx);
  SSL_set_fd(p->ssl, p->fd);
  if (SSL_connect(p->ssl) != 1) {
    fprintf(stderr, "handshake failed\n");
    exit(1);
  }
}
#else
static long put(struct peer *p, const char *data, long n) { return write(p->fd, data, n); }
static long get(struct peer *p, char *in, long n) { return read(p->fd, in, n); }
static void secure(struct peer *p) { (void)p; }
#endif

/* Sends what is owed; asks to be told when it cannot. */
static void push(int ep, struct peer *p, const char *data, long size) {
  while (p->owed > 0) {
    long n = put(p, data, p->owed < size ? p->owed : size);
    if (n < 0) {
      if (errno != EAGAIN) exit(3);
      break;
    }
    p->owed -= n;
  }
  int blocked = p->owed > 0;
  if (blocked == p->blocked) return;
  p->blocked = blocked;
  struct epoll_event e = {.events = EPOLLIN | (blocked ? EPOLLOUT : 0), .data.ptr = p};
  epoll_ctl(ep, EPOLL_CTL_MOD, p->fd, &e);
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  int conns = atoi(argv[2]), ep = epoll_create1(0);
  long size = atol(argv[3]), depth = atol(argv[4]), total = size * depth, received = 0, everything = 0;
  double seconds = atof(argv[5]), begin = now() + 0.5;
  int counting = 0;
  char *data = malloc(total), *in = malloc(1 << 20);
  memset(data, 'x', total);
  struct peer *peers = calloc(conns, sizeof *peers);
  for (int i = 0; i < conns; i++) {
    struct peer *p = &peers[i];
    p->fd = dial(argv[1]);
    if (p->fd < 0) {
      perror("connect");
      return 1;
    }
    secure(p);
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
    epoll_ctl(ep, EPOLL_CTL_ADD, p->fd, &e);
    p->owed = total;
    push(ep, p, data, total);
  }
  struct epoll_event events[256];
  for (;;) {
    int n = epoll_wait(ep, events, 256, 100);
    double t = now();
    if (!counting && t >= begin) {
      counting = 1;
      received = 0;
      begin = t;
    } else if (counting && t >= begin + seconds) {
      printf("%.0f %.0f\n", received / (double)size / (t - begin), everything / (double)size);
      return 0;
    }
    for (int i = 0; i < n; i++) {
      struct peer *p = events[i].data.ptr;
      if (events[i].events & ~EPOLLOUT) {
        long got, all = 0;
        do {
          got = get(p, in, 1 << 20);
          if (got == 0 || (got < 0 && errno != EAGAIN)) {
            fprintf(stderr, "connection lost\n");
            return 1;
          }
          if (got > 0) all += got;
#ifdef TLS
        } while (got > 0);
#else
        } while (0);
#endif
        received += all;
        everything += all;
        p->partial += all;
        p->owed += p->partial / size * size;
        p->partial %= size;
      }
      push(ep, p, data, total);
    }
  }
}
