/** Something that is on its way, here, or not to be had. */
export type Resource<Value> =
  | { readonly kind: "idle" }
  | { readonly kind: "loading"; readonly since: number }
  | { readonly kind: "ready"; readonly value: Value; readonly next?: number }
  | { readonly kind: "failed"; readonly message: string };

export const IDLE: Resource<never> = { kind: "idle" };

export const readyValue = <Value>(resource: Resource<Value>): Value | null =>
  resource.kind === "ready" ? resource.value : null;

/** Why it is not to be had; null while nothing is wrong. */
export const problemOf = (resource: Resource<unknown>): string | null =>
  resource.kind === "failed" ? resource.message : null;

/** Is an answer on its way, the first or one that will replace what is shown? */
export const isPending = (resource: Resource<unknown>): boolean =>
  resource.kind === "loading" || (resource.kind === "ready" && resource.next !== undefined);
