//! Who may do what (`security.md` 4, 14).

use std::collections::{BTreeMap, BTreeSet};

use supervisor_api::wire::Command;
use supervisor_socket::Peer;

use crate::caller::Role;

const ROOT: u32 = 0;

/// Which role a peer has, by its uid, or else by its primary group.
///
/// The user that this process runs as, and root, are always [`Role::Admin`]: they could do everything without us. Who
/// is not named may not connect. The kernel tells of a peer its primary group only; other groups do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    owner: u32,
    users: BTreeMap<u32, Role>,
    groups: BTreeMap<u32, Role>,
    relays: BTreeSet<u32>,
}

impl Default for Roles {
    fn default() -> Self {
        let owner = rustix::process::geteuid().as_raw();
        Self { owner, users: BTreeMap::new(), groups: BTreeMap::new(), relays: BTreeSet::new() }
    }
}

impl Roles {
    /// Only the owner and root.
    pub fn new() -> Self {
        Self::default()
    }

    /// This user has this role.
    #[must_use]
    pub fn user(mut self, uid: u32, role: Role) -> Self {
        self.users.insert(uid, role);
        self
    }

    /// A relay runs as this user. It has this role, and who asks through it is shown by the name that it says.
    #[must_use]
    pub fn relay(mut self, uid: u32, role: Role) -> Self {
        self.relays.insert(uid);
        self.user(uid, role)
    }

    /// Whoever has this primary group has at least this role.
    #[must_use]
    pub fn group(mut self, gid: u32, role: Role) -> Self {
        self.groups.insert(gid, role);
        self
    }

    /// What this peer may do; `None` when it may not connect.
    pub fn of(&self, peer: &Peer) -> Option<Role> {
        if self.is_owner(peer.uid) {
            return Some(Role::Admin);
        }
        self.users.get(&peer.uid).max(self.groups.get(&peer.gid)).copied()
    }

    /// Whether this is the local owner: this process's own user, or root (`security.md` 15).
    pub fn is_owner(&self, uid: u32) -> bool {
        uid == self.owner || uid == ROOT
    }

    /// Whether a user may say on whose behalf it asks. That is for the eyes of others; no right comes from it
    /// (`security.md` 5).
    pub(crate) fn may_name_others(&self, uid: u32) -> bool {
        self.is_owner(uid) || self.relays.contains(&uid)
    }

    /// Whether groups are named at all.
    pub(crate) fn names_groups(&self) -> bool {
        !self.groups.is_empty()
    }
}

/// The role that a command needs. What changes who is in the tree, or ends it, is an admin's.
pub(crate) const fn needed(command: Command) -> Role {
    match command {
        Command::RestartChild
        | Command::PauseChild
        | Command::ResumeChild
        | Command::QuarantineChild
        | Command::SignalChild => Role::Operator,
        Command::RemoveChild
        | Command::AddChild
        | Command::ShutdownTree
        | Command::Apply
        | Command::Reload => Role::Admin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32, gid: u32) -> Peer {
        Peer { uid, gid, pid: None }
    }

    #[test]
    fn s04_own_user_and_root_are_admins_and_nobody_else_may_connect() {
        let roles = Roles { owner: 1000, ..Roles::default() };
        let seen = [1000, 0, 1001, u32::MAX].map(|uid| roles.of(&peer(uid, 1000)));
        assert_eq!(seen, [Some(Role::Admin), Some(Role::Admin), None, None]);
    }

    #[test]
    fn s04_the_higher_of_user_and_group_counts_and_nobody_lowers_the_owner() {
        let roles = Roles { owner: 1000, ..Roles::default() };
        let roles = roles.user(7, Role::Viewer).user(8, Role::Admin).user(1000, Role::Viewer);
        let roles = roles.group(70, Role::Operator).user(4_294_967_294, Role::Viewer);
        for (uid, gid, role) in [
            (7, 1, Some(Role::Viewer)),
            (7, 70, Some(Role::Operator)),
            (8, 70, Some(Role::Admin)),
            (9, 70, Some(Role::Operator)),
            (9, 7, None),
            (1000, 1, Some(Role::Admin)),
            (4_294_967_294, 1, Some(Role::Viewer)),
        ] {
            assert_eq!(roles.of(&peer(uid, gid)), role, "uid {uid}, gid {gid}");
        }
    }

    #[test]
    fn s05_only_the_owner_root_and_relays_may_say_on_whose_behalf_they_ask() {
        let roles = Roles { owner: 1000, ..Roles::default() }.relay(7, Role::Operator).user(8, Role::Admin);
        assert_eq!(
            [1000, 0, 7, 8, 9].map(|uid| roles.may_name_others(uid)),
            [true, true, true, false, false]
        );
        assert_eq!(roles.of(&peer(7, 1)), Some(Role::Operator));
        assert!(!roles.is_owner(7), "and may not name programs");
    }

    #[test]
    fn s14_dangerous_commands_need_an_admin() {
        for command in Command::ALL.iter().copied() {
            let role = if command.needs_confirmation() { Role::Admin } else { Role::Operator };
            assert_eq!(needed(command), role, "{command}");
        }
    }
}
