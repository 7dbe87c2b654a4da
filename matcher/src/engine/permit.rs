//! Who is whose, and who may do what: settings of sessions, permissions, the kill switch.

use super::Engine;
use crate::command::{Permission, PermissionScope, SelfTradePrevention};
use crate::event::{CancelReason, Event, EventSink, RejectReason};
use crate::sessions::SessionSettings;
use crate::types::SessionId;

/// Groups whose permission is not [`Permission::Trade`] at most; one more is refused with `TableFull`.
const GROUPS_MAX: usize = 1 << 16;

/// Permissions of groups: those that may not do everything.
pub(super) struct Groups {
    /// Sorted by group.
    restricted: Vec<(u32, Permission)>,
}

impl Groups {
    pub(super) const fn new() -> Groups {
        Groups { restricted: Vec::new() }
    }

    /// In order of groups.
    pub(super) fn restricted(&self) -> &[(u32, Permission)] {
        &self.restricted
    }

    /// Restricts a group behind all others; `None` if it is not, or there is no room.
    pub(super) fn restore(&mut self, group: u32, permission: Permission) -> Option<()> {
        let is_next = self.restricted.last().is_none_or(|last| last.0 < group);
        if !is_next || permission == Permission::Trade {
            return None;
        }
        self.set(group, permission).ok()
    }

    fn permission(&self, group: u32) -> Permission {
        match self.restricted.binary_search_by_key(&group, |(id, _)| *id) {
            Ok(place) => self.restricted[place].1,
            Err(_) => Permission::Trade,
        }
    }

    fn set(&mut self, group: u32, permission: Permission) -> Result<(), RejectReason> {
        match self.restricted.binary_search_by_key(&group, |(id, _)| *id) {
            Ok(place) if permission == Permission::Trade => {
                self.restricted.remove(place);
            }
            Ok(place) => self.restricted[place].1 = permission,
            Err(_) if permission == Permission::Trade => {}
            Err(place) => {
                if self.restricted.len() >= GROUPS_MAX || self.restricted.try_reserve(1).is_err() {
                    return Err(RejectReason::TableFull);
                }
                self.restricted.insert(place, (group, permission));
            }
        }
        Ok(())
    }
}

/// Settings and permissions.
impl Engine {
    pub(super) fn set_session<S: EventSink>(
        &mut self,
        session: SessionId,
        group: u32,
        self_trade: SelfTradePrevention,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let settings = self.settings_of(session)?;
        self.apply_settings(session, &SessionSettings { group, self_trade, ..settings });
        events.event(&Event::Applied);
        if self.store.sessions.permission(session) == Permission::Killed {
            self.kill(PermissionScope::Session(session), events);
        }
        Ok(())
    }

    pub(super) fn set_permission<S: EventSink>(
        &mut self,
        scope: PermissionScope,
        permission: Permission,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        match scope {
            PermissionScope::Session(session) => {
                let settings = self.settings_of(session)?;
                self.apply_settings(session, &SessionSettings { permission, ..settings });
            }
            PermissionScope::Participant(participant) => {
                let row = self.store.accounts.row(participant);
                let row = row.ok_or(RejectReason::UnknownParticipant)?;
                self.store.accounts.firm_mut(row).permission = permission;
                self.apply_permissions(scope);
            }
            PermissionScope::Group(0) => return Err(RejectReason::BadDefinition),
            PermissionScope::Group(group) => {
                self.groups.set(group, permission)?;
                self.apply_permissions(scope);
            }
            PermissionScope::Instrument(instrument) => {
                let book = self.books.get_mut(instrument.index());
                let book = book.ok_or(RejectReason::UnknownInstrument)?;
                book.permission = permission;
                book.set_gate();
            }
        }
        events.event(&Event::Applied);
        if permission == Permission::Killed {
            self.kill(scope, events);
        }
        Ok(())
    }

    /// Takes every working order in the scope off.
    fn kill<S: EventSink>(&mut self, scope: PermissionScope, events: &mut S) {
        let reason = CancelReason::KillSwitch;
        if let PermissionScope::Instrument(instrument) = scope {
            self.clear_book(instrument, reason, events);
            return self.settle_touched(events);
        }
        for session in self.store.sessions.ids() {
            if self.is_in(session, scope) {
                self.clear_session(session, None, reason, events);
            }
        }
        self.settle_touched(events);
    }

    /// Whether a permission of `scope` concerns the session, whatever the instrument.
    fn is_in(&self, session: SessionId, scope: PermissionScope) -> bool {
        match scope {
            PermissionScope::Session(id) => session == id,
            PermissionScope::Participant(id) => {
                self.session(session).is_some_and(|state| state.participant == id)
            }
            PermissionScope::Group(id) => {
                self.store.sessions.settings(session).is_some_and(|it| it.group == id)
            }
            PermissionScope::Instrument(_) => false,
        }
    }

    fn settings_of(&self, session: SessionId) -> Result<SessionSettings, RejectReason> {
        let settings = self.store.sessions.settings(session);
        settings.filter(|_| session != SessionId::VENUE).ok_or(RejectReason::UnknownSession)
    }

    /// Sets what a session says of itself, and with it what is permitted to it.
    pub(super) fn apply_settings(&mut self, session: SessionId, settings: &SessionSettings) {
        let row = self.store.sessions.account_row(session);
        let of_firm = self.store.accounts.firm(row).permission;
        let of_group = self.groups.permission(settings.group);
        let permission = settings.permission.max(of_firm).max(of_group);
        self.store.sessions.set(session, settings, permission);
    }

    /// As `apply_settings`, for all sessions in the scope of a permission that has changed.
    fn apply_permissions(&mut self, scope: PermissionScope) {
        for session in self.store.sessions.ids() {
            if self.is_in(session, scope)
                && let Some(settings) = self.store.sessions.settings(session)
            {
                self.apply_settings(session, &settings);
            }
        }
    }
}

/// Decides whether orders may be entered and replaced, where the session and the book have these
/// permissions: the strictest counts.
#[inline]
pub(super) fn admit_permission(
    of_session: Permission,
    of_book: Permission,
) -> Result<(), RejectReason> {
    match of_session.max(of_book) {
        Permission::Trade => Ok(()),
        Permission::CancelOnly => Err(RejectReason::CancelOnly),
        Permission::Killed => Err(RejectReason::KillSwitch),
    }
}
