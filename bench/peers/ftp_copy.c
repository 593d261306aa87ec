/*
 * The least that a server does which brings and takes files by copying them: one session at a time, read() and send() or recv() and write(), 256 KiB at once, with nothing around them.
 * No server that copies through its own memory can be much faster on one core.
 *
 *     ftp_copy FOLDER    prints its port
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE (256 << 10)

static char piece[PIECE];

static int listens(int *port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof a;
  int s = socket(AF_INET, SOCK_STREAM, 0);
  if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 64)) exit(1);
  if (getsockname(s, (struct sockaddr *)&a, &length)) exit(1);
  *port = ntohs(a.sin_port);
  return s;
}

static void moves(FILE *control, int from, int to) {
  long n = 1;
  while (n > 0 && (n = read(from, piece, PIECE)) > 0) {
    for (long at = 0, m; at < n; at += m) {
      if ((m = write(to, piece + at, n - at)) <= 0) exit(1);
    }
  }
  close(from);
  close(to);
  fputs(n < 0 ? "426 Failed.\r\n" : "226 Done.\r\n", control);
}

static void talks(int connection) {
  FILE *control = fdopen(connection, "r+");
  setvbuf(control, 0, _IONBF, 0);
  char line[4096];
  int passive = -1;
  fputs("220 Ready.\r\n", control);
  while (fgets(line, sizeof line, control)) {
    line[strcspn(line, "\r\n")] = 0;
    char *argument = strchr(line, ' ');
    if (argument) *argument++ = 0;
    else argument = "";
    if (!strcmp(line, "USER")) fputs("331 And?\r\n", control);
    else if (!strcmp(line, "PASS")) fputs("230 Welcome.\r\n", control);
    else if (!strcmp(line, "DELE")) {
      unlink(argument);
      fputs("250 Gone.\r\n", control);
    } else if (!strcmp(line, "PASV")) {
      int port;
      passive = listens(&port);
      fprintf(control, "227 Here (127,0,0,1,%d,%d).\r\n", port >> 8, port & 255);
    } else if (!strcmp(line, "RETR") || !strcmp(line, "STOR")) {
      int reads = line[0] == 'R';
      int file = open(argument, reads ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, 0600);
      int data = accept(passive, 0, 0);
      if (file < 0 || data < 0) exit(1);
      close(passive);
      fputs("150 Now.\r\n", control);
      if (reads) moves(control, file, data);
      else moves(control, data, file);
    } else fputs("200 Yes.\r\n", control);
  }
  fclose(control);
}

int main(int argc, char **argv) {
  int port, server = listens(&port);
  if (argc < 2 || chdir(argv[1])) return 1;
  printf("%d\n", port);
  fflush(stdout);
  for (;;) {
    int connection = accept(server, 0, 0);
    if (connection >= 0) talks(connection);
  }
}
