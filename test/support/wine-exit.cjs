// Preloaded into programs of the tests on Windows: a process of Linux, as which they appear, hands on eight bits of an exit code only.
const file = process.env.STRAND_EXIT_FILE;
delete process.env.STRAND_EXIT_FILE;
if (file) process.on('exit', (code) => require('node:fs').writeFileSync(file, String(code)));
