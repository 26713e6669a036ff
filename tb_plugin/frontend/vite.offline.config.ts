import { defineConfig, type Plugin } from "vite";

// A host that forgets to name its encoding must not change the script, nor the hash it is allowed by.
const asciiOnly: Plugin = {
  name: "ascii-only",
  generateBundle(_options, bundle) {
    for (const file of Object.values(bundle)) {
      if (file.type === "chunk") {
        file.code = file.code.replace(
          /[\u0080-\uffff]/g,
          (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
        );
      }
    }
  },
};

// The second output of the same sources: one script with its style sheet, its fonts and every
// chunk inside, for pages that are opened from a disk.
export default defineConfig({
  base: "./",
  publicDir: false,
  plugins: [asciiOnly],
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
