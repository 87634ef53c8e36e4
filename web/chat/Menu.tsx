// What can be done with a message: a menu that opens by its button, a long press, a right click or the keyboard.

import { useLayoutEffect, useRef } from 'preact/hooks';
import { isPlain, rove } from './keys';

export interface Choice {
  label: string;
  run: () => void;
}

interface MenuProps {
  label: string;
  /** Facts above the choices. */
  about: string[];
  choices: Choice[];
  /** The menu is to go; the focus goes back to where it came from. */
  onClose: () => void;
}

export function Menu({ label, about, choices, onClose }: MenuProps) {
  const box = useRef<HTMLDivElement>(null);

  useLayoutEffect(() => {
    const menu = box.current;
    if (!menu) return;
    const before = document.activeElement as HTMLElement | null;
    // It opens below its message, and above where there is no room for it.
    const { bottom } = menu.getBoundingClientRect();
    const log = menu.closest('.messages')?.getBoundingClientRect().bottom ?? innerHeight;
    menu.classList.toggle('above', bottom > log);
    menu.querySelector<HTMLElement>('[role=menuitem]')?.focus({ preventScroll: true });
    const outside = (event: Event) => {
      if (!menu.contains(event.target as Node)) onClose();
    };
    document.addEventListener('pointerdown', outside);
    return () => {
      document.removeEventListener('pointerdown', outside);
      if (menu.contains(document.activeElement) || document.activeElement === document.body) before?.focus();
    };
  }, [onClose]);

  return (
    <div class="menu" ref={box}>
      {about.map((fact) => (
        <span key={fact} class="fact">
          {fact}
        </span>
      ))}
      <div
        role="menu"
        tabIndex={-1}
        aria-label={label}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (isPlain(event, 'Escape') || event.key === 'Tab') {
            event.preventDefault();
            onClose();
          } else rove(event, '[role=menuitem]');
        }}
      >
        {choices.map((choice) => (
          <button
            key={choice.label}
            type="button"
            role="menuitem"
            tabIndex={-1}
            onClick={() => {
              onClose();
              choice.run();
            }}
          >
            {choice.label}
          </button>
        ))}
      </div>
    </div>
  );
}
