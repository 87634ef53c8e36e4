// The panels, as one file of the build.

export { Devices } from './Devices';
export { Members } from './Members';
export { Menu } from './Menu';
export { NewConversation } from './NewConversation';
export { Refused, RefusedElsewhere } from './Refused';
