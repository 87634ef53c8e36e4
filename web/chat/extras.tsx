// What few messages have, as one file of the build.

// What it has of the conversation comes from there.
import './OpenThread';
import styles from './extras.css?inline';

export { Body } from './Body';
export { Card } from './Card';
export { ComposerParts } from './ComposerParts';
export { messagesOf, stateOf } from './folded';
export { Quoted } from './Quoted';
export { Reactions } from './Reactions';
export { ThreadLink } from './ThreadLink';

document.head.append(Object.assign(document.createElement('style'), { textContent: styles }));
