// Files that people take with them, named after what is shown.
import { shown, view } from "../state/store";

/** "airline-version_0_encoder_step-120_probe-0_network": safe in every file system. */
function fileName(): string {
  const now = shown.peek();
  const run = now?.run.name ?? "attention";
  const rest = now ? `_${now.part.name}_step-${now.entry.step}_probe-${now.probe.index}` : "";
  return `${run}${rest}_${view.peek().tab}`.replace(/[^\w.-]+/g, "-");
}

/** Hand a file to the person. */
export function save(blob: Blob, extension: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${fileName()}.${extension}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
