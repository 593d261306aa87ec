/* The echo server that libuv allows: one shared buffer, and an answer that is written from the read callback where the kernel takes it.
 *
 *     cc -O2 -o echo_uv echo_uv.c -luv && ./echo_uv
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static char shared[65536];
static uv_tcp_t server;

struct rest {
  uv_write_t request;
  char data[];
};

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *buf) {
  (void)h, (void)size;
  *buf = uv_buf_init(shared, sizeof shared);
}

static void on_close(uv_handle_t *h) { free(h); }

static void on_written(uv_write_t *request, int status) {
  (void)status;
  free(request);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  if (n < 0) {
    uv_close((uv_handle_t *)stream, on_close);
    return;
  }
  uv_buf_t out = uv_buf_init(buf->base, n);
  int sent = uv_try_write(stream, &out, 1);
  if (sent == n) return;
  if (sent < 0) sent = 0;
  struct rest *rest = malloc(sizeof *rest + n - sent);
  memcpy(rest->data, buf->base + sent, n - sent);
  out = uv_buf_init(rest->data, n - sent);
  uv_write(&rest->request, stream, &out, 1, on_written);
}

static void on_connection(uv_stream_t *s, int status) {
  if (status < 0) return;
  uv_tcp_t *client = malloc(sizeof *client);
  uv_tcp_init(uv_default_loop(), client);
  if (uv_accept(s, (uv_stream_t *)client) == 0) {
    uv_tcp_nodelay(client, 1);
    uv_read_start((uv_stream_t *)client, on_alloc, on_read);
  } else {
    uv_close((uv_handle_t *)client, on_close);
  }
}

int main(void) {
  struct sockaddr_in address;
  int length = sizeof address;
  uv_ip4_addr("127.0.0.1", 0, &address);
  uv_tcp_init(uv_default_loop(), &server);
  uv_tcp_bind(&server, (struct sockaddr *)&address, 0);
  if (uv_listen((uv_stream_t *)&server, 511, on_connection)) return 1;
  uv_tcp_getsockname(&server, (struct sockaddr *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
