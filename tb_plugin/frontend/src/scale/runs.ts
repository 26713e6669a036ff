/** TensorBoard's default run colours, in its order of assignment (runs in the order listed). */
const RUN_COLOURS = [
  "#425066",
  "#12b5cb",
  "#e52592",
  "#f9ab00",
  "#9334e6",
  "#7cb342",
  "#e8710a",
] as const;

const RUN_COLOURS_DARK = [
  "#8e98a3",
  "#12b5cb",
  "#e52592",
  "#f9ab00",
  "#9334e6",
  "#7cb342",
  "#e8710a",
] as const;

/** The colour of the n-th run. */
export function runColour(index: number, theme: "light" | "dark"): string {
  const palette = theme === "light" ? RUN_COLOURS : RUN_COLOURS_DARK;
  return palette[index % palette.length] ?? palette[0];
}

/** How many colours there are before they repeat. */
export const RUN_COUNT = RUN_COLOURS.length;

/** The same as a style-sheet variable, which follows the theme. */
export const runVariable = (index: number): string => `var(--run-${index % RUN_COUNT})`;
