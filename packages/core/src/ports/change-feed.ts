/** What a change feed tells. Neither function throws. */
export interface ChangeListener {
  /** These keys were changed by somebody, perhaps by this node itself. */
  onChange(keys: readonly string[]): void;
  /** Changes may have been missed. */
  onGap(): void;
}

/** A store that tells of changes made by others than Warp implements this beside `Store`. */
export interface ChangeFeed {
  /** Resolves once every later change is certain to be told. The function it resolves to ends the subscription. */
  watch(listener: ChangeListener): Promise<() => Promise<void>>;
}
