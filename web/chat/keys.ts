// What a key means, also to those who write with an input method.

/**
 * True while a key belongs to an input method: its Enter takes a suggestion, its Escape drops one. Safari tells of the
 * Enter after the composition has ended, with `isComposing` false and the key code of an input method.
 */
export function isComposing(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229;
}

/** A key of its own, without Shift and the like, and not one of an input method. */
export function isPlain(event: KeyboardEvent, key: string): boolean {
  const isModified = event.shiftKey || event.ctrlKey || event.altKey || event.metaKey;
  return event.key === key && !isModified && !isComposing(event);
}

/** Arrow keys, Home and End move the focus among the elements that match, one of which alone is a stop of Tab. */
export function rove(event: KeyboardEvent, selector: string): void {
  if (isComposing(event) || event.altKey || event.ctrlKey || event.metaKey) return;
  const inside = event.currentTarget as HTMLElement;
  const all = [...inside.querySelectorAll<HTMLElement>(selector)];
  const at = all.findIndex((element) => element.contains(document.activeElement));
  const next = {
    ArrowDown: at < 0 ? 0 : at + 1,
    ArrowUp: at < 0 ? all.length - 1 : at - 1,
    Home: 0,
    End: all.length - 1,
  }[event.key];
  if (next === undefined || all.length === 0) return;
  event.preventDefault();
  all[Math.max(0, Math.min(all.length - 1, next))]?.focus();
}
