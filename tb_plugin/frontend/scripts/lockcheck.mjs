// Fails when the lock file would not install everywhere: a registry address pins one mirror, and a
// per-platform dependency without an entry is refused by `npm ci`.
import { readFileSync } from "node:fs";

const file = process.argv[2] ?? "package-lock.json";
const { packages } = JSON.parse(readFileSync(file, "utf8"));

const addresses = Object.entries(packages)
  .filter(([, entry]) => entry.resolved?.startsWith("http"))
  .map(([at]) => `${at} names a registry address`);
const missing = Object.entries(packages).flatMap(([at, entry]) =>
  Object.keys(entry.optionalDependencies ?? {})
    .filter((name) => !packages[`node_modules/${name}`] && !packages[`${at}/node_modules/${name}`])
    .map((name) => `${at} lists ${name}, which has no entry`),
);

for (const fault of [...addresses, ...missing]) {
  console.error(`${file}: ${fault}`);
}
process.exitCode = addresses.length + missing.length > 0 ? 1 : 0;
