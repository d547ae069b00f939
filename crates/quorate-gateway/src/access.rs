//! Who may ask for what: roles, the callers that have them, and what a route asks for.

use std::fmt::{self, Display};
use std::ops::BitOr;
use std::str::FromStr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use metrics::Counter;

use crate::error::ApiError;
use crate::limits::TOKEN_CHARS;
use crate::metrics::requests_of;
use crate::tokens::Tokens;
use crate::trace::Client;
use crate::whose::{Behalf, Whose};

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Enqueue jobs, cancel, retry and delete single ones, and see how one ends.
    Submit = 1,
    /// Take jobs, work on them and end them.
    Run = 2,
    /// Look at everything, payloads included, and change nothing.
    Read = 4,
    /// Everything: besides, what concerns many jobs, queues, or the cluster itself.
    Admin = 8,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 4] = [Role::Submit, Role::Run, Role::Read, Role::Admin];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Submit => "submit",
            Role::Run => "run",
            Role::Read => "read",
            Role::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Role, String> {
        let role = Role::ALL.into_iter().find(|role| role.as_str() == name);
        role.ok_or_else(|| format!("`{name}` is no role: there are submit, run, read and admin"))
    }
}

/// Some roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// All of them.
    pub const ALL: Roles = Roles(Role::Admin as u8 | Role::Read as u8 | Role::Run as u8 | Role::Submit as u8);

    /// Just this one.
    pub const fn one(role: Role) -> Roles {
        Roles(role as u8)
    }

    /// These and that one.
    pub const fn and(self, role: Role) -> Roles {
        Roles(self.0 | role as u8)
    }

    /// Whether this one is among them.
    pub fn has(self, role: Role) -> bool {
        self.0 & role as u8 != 0
    }

    /// Those that are in both.
    fn common(self, other: Roles) -> Roles {
        Roles(self.0 & other.0)
    }

    /// No role at all.
    pub fn is_empty(self) -> bool {
        self == Roles::default()
    }

    /// Its roles.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }
}

impl BitOr<Role> for Roles {
    type Output = Roles;

    fn bitor(self, role: Role) -> Roles {
        self.and(role)
    }
}

impl Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Role::as_str).collect();
        f.write_str(&names.join(","))
    }
}

/// Names of roles with commas between them.
impl FromStr for Roles {
    type Err = String;

    fn from_str(names: &str) -> Result<Roles, String> {
        names.split(',').map(str::trim).try_fold(Roles::default(), |roles, name| Ok(roles | name.parse()?))
    }
}

/// What a route asks of its callers. It stands where the route is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: it says nothing that is not public.
    Nothing,
    /// One of these roles. Admin has all.
    OneOf(Roles),
}

impl Needs {
    pub(crate) const SUBMIT: Needs = Needs::OneOf(Roles::one(Role::Submit));
    pub(crate) const RUN: Needs = Needs::OneOf(Roles::one(Role::Run));
    pub(crate) const READ: Needs = Needs::OneOf(Roles::one(Role::Read));
    pub(crate) const ADMIN: Needs = Needs::OneOf(Roles::one(Role::Admin));
    /// Whoever has any role.
    pub(crate) const ANY: Needs = Needs::OneOf(Roles::ALL);

    /// Calls that only an administrator makes.
    pub(crate) fn is_admins(self) -> bool {
        self == Needs::ADMIN
    }

    /// In words, for the API's description.
    pub(crate) fn in_words(self) -> Option<String> {
        match self {
            Needs::Nothing => None,
            Needs::ADMIN => Some("`admin`".to_owned()),
            Needs::OneOf(roles) => {
                let names = (roles | Role::Admin).iter().map(|role| format!("`{}`", role.as_str()));
                Some(names.collect::<Vec<_>>().join(" or "))
            }
        }
    }
}

/// Who may ask this node for what.
#[derive(Clone, Debug)]
pub struct Access {
    /// Those who have a token. What is put here holds from the next request on.
    pub tokens: Arc<ArcSwap<Tokens>>,
    /// What one may do who has none.
    pub anonymous: Roles,
}

impl Access {
    /// Everybody may do everything.
    pub fn open() -> Access {
        Access { tokens: Arc::default(), anonymous: Roles::ALL }
    }

    /// Who sends a request with these fields.
    ///
    /// # Errors
    /// 401: the token is none of a caller that is known, or `Authorization` is no bearer token.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let nobody = |token| Caller { name: None, roles: self.anonymous, rate: None, token };
        let Some(given) = headers.get(header::AUTHORIZATION) else {
            return Ok(nobody(Sent::None));
        };
        let tokens = self.tokens.load();
        // Clients of Titan send what they were once given: where there are no tokens, it has no meaning.
        if tokens.is_empty() {
            return Ok(nobody(Sent::Unknown));
        }
        let refused = |reason| ApiError::Unauthenticated { reason };
        let token = given
            .as_bytes()
            .split_at_checked(7)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
        let (_, token) = token.ok_or(refused("Authorization is no Bearer token"))?;
        if token.len() > TOKEN_CHARS {
            return Err(refused("this token is not known here"));
        }
        let owner = tokens.owner(token.trim_ascii()).ok_or(refused("this token is not known here"))?;
        owner.requests.increment(1);
        let name = Some(Arc::clone(&owner.name));
        Ok(Caller { name, roles: owner.roles, rate: owner.rate, token: Sent::Known })
    }
}

impl Default for Access {
    fn default() -> Access {
        Access::open()
    }
}

/// Who sends a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Of the token; `None` without one.
    pub(crate) name: Option<Arc<str>>,
    roles: Roles,
    rate: Option<u32>,
    token: Sent,
}

/// What a caller has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// No token.
    None,
    /// One, to a node that knows none at all.
    Unknown,
    /// One that is known.
    Known,
}

impl Caller {
    /// On whose behalf a request is worked on; `None` where it came over no connection.
    pub(crate) fn behalf(&self, request: &Request) -> Option<Behalf> {
        let whose = match &self.name {
            Some(name) => Some(Whose::Token(Arc::clone(name))),
            None => request.extensions().get().map(|client: &Client| Whose::at(client.address.ip())),
        };
        whose.map(|whose| Behalf { whose, rate: self.rate })
    }

    /// Lets a request pass that needs this.
    ///
    /// # Errors
    /// 401: a token is missing. 403: the token has none of the roles.
    pub(crate) fn may(&self, needs: Needs) -> Result<(), ApiError> {
        let Needs::OneOf(roles) = needs else { return Ok(()) };
        if !(roles | Role::Admin).common(self.roles).is_empty() {
            return Ok(());
        }
        match &self.name {
            None => Err(ApiError::Unauthenticated {
                reason: match self.token {
                    Sent::Unknown => {
                        "this token is not known here: this node knows none at all; see to its --tokens file"
                    }
                    Sent::None | Sent::Known => {
                        "this needs a token: send Authorization: Bearer TOKEN, or set QUORATE_TOKEN for quorate"
                    }
                },
            }),
            Some(name) => Err(ApiError::Forbidden {
                token: name.to_string(),
                needs: needs.in_words().unwrap_or_default(),
            }),
        }
    }
}

/// Somebody who has a token.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) name: Arc<str>,
    pub(crate) roles: Roles,
    /// Jobs that it may enqueue in a second through this node, where that is said of it.
    pub(crate) rate: Option<u32>,
    requests: Counter,
}

impl Owner {
    pub(crate) fn new(name: &str, roles: Roles, rate: Option<u32>) -> Owner {
        Owner { name: name.into(), roles, rate, requests: requests_of(name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_may_all_and_nobody_else_what_is_admins() {
        for needs in [Needs::SUBMIT, Needs::RUN, Needs::READ, Needs::ADMIN, Needs::ANY, Needs::Nothing] {
            for role in Role::ALL {
                let name = Some("x".into());
                let caller = Caller { name, roles: Roles::one(role), rate: None, token: Sent::Known };
                let expected = match needs {
                    Needs::Nothing => true,
                    Needs::OneOf(roles) => roles.has(role) || role == Role::Admin,
                };
                assert_eq!(caller.may(needs).is_ok(), expected, "{role:?} {needs:?}");
            }
            let nobody = Caller { name: None, roles: Roles::default(), rate: None, token: Sent::None };
            assert_eq!(nobody.may(needs).is_ok(), needs == Needs::Nothing);
        }
    }

    #[test]
    fn roles_are_read_as_they_are_written() {
        for names in ["submit", "run", "submit,read", "submit,run,read,admin"] {
            assert_eq!(names.parse::<Roles>().unwrap().to_string(), names);
        }
        assert_eq!("read, run".parse::<Roles>().unwrap().to_string(), "run,read");
        assert!("root".parse::<Roles>().unwrap_err().starts_with("`root` is no role"));
        assert!("".parse::<Roles>().is_err());
    }
}
