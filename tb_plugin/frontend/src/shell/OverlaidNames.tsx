interface OverlaidNamesProps {
  readonly runs: readonly { readonly name: string; readonly colour: string }[];
  /** More names than these do not fit: the list of runs has them all. */
  readonly most: number;
}

/** The runs drawn over the shown one, by their colours; many are counted, not named. */
export function OverlaidNames({ runs, most }: OverlaidNamesProps) {
  const named = runs.length <= most;
  return (
    <span class={named ? "note overlaid named" : "note overlaid"}>
      {runs.map(({ name, colour }) => (
        <span key={name} style={{ "--run": colour }} title={name}>
          <i />
          {named && <bdi>{name}</bdi>}
        </span>
      ))}
      {!named && <span>{`${runs.length} more runs`}</span>}
    </span>
  );
}
