/** A view owns the nodes inside its host, is given everything it shows, and reports by callbacks. */
export interface View<Props> {
  update(props: Props): void;
  destroy(): void;
}

export type CreateView<Props> = (host: HTMLElement) => View<Props>;
