use std::time::SystemTime;

use crate::{Identity, Trust};

/// What ends some day: a certificate, or authorities with the last of them.
#[derive(Clone, Debug)]
pub enum Ends {
    /// One that this process shows.
    Identity(Identity),
    /// Those that it believes.
    Trust(Trust),
}

impl Ends {
    /// When it does.
    pub fn at(&self) -> SystemTime {
        match self {
            Ends::Identity(identity) => identity.expires_at(),
            Ends::Trust(trust) => trust.expires_at(),
        }
    }
}
