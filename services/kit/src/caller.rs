//! Who is asking: a role, and the user it speaks for.

pub use proto::access::v1::Role;

use crate::refusals;

refusals! {
    /// Why a caller may not do what it asks for.
    pub enum CallerRefusal {
        /// Nobody said who is calling.
        IdentityMissing {} => Unauthenticated "IDENTITY_MISSING",
            en "say who you are",
            ko "인증이 필요합니다",
        /// The caller's role is not among those the method allows.
        RoleNotAllowed { role: String, method: String } => PermissionDenied "ROLE_NOT_ALLOWED",
            en "role {role} may not call {method}",
            ko "{role} 권한으로는 {method} 을(를) 호출할 수 없습니다",
        /// The method acts for a user, and the caller named none.
        UserMissing {} => InvalidArgument "USER_MISSING",
            en "name the user this is for in x-on-behalf-of",
            ko "x-on-behalf-of 에 사용자를 지정해야 합니다",
    }
}

/// The caller of one RPC, or the process itself for work that nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    role: Role,
    actor: String,
    on_behalf_of: Option<String>,
}

impl Caller {
    /// A caller that proved to be `actor`, perhaps speaking for a user.
    #[must_use]
    pub fn new(role: Role, actor: String, on_behalf_of: Option<String>) -> Self {
        Self {
            role,
            actor,
            on_behalf_of,
        }
    }

    /// One of our own services, by its name.
    #[must_use]
    pub fn service(name: &str, on_behalf_of: Option<String>) -> Self {
        Self {
            role: Role::Service,
            actor: name.to_owned(),
            on_behalf_of,
        }
    }

    /// The role of the caller itself.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The subject of the caller's own identity.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The user the caller speaks for, where it is not the caller itself.
    #[must_use]
    pub fn on_behalf_of(&self) -> Option<&str> {
        self.on_behalf_of.as_deref()
    }

    /// The user whose things this is about: the customer itself, or the one a gateway or service speaks for.
    ///
    /// # Errors
    /// `USER_MISSING` where a gateway, a service or an admin named no user.
    pub fn user(&self) -> Result<&str, CallerRefusal> {
        match (self.role, &self.on_behalf_of) {
            (Role::Customer, _) => Ok(&self.actor),
            (_, Some(user)) => Ok(user),
            (_, None) => Err(CallerRefusal::UserMissing {}),
        }
    }
}
