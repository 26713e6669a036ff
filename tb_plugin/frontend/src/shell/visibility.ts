// TensorBoard keeps a hidden tab alive with height 0 and no `visibilitychange`.

/** Calls back whenever the tab starts or stops being on screen. */
export function followVisibility(onChange: (visible: boolean) => void): void {
  let inView = true;
  const report = (): void => onChange(inView && document.visibilityState === "visible");
  new IntersectionObserver((entries) => {
    inView = entries.at(-1)?.isIntersecting ?? true;
    report();
  }).observe(document.body);
  document.addEventListener("visibilitychange", report);
}
