// Times and days in the reader's own way. Formatters are made once: making one costs more than a row of the page.

const time = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' });
const dayOfYear = new Intl.DateTimeFormat([], { day: 'numeric', month: 'short' });
const weekday = new Intl.DateTimeFormat([], { weekday: 'long', day: 'numeric', month: 'long' });
const withYear = new Intl.DateTimeFormat([], { day: 'numeric', month: 'long', year: 'numeric' });
const moment = new Intl.DateTimeFormat([], { dateStyle: 'full', timeStyle: 'short' });
const relative = new Intl.RelativeTimeFormat([], { numeric: 'auto' });

/** The beginning of the day of a moment, here. */
export function dayOf(timestamp: number): number {
  return new Date(timestamp).setHours(0, 0, 0, 0);
}

/** The time of day. */
export function timeOf(timestamp: number): string {
  return time.format(timestamp);
}

/** Day and time in full. */
export function momentOf(timestamp: number): string {
  return moment.format(timestamp);
}

/** The time of today, else the day. */
export function clock(timestamp: number, now = Date.now()): string {
  return dayOf(timestamp) === dayOf(now) ? time.format(timestamp) : dayOfYear.format(timestamp);
}

/** A day as the heading of what was written on it. */
export function dayName(day: number, now = Date.now()): string {
  const ago = Math.round((dayOf(now) - day) / 86_400_000);
  if (ago === 0 || ago === 1) return capitalized(relative.format(-ago, 'day'));
  return (new Date(day).getFullYear() === new Date(now).getFullYear() ? weekday : withYear).format(day);
}

function capitalized(text: string): string {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}
