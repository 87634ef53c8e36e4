//! Whom a notice is for: one function for live pushes, sync and REST.

use crate::common::{DeviceType, NoticeAudience};
use crate::id::UserId;

impl NoticeAudience {
    /// Whether a device of this user may see the notice. Of a conversation its members may, which its log decides.
    pub fn includes(&self, user: &UserId, device_type: DeviceType, roles: &[String]) -> bool {
        self.all
            || !self.conversation_id.is_empty()
            || self.device_types.contains(&(device_type as i32))
            || self.roles.iter().any(|role| roles.contains(role))
            || self.users.iter().any(|name| name == user.name_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_for_those_it_names_and_for_nobody_when_it_names_nobody() {
        let ann = UserId::parse_qualified("acme/ann").unwrap();
        let (vip, none) = (vec!["vip".to_owned()], NoticeAudience::default());
        let is_for = |audience: &NoticeAudience, roles: &[String]| {
            audience.includes(&ann, DeviceType::Ios, roles)
        };
        assert!(!is_for(&none, &vip));
        assert!(is_for(&NoticeAudience { all: true, ..none.clone() }, &[]));
        let ios = NoticeAudience { device_types: vec![DeviceType::Ios as i32], ..none.clone() };
        assert!(is_for(&ios, &[]) && !ios.includes(&ann, DeviceType::Web, &vip));
        let roles = NoticeAudience { roles: vip.clone(), ..none.clone() };
        assert!(is_for(&roles, &vip) && !is_for(&roles, &["staff".to_owned()]));
        let users = NoticeAudience { users: vec!["ann".to_owned()], ..none };
        assert!(is_for(&users, &[]));
    }
}
