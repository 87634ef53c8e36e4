// The panels and their styles, as one file of the build.

import styles from './panels.css?inline';

export { Devices } from './Devices';
export { Members } from './Members';
export { Menu } from './Menu';
export { NewConversation } from './NewConversation';
export { Refused, RefusedElsewhere } from './Refused';

document.head.append(Object.assign(document.createElement('style'), { textContent: styles }));
