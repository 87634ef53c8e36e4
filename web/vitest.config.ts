import { defineConfig } from 'vitest/config';

export default defineConfig({ test: { include: ['{sdk,chat}/**/*.test.ts', 'protocol/*.test.mjs'] } });
