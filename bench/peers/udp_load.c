/* Load for a UDP echo server on 127.0.0.1: S sockets, each with D datagrams of B bytes under way, for T seconds after half a second of warming up. What is
 * lost is sent again after a tenth of a second of silence, marked as of a new generation; what comes of an older one is then not answered, or there would
 * be more and more of them. Prints datagrams per second.
 *
 *     cc -O2 -o udp_load udp_load.c && ./udp_load 8007 10 4 64 1.5
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  int sockets = atoi(argv[2]), depth = atoi(argv[3]), size = atoi(argv[4]), ep = epoll_create1(0);
  double seconds = atof(argv[5]), begin = now() + 0.5;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
  static char data[65536];
  int *fds = calloc(sockets, sizeof *fds);
  double *heard = calloc(sockets, sizeof *heard);
  char *generation = calloc(sockets, 1);
  for (int i = 0; i < sockets; i++) {
    fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (connect(fds[i], (struct sockaddr *)&a, sizeof a)) return 1;
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
    epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &e);
  }
  struct epoll_event events[256];
  long received = 0, ever = 0;
  int counting = 0;
  for (;;) {
    double t = now();
    for (int i = 0; i < sockets; i++) {
      if (t - heard[i] < 0.1) continue;
      heard[i] = t;
      data[0] = ++generation[i];
      for (int d = 0; d < depth; d++) send(fds[i], data, size, 0);
    }
    int n = epoll_wait(ep, events, 256, 20);
    t = now();
    if (!counting && t >= begin) {
      counting = 1;
      received = 0;
      begin = t;
    } else if (counting && t >= begin + seconds) {
      printf("%.0f %ld\n", received / (t - begin), ever);
      return 0;
    }
    for (int i = 0; i < n; i++) {
      int s = events[i].data.u32;
      while (recv(fds[s], data, sizeof data, 0) > 0) {
        received++;
        ever++;
        heard[s] = t;
        if (data[0] == generation[s]) send(fds[s], data, size, 0);
      }
    }
  }
}
