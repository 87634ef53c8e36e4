// Where this browser keeps its id among the devices that are told while no page is open. Apart, so that a user who never
// turned that on loads nothing of it.

export const PUSH_KEY = 'tidings.push';

/** Whether it was ever turned on here. */
export function hasPushId(): boolean {
  try {
    return localStorage.getItem(PUSH_KEY) !== null;
  } catch {
    return false;
  }
}
