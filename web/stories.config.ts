import { defineConfig } from 'vitest/config';

// Each file has a browser, a server and an emulator of its own; two at a time are what two cores can bear.
export default defineConfig({
  test: { include: ['stories/**/*.test.ts'], maxWorkers: 2, testTimeout: 240_000, hookTimeout: 60_000 },
});
