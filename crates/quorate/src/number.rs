/// A whole number from `LEAST` to `MOST`; for `value_parser`.
///
/// # Errors
/// It is none.
pub(crate) fn number<const LEAST: u32, const MOST: u32>(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (LEAST..=MOST).contains(number));
    number.ok_or_else(|| format!("it must be a whole number from {LEAST} to {MOST}"))
}
