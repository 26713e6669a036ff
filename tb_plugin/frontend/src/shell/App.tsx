import { useEffect, useState } from "preact/hooks";
import { onScreen } from "../state/derived/drawn";
import { currentAddress } from "../state/hash";
import type { Loader } from "../state/loader";
import type { Mirror } from "../state/mirror";
import {
  index,
  part,
  recording,
  request,
  run,
  runName,
  runs,
  select,
  shown,
  view,
} from "../state/store";
import { TABS } from "../state/view_state";
import { railOpen } from "./actions";
import { BusySign } from "./BusySign";
import { copyText } from "./clipboard";
import { Downloads } from "./Downloads";
import { HeadsView } from "./HeadsView";
import { HelpDialog } from "./HelpDialog";
import { listenToKeys } from "./keys";
import { fetchGraphSoon, LazyGraph } from "./LazyGraph";
import { LensDrawer } from "./LensDrawer";
import { NetworkTools } from "./NetworkTools";
import { NetworkView } from "./NetworkView";
import { ComparisonProblem, Empty, Failed, Skeleton, StepNotices } from "./Notices";
import { Rail } from "./Rail";
import { SignalsTools } from "./SignalsTools";
import { SignalsView } from "./SignalsView";
import { StatusBar } from "./StatusBar";
import { TimeBar } from "./TimeBar";
import { WindowBar } from "./WindowBar";

const COPIED_FOR = 1500;

function CopyLink({ mirror }: { readonly mirror: Mirror }) {
  const [text, setText] = useState("Copy link");
  const copy = async (): Promise<void> => {
    mirror.flush();
    const address = currentAddress();
    setText(address !== null && (await copyText(address)) ? "Copied" : "Not allowed");
    setTimeout(() => setText("Copy link"), COPIED_FOR);
  };
  return (
    <button type="button" class="button copy-link" onClick={() => void copy()}>
      {text}
    </button>
  );
}

function Tabs() {
  return (
    <nav class="view-tabs" aria-label="Views">
      {TABS.map(({ tab, text }) => (
        <button
          key={tab}
          type="button"
          aria-current={view.value.tab === tab ? "page" : undefined}
          onClick={() => select({ tab })}
        >
          {text}
        </button>
      ))}
    </nav>
  );
}

/** The view, or why there is none. */
function Content({ loader }: { readonly loader: Loader }) {
  const list = index.value;
  if (list.kind === "failed") {
    return (
      <Failed
        title="The list of runs could not be read"
        message={list.message}
        onRetry={loader.retry}
      />
    );
  }
  if (list.kind === "ready" && runs.value.length === 0) {
    return <Empty notice={list.value.notice} />;
  }
  const chosen = runs.value.find(({ name }) => name === runName.value);
  if (chosen?.state === "failed") {
    return (
      <Failed
        title={`“${chosen.name}” cannot be read`}
        message={chosen.message ?? ""}
        onRetry={loader.retry}
      />
    );
  }
  if (run.value.kind === "failed") {
    return (
      <Failed
        title={`“${runName.value}” could not be read`}
        message={run.value.message}
        onRetry={loader.retry}
      />
    );
  }
  if (recording.value?.steps.length === 0) {
    return <Empty notice="This run has started; its first recorded step is still to come." />;
  }
  const failed = request.value.kind === "failed" ? request.value.message : null;
  return (
    <>
      {view.value.tab === "network" && <NetworkView />}
      {view.value.tab === "heads" && <HeadsView />}
      {view.value.tab === "graph" && <LazyGraph />}
      {view.value.tab === "signals" && <SignalsView />}
      {failed !== null && (
        <Failed title="This step could not be read" message={failed} onRetry={loader.retry} />
      )}
      {view.value.tab !== "signals" &&
        failed === null &&
        !shown.value &&
        request.value.kind !== "idle" && (
          <Skeleton layers={part.value?.layers.length ?? 6} what="Loading attention…" />
        )}
      {(view.value.tab === "network" || view.value.tab === "heads") && <LensDrawer />}
      <StepNotices />
    </>
  );
}

export function App({ loader, mirror }: { readonly loader: Loader; readonly mirror: Mirror }) {
  useEffect(listenToKeys, []);
  const drawn = onScreen.value !== null;
  useEffect(() => (drawn ? fetchGraphSoon() : undefined), [drawn]);
  return (
    <div class={railOpen.value ? "app rail-open" : "app"}>
      <Rail />
      <main class="main">
        <header class="tabs">
          <h1 class="unseen">Attention</h1>
          <Tabs />
          {view.value.tab === "network" && <NetworkTools />}
          {view.value.tab === "signals" && <SignalsTools />}
          <span class="grow" />
          <CopyLink mirror={mirror} />
          <Downloads />
        </header>
        <TimeBar />
        <WindowBar />
        <ComparisonProblem />
        <div
          class="content"
          data-step={onScreen.value?.step}
          data-run={onScreen.value?.run}
          data-part={onScreen.value?.part}
          data-probe={onScreen.value?.probe}
        >
          <BusySign />
          <Content loader={loader} />
        </div>
        <StatusBar />
      </main>
      <HelpDialog />
    </div>
  );
}
