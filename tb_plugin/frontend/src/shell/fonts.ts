// Roboto as text, for pictures that must carry their fonts with them.
import regular from "@fontsource/roboto/files/roboto-latin-400-normal.woff2?url";
import medium from "@fontsource/roboto/files/roboto-latin-500-normal.woff2?url";

async function dataUrl(address: string): Promise<string> {
  const blob = await (await fetch(address)).blob();
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(String(reader.result)));
    reader.addEventListener("error", () => reject(new Error("the font could not be read")));
    reader.readAsDataURL(blob);
  });
}

/** A style sheet with both weights embedded. */
export async function embeddedFonts(): Promise<string> {
  const faces = await Promise.all(
    [
      [400, regular],
      [500, medium],
    ].map(async ([weight, address]) => {
      const source = await dataUrl(String(address));
      return `@font-face{font-family:Roboto;font-weight:${weight};src:url(${source})}`;
    }),
  );
  return faces.join("");
}
