import { defineConfig } from '../../src/index.ts';

export default defineConfig({
  twistd: { logLevel: 'debug', admin: 8081 },
  plugins: { clock: { module: './clock.ts', description: 'tell the time' } },
  options: { web: { path: './public', port: 8080, gzip: true } },
});
