/** Something that is on its way, here, or not to be had. */
export type Resource<Value> =
  | { readonly kind: "idle" }
  | { readonly kind: "loading"; readonly since: number }
  | { readonly kind: "ready"; readonly value: Value }
  | { readonly kind: "failed"; readonly message: string };

export const IDLE: Resource<never> = { kind: "idle" };

export const readyValue = <Value>(resource: Resource<Value>): Value | null =>
  resource.kind === "ready" ? resource.value : null;
