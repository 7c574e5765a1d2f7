import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [vue()],
  build: {
    target: 'es2022',
    // The console's policy allows no inline script and no data: font, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  // `npm run dev` shows the page against a stack (or `cargo run --example demo`) on the usual admin address.
  server: { host: '127.0.0.1', proxy: { '/api': 'http://127.0.0.1:8081' } },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});
