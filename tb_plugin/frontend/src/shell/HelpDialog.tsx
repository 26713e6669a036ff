import { useEffect, useRef } from "preact/hooks";
import { helpOpen } from "./actions";
import { KEY_HELP } from "./keys";

/** The list of keys; opened by `?`. */
export function HelpDialog() {
  const close = useRef<HTMLButtonElement>(null);
  const open = helpOpen.value;
  useEffect(() => {
    if (open) {
      close.current?.focus();
    }
  }, [open]);
  if (!open) {
    return null;
  }
  return (
    <div class="help card" role="dialog" aria-label="Keys">
      <h3>
        Keys
        <button
          ref={close}
          type="button"
          class="close"
          aria-label="Close the list of keys"
          onClick={() => {
            helpOpen.value = false;
          }}
        >
          ×
        </button>
      </h3>
      <dl>
        {KEY_HELP.map(({ keys, action }) => (
          <div key={action}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{action}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
