import { defineConfig } from 'vitest/config';

// Each story drives a browser, a server and an emulator of its own; one at a time is what two cores can bear.
export default defineConfig({
  test: { include: ['stories/**/*.test.ts'], fileParallelism: false, testTimeout: 120_000, hookTimeout: 60_000 },
});
