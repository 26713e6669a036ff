import { Component, type ComponentChildren } from "preact";
import { Failed } from "./Notices";

interface GuardProps {
  readonly children: ComponentChildren;
}

interface GuardState {
  readonly message: string | null;
}

/** A fault in the tab is said in the tab, with a way on, instead of leaving a blank page. */
export class Guard extends Component<GuardProps, GuardState> {
  override state: GuardState = { message: null };

  static override getDerivedStateFromError(error: unknown): GuardState {
    return { message: error instanceof Error ? error.message : String(error) };
  }

  override render() {
    const { message } = this.state;
    return message === null ? (
      this.props.children
    ) : (
      <Failed
        title="The tab met a fault of its own"
        message={message}
        onRetry={() => this.setState({ message: null })}
      />
    );
  }
}
