/// A message that does not say what it must: a wire error, or damage on a disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes are no such message.
    #[error("not a {message}: {reason}")]
    Undecodable {
        /// The message's name.
        message: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// It has a part that this version does not know: a newer one wrote it.
    #[error("a {message} with a part that this version does not know")]
    Newer {
        /// The message's name.
        message: &'static str,
    },
    /// A field has a value that this version does not know: a newer one wrote it.
    #[error("{message}.{field} has a value that this version does not know")]
    NewerField {
        /// The message's name.
        message: &'static str,
        /// The field's name.
        field: &'static str,
    },
    /// A field is missing or outside its range.
    #[error("{message}.{field} is missing or out of range")]
    Field {
        /// The message's name.
        message: &'static str,
        /// The field's name.
        field: &'static str,
    },
}

impl Malformed {
    /// Whether a newer version wrote it, rather than nobody.
    pub fn is_newer(&self) -> bool {
        match self {
            Malformed::Newer { .. } | Malformed::NewerField { .. } => true,
            Malformed::Undecodable { .. } | Malformed::Field { .. } => false,
        }
    }
}
