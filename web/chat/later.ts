// The panels and their styles, as one file of the build.

// What the panels have of it comes from there: so all that a conversation is made of is one file of the build.
import './OpenThread';
import styles from './panels.css?inline';

export { Announcements } from './Announcements';
export { Devices } from './Devices';
export { Jumps } from './Jumps';
export { Length } from './Length';
export { Members } from './Members';
export { Menu } from './Menu';
export { NewConversation } from './NewConversation';
export { NoConversation } from './NoConversation';
export { PinList } from './PinList';
export { Refused, RefusedElsewhere } from './Refused';
export { RowMenu } from './RowMenu';

document.head.append(Object.assign(document.createElement('style'), { textContent: styles }));
