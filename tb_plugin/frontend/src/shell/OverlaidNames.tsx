/** More names than these do not fit beside the settings: the list of runs has them all. */
const NAMED = 2;

interface OverlaidNamesProps {
  readonly runs: readonly { readonly name: string; readonly colour: string }[];
}

/** The runs drawn over the shown one, by their colours; many are counted, not named. */
export function OverlaidNames({ runs }: OverlaidNamesProps) {
  const named = runs.length <= NAMED;
  return (
    <span class="note overlaid">
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
