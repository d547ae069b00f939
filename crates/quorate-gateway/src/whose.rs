//! On whose behalf a request is worked on, where no caller gets all that there is.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

tokio::task_local! {
    /// Of the request under way.
    static BEHALF: Behalf;
}

/// Whose request it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// His who has the token of this name, wherever he is.
    Token(Arc<str>),
    /// Of one without, at this address: of IPv6, of its network, of which one has all addresses.
    Address(IpAddr),
}

impl Whose {
    pub(crate) fn at(address: IpAddr) -> Whose {
        Whose::Address(match address {
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => IpAddr::V4(address),
                None => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            },
            IpAddr::V4(_) => address,
        })
    }
}

/// On whose behalf, and what is said of that caller alone.
#[derive(Clone, Debug)]
pub(crate) struct Behalf {
    pub(crate) whose: Whose,
    /// Jobs that it may enqueue in a second, where its token says that.
    pub(crate) rate: Option<u32>,
}

impl Behalf {
    /// That of the request under way; `None` where it came over no connection.
    pub(crate) fn now() -> Option<Behalf> {
        BEHALF.try_with(Behalf::clone).ok()
    }

    /// Answers a request on that behalf.
    pub(crate) async fn answered<T>(behalf: Option<Behalf>, answer: impl Future<Output = T>) -> T {
        match behalf {
            None => answer.await,
            Some(behalf) => BEHALF.scope(behalf, answer).await,
        }
    }
}
