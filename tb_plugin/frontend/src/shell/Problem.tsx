import { retryFailed } from "../state/connection";

/** Why one part of the view is not there, and a way to ask again. */
export function Problem({ text }: { readonly text: string | null }) {
  return text === null ? null : (
    <p class="message" role="alert">
      {text}{" "}
      <button type="button" class="button" onClick={retryFailed}>
        Try again
      </button>
    </p>
  );
}
