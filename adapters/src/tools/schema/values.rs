//! Compares JSON values as JSON Schema does: `1` and `1.0` are the same number.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash, Hasher};

use serde_json::{Number, Value};

fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

pub(super) fn is_integer(number: &Number) -> bool {
    integer(number).is_some() || float(number).fract() == 0.0
}

pub(super) fn compare(a: &Number, b: &Number) -> Ordering {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => float(a).partial_cmp(&float(b)).unwrap_or(Ordering::Equal),
    }
}

pub(super) fn is_multiple(number: &Number, of: &Number) -> bool {
    if let (Some(number), Some(of)) = (integer(number), integer(of)) {
        return of != 0 && number % of == 0;
    }
    let quotient = float(number) / float(of);
    // 0.3 is a multiple of 0.1, though their quotient is a little less than 3
    quotient.is_finite() && (quotient - quotient.round()).abs() <= 1e-9 * quotient.abs().max(1.0)
}

/// Whether two values are equal. Calls `step` before every comparison, which may stop it.
pub(super) fn equal<E>(a: &Value, b: &Value, step: &mut impl FnMut() -> Result<(), E>) -> Result<bool, E> {
    step()?;
    Ok(match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare(a, b) == Ordering::Equal,
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (a, b) in a.iter().zip(b) {
                if !equal(a, b, step)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            for (name, a) in a {
                let same = match b.get(name) {
                    Some(b) => equal(a, b, step)?,
                    None => false,
                };
                if !same {
                    return Ok(false);
                }
            }
            true
        }
        (a, b) => a == b,
    })
}

/// A hash that equal values share.
pub(super) fn hash<E>(
    value: &Value,
    state: &impl BuildHasher,
    step: &mut impl FnMut() -> Result<(), E>,
) -> Result<u64, E> {
    step()?;
    let mut hasher = state.build_hasher();
    match value {
        Value::Null => 0u8.hash(&mut hasher),
        Value::Bool(value) => (1u8, value).hash(&mut hasher),
        // + 0.0: turns minus zero into zero
        Value::Number(number) => (2u8, (float(number) + 0.0).to_bits()).hash(&mut hasher),
        Value::String(text) => (3u8, text).hash(&mut hasher),
        Value::Array(items) => {
            4u8.hash(&mut hasher);
            for item in items {
                hash(item, state, step)?.hash(&mut hasher);
            }
        }
        Value::Object(members) => {
            let mut sum = 0u64;
            for (name, member) in members {
                sum = sum.wrapping_add(state.hash_one((name, hash(member, state, step)?)));
            }
            (5u8, sum).hash(&mut hasher);
        }
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::collections::hash_map::RandomState;

    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_are_equal_and_share_a_hash() {
        let (mut step, state) = (|| Ok::<_, ()>(()), RandomState::new());
        for (a, b, same) in [
            (json!(1), json!(1.0), true),
            (json!(0), json!(-0.0), true),
            (json!({"a": 1, "b": [2]}), json!({"b": [2.0], "a": 1}), true),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
            (json!([1, 2]), json!([2, 1]), false),
            (json!("1"), json!(1), false),
            (json!(true), json!(1), false),
        ] {
            assert_eq!(equal(&a, &b, &mut step), Ok(same), "{a} {b}");
            let hashes = [&a, &b].map(|value| hash(value, &state, &mut step));
            assert_eq!(hashes[0] == hashes[1], same, "{a} {b}");
        }
    }

    #[test]
    fn multiples_forgive_what_floats_cannot_say() {
        let number = |value: Value| value.as_number().cloned().unwrap();
        for (value, of, fits) in [
            (json!(9), json!(3), true),
            (json!(9), json!(2), false),
            (json!(0.3), json!(0.1), true),
            (json!(0.35), json!(0.1), false),
            (json!(1e308), json!(1e-308), false),
        ] {
            assert_eq!(is_multiple(&number(value.clone()), &number(of.clone())), fits, "{value} {of}");
        }
    }
}
