// A component that is drawn again only when one of its properties is another one, or a signal that it reads.

import { Component, type ComponentChildren, type FunctionComponent, h } from 'preact';

export function memo<Props extends object>(inner: FunctionComponent<Props>): FunctionComponent<Props> {
  class Memo extends Component<Props> {
    override shouldComponentUpdate(next: Props): boolean {
      const now = this.props as Props;
      const keys = Object.keys(next) as (keyof Props)[];
      return keys.some((key) => key !== 'children' && next[key] !== now[key]);
    }

    override render(props: Props): ComponentChildren {
      return h(inner, props);
    }
  }
  return Memo as unknown as FunctionComponent<Props>;
}
