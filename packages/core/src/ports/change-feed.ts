/** What a change feed tells. Neither function throws. */
export interface ChangeListener {
  /** These keys were changed by somebody, perhaps by this node itself. */
  onChange(keys: readonly string[]): void;
  /** Changes may have been missed. */
  onGap(): void;
}

/**
 * Tells of changes made by others than Warp: a store that can implements this beside `Store`, or has a class of its own
 * for it. It sees to its connection itself: whenever it was lost, and again once it is back, it tells of a gap.
 */
export interface ChangeFeed {
  readonly portVersion: 1;
  /** Whether changes are heard at this moment, for `status()`. Left out where nothing can come in between. */
  readonly live?: boolean;
  /**
   * Resolves once every later change is certain to be told; core sets a deadline, and tries again where it rejects.
   * The function it resolves to ends the subscription: afterwards the listener is told nothing.
   */
  watch(listener: ChangeListener): Promise<() => Promise<void>>;
}
