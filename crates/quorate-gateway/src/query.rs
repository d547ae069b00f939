use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use quorate_core::Order;

use crate::body::urlencoded;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::limits::{self, GIVEN_CHARS};
use crate::quote::shortened;
use crate::ranges;
use crate::unknown::unknown;

/// The parameters of a query string. Only known ones, each at most once; an empty one is as good as absent.
///
/// As an extractor it is what [`crate::edge`] has parsed, for every route, by the parameters that its description lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Query, Infallible> {
        Ok(parts.extensions.remove().unwrap_or_default())
    }
}

impl Query {
    /// # Errors
    /// 400: an unknown or repeated parameter, or bytes that are not UTF-8.
    pub(crate) fn parse(raw: &str, known: &[String]) -> Result<Query, ApiError> {
        if raw.len() > limits::QUERY_BYTES {
            return Err(ApiError::invalid("query", format!("is longer than {} bytes", limits::QUERY_BYTES)));
        }
        let mut query = Query::default();
        for (name, value) in urlencoded::pairs(raw.as_bytes()) {
            let Some(name) = known.iter().find(|known| known.as_bytes() == &*name) else {
                let name = String::from_utf8_lossy(&name).into_owned();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let message = unknown(&name, &known);
                return Err(ApiError::invalid(name, message));
            };
            let value =
                String::from_utf8(value).map_err(|_| ApiError::invalid(name.clone(), "is not UTF-8"))?;
            if query.0.iter().any(|(earlier, _)| earlier == name) {
                return Err(ApiError::invalid(name.clone(), "is given twice"));
            }
            query.0.push((name.clone(), value));
        }
        Ok(query)
    }

    /// A parameter's text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(given, _)| given == name)?;
        (!value.is_empty()).then_some(value)
    }

    /// A parameter's text, also an empty one: what it would narrow must not become all.
    pub(crate) fn exact_text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| &**value)
    }

    /// A parameter that is a whole number: digits only.
    ///
    /// # Errors
    /// 400: it is something else.
    pub(crate) fn integer(&self, name: &'static str) -> Result<Option<u32>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits => Ok(Some(number)),
            Ok(_) | Err(_) => {
                let range = ranges::of(name)
                    .map_or_else(String::new, |range| format!(", {} to {}", range.start(), range.end()));
                let given = shortened(text, GIVEN_CHARS);
                Err(ApiError::invalid(name, format!("must be a whole number{range}, not {given}")))
            }
        }
    }

    /// A parameter that is a log index: digits only.
    ///
    /// # Errors
    /// 400: it is something else.
    pub(crate) fn index(&self, name: &'static str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let index = text.parse().ok().filter(|_| digits);
        index.map(Some).ok_or_else(|| ApiError::invalid(name, "must be a log index, as an answer gave it"))
    }

    /// `n`, the length of a page.
    ///
    /// # Errors
    /// 400: it is not a number from 1 to 1,000.
    pub(crate) fn page_length(&self) -> Result<usize, ApiError> {
        match self.integer("n")? {
            None => Ok(limits::PAGE_DEFAULT),
            Some(n) => {
                ranges::check("n", "n", n)?;
                Ok(n as usize)
            }
        }
    }

    /// `cursor`: where the last page ended, in the form that this call gives it.
    ///
    /// # Errors
    /// 400: it is none that an answer gave.
    pub(crate) fn cursor<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text("cursor") else { return Ok(None) };
        match parse(text) {
            Some(place) => Ok(Some(place)),
            None => {
                Err(ApiError::invalid("cursor", "is none that an answer gave; leave it out to start anew"))
            }
        }
    }

    /// `fields`: which fields the jobs of the answer have; all if it is not given.
    ///
    /// # Errors
    /// 400: a job has no such field.
    pub(crate) fn fields(&self) -> Result<Fields, ApiError> {
        self.text("fields").map_or(Ok(Fields::ALL), Fields::parse)
    }

    /// A parameter that is `true` or, as without it, `false`.
    ///
    /// # Errors
    /// 400: it is neither.
    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, ApiError> {
        Ok(self.choice(name)?.unwrap_or(false))
    }

    /// A parameter that is `true` or `false`.
    ///
    /// # Errors
    /// 400: it is neither.
    pub(crate) fn choice(&self, name: &'static str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some("false") => Ok(Some(false)),
            Some("true") => Ok(Some(true)),
            Some(other) => {
                let given = shortened(other, GIVEN_CHARS);
                Err(ApiError::invalid(name, format!("must be true or false, not {given}")))
            }
        }
    }

    /// `order`: which jobs come first; the newest if it is not given.
    ///
    /// # Errors
    /// 400: it is neither that nor the newest.
    pub(crate) fn order(&self) -> Result<Order, ApiError> {
        match self.text("order") {
            None | Some("newest") => Ok(Order::NewestFirst),
            Some("oldest") => Ok(Order::OldestFirst),
            Some(other) => {
                let given = shortened(other, GIVEN_CHARS);
                Err(ApiError::invalid(
                    "order",
                    format!("must be newest or oldest, which come first, not {given}"),
                ))
            }
        }
    }

    /// True for `consistency=linearizable`.
    ///
    /// # Errors
    /// 400: it is neither that nor `local`.
    pub(crate) fn linearizable(&self) -> Result<bool, ApiError> {
        match self.text("consistency") {
            None | Some("local") => Ok(false),
            Some("linearizable") => Ok(true),
            Some(_) => Err(ApiError::invalid("consistency", "must be local or linearizable")),
        }
    }
}
