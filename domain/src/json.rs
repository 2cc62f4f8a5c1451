//! Limit on the nesting of JSON that comes from outside.

/// Deepest nesting of arrays and objects that is read.
///
/// Code that stores, wraps or shows a document adds a few levels of its own, and JSON readers stop at 128.
pub const MAX_NESTING: usize = 64;

/// How deep arrays and objects nest in a JSON text. The text need not be valid.
#[must_use]
pub fn nesting(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::nesting;

    #[test]
    fn brackets_count_outside_of_strings_only() {
        for (text, deep) in [
            ("7", 0),
            ("{}", 1),
            (r#"{"a":[1,[2]],"b":{}}"#, 3),
            (r#"["[[[[", "\"[[", "\\", []]"#, 2),
            ("]]]]{", 1),
            ("[[[[", 4),
        ] {
            assert_eq!(nesting(text.as_bytes()), deep, "{text}");
        }
    }
}
