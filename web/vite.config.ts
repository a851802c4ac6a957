import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const OUT = 'dist/app';

/** Writes a `.br` beside every text that the server will send, so that it need not compress. */
function brotli(): Plugin {
  return {
    name: 'brotli',
    apply: 'build',
    writeBundle() {
      for (const entry of readdirSync(OUT, { recursive: true, encoding: 'utf8' })) {
        if (!/\.(html|js|css|svg)$/.test(entry)) continue;
        const path = join(OUT, entry);
        const parameters = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
        writeFileSync(`${path}.br`, brotliCompressSync(readFileSync(path), { params: parameters }));
      }
    },
  };
}

export default defineConfig({
  plugins: [svelte(), brotli()],
  // The Content-Security-Policy takes no data: addresses but pictures', and nothing inline.
  build: { outDir: OUT, emptyOutDir: true, assetsInlineLimit: 0, target: 'es2023', modulePreload: { polyfill: false } },
  // Help pages come from the guide, beside this folder.
  server: {
    fs: { allow: ['..'] },
    proxy: { '/api': { target: process.env.DBACKUP_URL ?? 'http://127.0.0.1:3000', changeOrigin: true } },
  },
  test: { include: ['src/**/*.test.ts'] },
});
