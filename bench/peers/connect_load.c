/* Connections for an echo server on 127.0.0.1.
 *
 *     connect_load PORT hold 10000       makes so many, has a byte echoed on each, says "held", and keeps them until its input ends
 *     connect_load PORT rate 50 2        so many at once: connect, a byte there and back, close; for 2 seconds after half a one of warming
 *                                        up. Prints connections per second.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in server = {.sin_family = AF_INET};
static int ep;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* Begins a connection; it is writable once it stands. */
static void dial(void) {
  int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  if (s < 0) {
    perror("socket");
    exit(1);
  }
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(s, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) {
    perror("connect");
    exit(1);
  }
  struct epoll_event e = {.events = EPOLLOUT, .data.fd = s};
  epoll_ctl(ep, EPOLL_CTL_ADD, s, &e);
}

static void ask(int s) {
  if (write(s, "x", 1) != 1) {
    perror("write");
    exit(1);
  }
  struct epoll_event e = {.events = EPOLLIN, .data.fd = s};
  epoll_ctl(ep, EPOLL_CTL_MOD, s, &e);
}

static void answered(int s) {
  char byte;
  if (read(s, &byte, 1) != 1) {
    fprintf(stderr, "connection lost\n");
    exit(1);
  }
}

static int hold(int count) {
  struct epoll_event events[256];
  int made = 0, held = 0;
  /* No more at once than a queue of connections has room for. */
  while (held < count) {
    while (made < count && made - held < 128) made++, dial();
    int n = epoll_wait(ep, events, 256, -1);
    for (int i = 0; i < n; i++) {
      int s = events[i].data.fd;
      if (events[i].events & EPOLLOUT) {
        ask(s);
      } else {
        answered(s);
        epoll_ctl(ep, EPOLL_CTL_DEL, s, NULL);
        held++;
      }
    }
  }
  puts("held");
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) continue;
  return 0;
}

static int rate(int abreast, double seconds) {
  struct epoll_event events[256];
  double begin = now() + 0.5;
  long done = 0, ever = 0;
  int counting = 0;
  for (int i = 0; i < abreast; i++) dial();
  for (;;) {
    int n = epoll_wait(ep, events, 256, 100);
    double t = now();
    if (!counting && t >= begin) {
      counting = 1;
      done = 0;
      begin = t;
    } else if (counting && t >= begin + seconds) {
      printf("%.0f %ld\n", done / (t - begin), ever);
      return 0;
    }
    for (int i = 0; i < n; i++) {
      int s = events[i].data.fd;
      if (events[i].events & EPOLLOUT) {
        ask(s);
      } else {
        answered(s);
        close(s);
        done++;
        ever++;
        dial();
      }
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  server.sin_port = htons(atoi(argv[1]));
  inet_pton(AF_INET, "127.0.0.1", &server.sin_addr);
  ep = epoll_create1(0);
  if (argv[2][0] == 'h') return hold(atoi(argv[3]));
  return argc == 5 ? rate(atoi(argv[3]), atof(argv[4])) : 2;
}
