// Letters that stand for names in the address.

export type Pairs = Readonly<Record<string, string>>;
/** What a view says of itself; null where it is as in a fresh tab. */
export type Said = Readonly<Record<string, string | null>>;

export function decode<Name extends string>(
  codes: Readonly<Record<Name, string>>,
  code: string,
): Name | null {
  const found = (Object.entries(codes) as [Name, string][]).find(([, known]) => known === code);
  return found?.[0] ?? null;
}
