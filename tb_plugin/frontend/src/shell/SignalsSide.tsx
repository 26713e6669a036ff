import { numberOf } from "../core/recording";
import { readyValue } from "../core/resource";
import { type Assessment, flagOf, isRaised, type Signal, type SignalState } from "../core/signals";
import { metricValue, stepLabel } from "../scale/format";
import { assessment } from "../state/assessment";
import { nouns } from "../state/derived/nouns";
import { entry, steps } from "../state/store";
import { goToIndex } from "./actions";
import { Growths, Mask } from "./Beside";
import { Verdict } from "./Verdict";

const leadOf = (state: SignalState): string =>
  ({
    fired: "Signal.",
    quiet: "No signal.",
    unreliable: "The probe sets differ.",
    no_train_probes: `No training ${nouns.value.probes}: no flag.`,
    not_recorded: "No flag.",
  })[state];

/** A step by name, and a way to go there. */
function GoTo({ step }: { readonly step: number }) {
  const index = steps.value.findIndex((entry) => entry.step === step);
  const there = steps.value[index];
  return there ? (
    <button type="button" class="button" onClick={() => goToIndex(index)}>
      {`Go to ${stepLabel(there)}`}
    </button>
  ) : null;
}

/** "p = 0.003 at the last step · n = 24 + 24". */
function Figures({ signal }: { readonly signal: Signal }) {
  const tested = signal.p !== null && Number.isFinite(signal.p);
  const sizes = signal.n_val + signal.n_train > 0;
  const words = [
    ...(tested ? [`p = ${metricValue(signal.p ?? Number.NaN, 4)} at the newest step`] : []),
    ...(sizes
      ? [`n = ${signal.n_val} validation + ${signal.n_train} training ${nouns.value.probes}`]
      : []),
  ];
  return words.length > 0 ? <p class="note figures">{words.join(" · ")}</p> : null;
}

function Conclusion({ found }: { readonly found: Assessment }) {
  const flag = flagOf(found);
  const raised = found.state === "fired" || found.state === "unreliable";
  return (
    <section aria-label="Verdict">
      <h2>What this run shows</h2>
      <div role="status" data-state={found.state}>
        <Verdict lead={leadOf(found.state)} raised={raised}>
          {found.headline}
        </Verdict>
      </div>
      {flag && <Figures signal={flag} />}
      {flag && isRaised(flag) && flag.fired !== null && <GoTo step={flag.fired} />}
      {flag && (
        <p class="trust">
          <b>How far to trust it.</b> {flag.trust}
        </p>
      )}
      <p class="trust">
        <b>The loss.</b> {found.losses.sentence}
      </p>
    </section>
  );
}

/** What is measured beside the flag: each with its own sentence and its own limits. */
function Others({
  signals,
  title,
}: {
  readonly signals: readonly Signal[];
  readonly title: string;
}) {
  if (signals.length === 0) {
    return null;
  }
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {signals.map((signal) => (
        <details key={signal.name} class="other" open={isRaised(signal) || isCompared(signal)}>
          <summary>
            <span>{signal.title}</span>
            <span class={isRaised(signal) ? "other-state raised" : "other-state"}>
              {stateText(signal)}
            </span>
          </summary>
          <p>{signal.sentence}</p>
          <Figures signal={signal} />
          <p class="note">{signal.trust}</p>
        </details>
      ))}
    </section>
  );
}

/** Attention or topology of both probe sets: what it is worth is said without a click. */
const isCompared = ({ kind, n_train }: Signal): boolean => kind === "descriptive" && n_train > 0;

function stateText(signal: Signal): string {
  if (signal.kind === "descriptive") {
    return "never fires";
  }
  if (!isRaised(signal)) {
    return signal.kind === "warning" ? "match" : "quiet";
  }
  return signal.kind === "warning" ? "differ" : "raised";
}

function Alarms({ signals }: { readonly signals: readonly Signal[] }) {
  if (signals.length === 0) {
    return null;
  }
  return (
    <section aria-label="Stability of training">
      <h2>Stability of training</h2>
      {signals.map((signal) => (
        <div key={signal.name} class="alarm">
          <Verdict lead={`${signal.title}.`} raised={isRaised(signal)}>
            {signal.sentence}
          </Verdict>
          {isRaised(signal) && signal.fired !== null && <GoTo step={signal.fired} />}
        </div>
      ))}
      <p class="note">{signals[0]?.trust}</p>
    </section>
  );
}

/** The step's own numbers, as they were logged. */
function AtStep() {
  const here = entry.value;
  const rows = Object.entries(here?.scalars ?? {});
  return here && rows.length > 0 ? (
    <section aria-label="Logged at A">
      <h2>{`Logged at A, ${stepLabel(here)}`}</h2>
      <table class="figures-table">
        <tbody>
          {rows.map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{value === null ? "NaN" : metricValue(numberOf(value), 4)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  ) : null;
}

export function SignalsSide() {
  const found = readyValue(assessment.value);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <aside class="side signals-side" aria-label="Verdict" tabIndex={0}>
      {found && (
        <>
          <Conclusion found={found} />
          {found.mask && <Mask audit={found.mask} />}
          <Growths found={found.growth ?? []} trust={found.growth_trust ?? ""} />
          <Alarms signals={found.signals.filter(({ kind }) => kind === "alarm")} />
          <Others
            title="Context: raises no flag"
            signals={found.signals.filter(
              ({ kind }) => kind === "support" || kind === "descriptive" || kind === "warning",
            )}
          />
        </>
      )}
      <AtStep />
    </aside>
  );
}
