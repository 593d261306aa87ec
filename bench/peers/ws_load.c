/* Load for a WebSocket server on 127.0.0.1, for T seconds after a second of warming up. C connections; messages of S bytes, masked as a client's are. Prints messages received per
 * second, and how many there were in all.
 * echo: each connection has D messages under way. broadcast: the first connection sends one, the server sends it to all, and when all have it the first sends the next; D of them are under way.
 *
 *     cc -O2 -o ws_load ws_load.c && ./ws_load 8080 echo 50 64 1 2
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
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* Connects, and shakes hands. Nothing comes behind the answer before we have sent something. */
static int dial(int port, const char *path) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
  int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  if (connect(s, (struct sockaddr *)&a, sizeof a)) return -1;
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  char text[1024];
  int n = snprintf(text, sizeof text,
                   "GET /%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                   path, port);
  if (write(s, text, n) != n) return -1;
  n = 0;
  while (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4)) {
    if (n == sizeof text || read(s, text + n, 1) != 1) return -1;
    n++;
  }
  return memcmp(text, "HTTP/1.1 101", 12) ? -1 : s;
}

static int header(unsigned char *h, int first, long size, int masked) {
  int n = 2;
  h[0] = first;
  if (size < 126) {
    h[1] = size;
  } else if (size < 65536) {
    h[1] = 126;
    h[2] = size >> 8;
    h[3] = size;
    n = 4;
  } else {
    h[1] = 127;
    for (int i = 0; i < 8; i++) h[2 + i] = (unsigned long)size >> (56 - 8 * i);
    n = 10;
  }
  if (!masked) return n;
  h[1] |= 0x80;
  memcpy(h + n, "\x12\x34\x56\x78", 4);
  return n + 4;
}

struct peer {
  int fd, blocked;
  long owed, partial, complete; /* bytes to send; bytes of a frame that is not complete; frames received */
};

static void push(int ep, struct peer *p, const char *data, long size) {
  while (p->owed > 0) {
    /* What was sent in part goes on where it was. */
    long at = (size - p->owed % size) % size, most = size - at;
    long n = write(p->fd, data + at, most);
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
  if (argc != 7) return 2;
  int port = atoi(argv[1]), all = !strcmp(argv[2], "broadcast"), conns = atoi(argv[3]), ep = epoll_create1(0);
  long size = atol(argv[4]), depth = atol(argv[5]), received = 0, everything = 0;
  double seconds = atof(argv[6]);
  unsigned char h[14];
  long in_size = size + header(h, 0x82, size, 0), out_size = size + header(h, 0x82, size, 1);
  /* Frames in a row, so that several leave in one call. */
  char *data = malloc(out_size * depth), *in = malloc(1 << 20);
  for (long d = 0; d < depth; d++) {
    memset(data + d * out_size, 'x', out_size);
    memcpy(data + d * out_size, h, out_size - size);
  }
  struct peer *peers = calloc(conns, sizeof *peers);
  for (int i = 0; i < conns; i++) {
    struct peer *p = &peers[i];
    p->fd = dial(port, argv[2]);
    if (p->fd < 0) {
      fprintf(stderr, "no handshake\n");
      return 1;
    }
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
    epoll_ctl(ep, EPOLL_CTL_ADD, p->fd, &e);
  }
  double begin = now() + 1;
  int counting = 0;
  for (int i = 0; i < (all ? 1 : conns); i++) {
    peers[i].owed = out_size * depth;
    push(ep, &peers[i], data, out_size * depth);
  }
  long rounds = 0, waiting = conns; /* broadcasts that all have, and how many have yet to get the next */
  struct epoll_event events[1024];
  for (;;) {
    int n = epoll_wait(ep, events, 1024, 100);
    double t = now();
    if (!counting && t >= begin) {
      counting = 1;
      received = 0;
      begin = t;
    } else if (counting && t >= begin + seconds) {
      printf("%.0f %.0f\n", received / (t - begin), (double)everything);
      return 0;
    }
    for (int i = 0; i < n; i++) {
      struct peer *p = events[i].data.ptr;
      if (events[i].events & ~EPOLLOUT) {
        long got = read(p->fd, in, 1 << 20);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
          fprintf(stderr, "connection lost\n");
          return 1;
        }
        if (got > 0) {
          p->partial += got;
          long frames = p->partial / in_size;
          p->partial %= in_size;
          received += frames;
          everything += frames;
          if (!all) {
            p->owed += frames * out_size;
          } else {
            long before = p->complete;
            p->complete += frames;
            if (before <= rounds && p->complete > rounds) waiting--;
            while (waiting == 0) {
              rounds++;
              for (int k = 0; k < conns; k++) waiting += peers[k].complete <= rounds;
              peers[0].owed += out_size;
              push(ep, &peers[0], data, out_size * depth);
            }
          }
        }
      }
      if (!all || p == &peers[0]) push(ep, p, data, out_size * depth);
    }
  }
}
