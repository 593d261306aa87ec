/** Loaded before a server: each line on its standard input is answered with the bytes of memory it has, garbage collected. Needs --expose-gc. */
process.stdin.on('data', () => {
  for (let i = 0; i < 4; i++) globalThis.gc();
  // What was freed goes back to the system a moment later.
  setTimeout(() => {
    globalThis.gc();
    const { rss, heapUsed } = process.memoryUsage();
    console.log(JSON.stringify({ rss, heapUsed }));
  }, 300);
});
