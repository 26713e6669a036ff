import { defineConfig } from "vite";

// The third output: the module of the notebook's widget, which holds no view of its own.
export default defineConfig({
  base: "./",
  publicDir: false,
  build: {
    outDir: "../static",
    emptyOutDir: false,
    target: "es2022",
    sourcemap: false,
    rolldownOptions: {
      input: "src/notebook.ts",
      preserveEntrySignatures: "strict",
      output: { format: "es", codeSplitting: false, entryFileNames: "notebook.js" },
    },
  },
});
