import { defineConfig } from "vite";

// The second output of the same sources: one script with its style sheet, its fonts and every
// chunk inside, for pages that are opened from a disk.
export default defineConfig({
  base: "./",
  publicDir: false,
  build: {
    outDir: "../static",
    emptyOutDir: false,
    target: "es2022",
    sourcemap: false,
    assetsInlineLimit: Number.MAX_SAFE_INTEGER,
    rolldownOptions: {
      input: "src/offline.ts",
      output: { format: "es", codeSplitting: false, entryFileNames: "offline.js" },
    },
  },
});
