import { defineConfig } from "vitest/config";

// TensorBoard imports `./static/index.js` and calls `render()`: the entry keeps its name and its
// export, and every address is relative because the tab may live under any path prefix.
export default defineConfig({
  base: "./",
  publicDir: false,
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    sourcemap: false,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: "src/index.ts",
      preserveEntrySignatures: "strict",
      output: {
        format: "es",
        entryFileNames: "index.js",
        chunkFileNames: "chunks/[name]-[hash].js",
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
  test: {
    include: ["tests/**/*.test.ts"],
    environment: "node",
    // Files share what they import: reading it anew for each took longer than all tests together.
    pool: "threads",
    isolate: false,
    testTimeout: 60_000,
  },
});
